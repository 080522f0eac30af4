"""A way to a server on which connections break or go silent at a chosen message."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

_CHUNK = 65_536


class Fault(Enum):
    """What befalls a connection at the message."""

    CUT_BEFORE = auto()  # the server never sees it
    CUT_AFTER = auto()  # the server sees it, and nobody its reply
    CUT_REPLIED = auto()  # the server has replied, and nobody sees it
    SILENCE = auto()  # open, but nothing passes any more


class Proxy:
    """Passes everything on, until it is told otherwise; see `running_proxy`."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended, self._end = socket.socketpair()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._needle, self._fault, self._left = b"", Fault.SILENCE, 0
        self.port: int = self._listener.getsockname()[1]
        self.fired = 0
        """Faults that happened: a test whose fault did not has proven nothing."""

    def arm(self, needle: bytes, fault: Fault, times: int = 1) -> None:
        """Let so many messages of clients that hold the needle meet the fault."""
        with self._lock:
            self._needle, self._fault, self._left = needle, fault, times

    def serve(self) -> None:
        """Take connections until `close`."""
        while True:
            ready, _, _ = select.select([self._listener, self._ended], [], [])
            if self._ended in ready:
                return
            client, _ = self._listener.accept()
            self._start(lambda client=client: self._pass_on(client))  # type: ignore[misc]

    def close(self) -> None:
        self._end.close()
        while self._threads:
            self._threads.pop().join()
        for one in (self._listener, self._ended):
            one.close()

    def _start(self, target: object) -> None:
        thread = threading.Thread(target=target)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket() as server:
            try:
                server.connect(self._target)
                while (data := self._next(client, server)) is not None:
                    self._send(data, client, server)
            except OSError:
                return  # the other side broke first

    def _next(self, client: socket.socket, server: socket.socket) -> tuple[socket.socket, bytes] | None:
        """Who says what; None at the end."""
        ready, _, _ = select.select([client, server, self._ended], [], [])
        if self._ended in ready:
            return None
        data = ready[0].recv(_CHUNK)
        return (ready[0], data) if data else None
