"""Control: the connection by which the server loads revisions into its engine, and hears that it is gone."""

import asyncio
import json
from collections import deque
from typing import Any, cast

from fingerpost.errors import ErrorReason, FailedPrecondition


def unavailable() -> FailedPrecondition:
    return FailedPrecondition(
        "the engine process does not run: see the log for why it ended", ErrorReason.ENCODER_UNAVAILABLE
    )


class Control(asyncio.Protocol):
    """Lines of JSON: a question each, answered in order."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._asked: deque[asyncio.Future[dict[str, Any]]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # a socket's always is one

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_result(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        while self._asked:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_exception(unavailable())
        self.lost.set()

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._transport is None:
            raise unavailable()
        asked: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self.tell(request)
        return await asked

    def tell(self, request: dict[str, Any]) -> None:
        if self._transport is not None:
            self._transport.write(json.dumps(request).encode() + b"\n")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
