"""Aside: blocking work beside the event loop that may never return, as what waits for a silent network."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class Aside:
    """Threads of their own, given up after a time: neither the loop nor the end of the process waits for them."""

    def __init__(self, name: str, most: int = 4) -> None:
        """Nothing runs yet.

        Args:
            name: Of the threads.
            most: How many may be under way, those that were given up among them.
        """
        self._name = name
        self._free = most

    async def run(self, work: Callable[[], _T], timeout_seconds: float | None = None) -> _T:
        """What the work returns or raises.

        Raises:
            TimeoutError: it took longer, or too many that were given up have not come back.
        """
        if self._free <= 0:
            raise TimeoutError(f"{self._name}: nothing comes back")
        self._free -= 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()

        def run() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001  whoever waits gets it, whatever it is
                _tell(loop, self._failed, future, error)
            else:
                _tell(loop, self._done, future, result)

        threading.Thread(target=run, name=self._name, daemon=True).start()
        async with asyncio.timeout(timeout_seconds):  # wait_for of Python 3.11 may swallow a cancellation
            return await future

    def _done(self, future: "asyncio.Future[_T]", result: _T) -> None:
        self._free += 1
        if not future.done():
            future.set_result(result)

    def _failed(self, future: "asyncio.Future[_T]", error: BaseException) -> None:
        self._free += 1
        if not future.done():
            future.set_exception(error)


def _tell(loop: asyncio.AbstractEventLoop, told: Callable[..., None], *arguments: object) -> None:
    try:
        loop.call_soon_threadsafe(told, *arguments)
    except RuntimeError:  # the loop has ended meanwhile: nobody waits
        return
