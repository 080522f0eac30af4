"""Desks: asked off the event loop, in the name of who calls."""

import asyncio
import hashlib
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

from fingerpost.errors import FingerpostError, InternalError
from fingerpost.rpc.call import CALL
from fingerpost.rpc.catalog_convert import key_of
from fingerpost.types import Author

_THREADS = 4

_Desk = TypeVar("_Desk")
_Result = TypeVar("_Result")


class Desks(Generic[_Desk]):
    """Opens a desk for each call, and asks it while the event loop goes on."""

    def __init__(self, open_desk: Callable[[], _Desk], folder: Path, name: str) -> None:
        """Nothing is opened yet.

        Args:
            open_desk: Called for each call, off the event loop.
            folder: That it works on; errors leave the server with DATA in its place.
            name: Of the threads.
        """
        self._open_desk = open_desk
        absolute = {str(path) for path in (folder, folder.resolve()) if path.is_absolute()}
        self._paths = sorted(absolute, key=len, reverse=True)
        # Of its own: what waits for a database here must not keep others waiting.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)

    async def ask(self, work: Callable[[_Desk], _Result]) -> _Result:
        """What the desk answers, or the error that it raises."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(self._open_desk()))
        except FingerpostError as error:
            for path in self._paths:
                error.message = error.message.replace(path, "DATA")
            raise


def author(given_key: str) -> Author:
    """Who calls, with a key of theirs alone: another's key, or of another method, is another key.

    Raises:
        InvalidRequest: see `key_of`.
    """
    call = CALL.get()
    if call.principal is None:
        raise InternalError("nobody is known who calls, on a listener that knows everybody: report it")
    key = key_of(given_key) or uuid.uuid4().hex
    whole = "\0".join((call.principal.name, call.method, key))
    return Author(call.principal.name, hashlib.sha256(whole.encode()).hexdigest(), call.principal.also)


def call_id() -> str:
    """The id of the call that runs."""
    return CALL.get().request_id
