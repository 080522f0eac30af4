"""A way to a server on which connections break or go silent at a chosen message."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto

_CHUNK = 65_536


class Fault(Enum):
    """What befalls a connection at the message."""

    CUT_BEFORE = auto()  # the server never sees it
    CUT_AFTER = auto()  # the server sees it, and nobody its reply
    CUT_REPLIED = auto()  # the server has replied, and nobody sees it
    SILENCE = auto()  # the connection stays open, but nothing passes any more


class Proxy:
    """Passes everything on, until it is told otherwise; see `running_proxy`."""

    def __init__(self, port: int) -> None:
        self.server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended, self._end = socket.socketpair()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._needle, self._fault, self._left = b"", Fault.SILENCE, 0
        self.port: int = self._listener.getsockname()[1]
        self.fired = 0
        """Faults that happened: a test whose fault did not has proven nothing."""
        self._start(self._serve)

    def arm(self, needle: bytes, fault: Fault, times: int = 1) -> None:
        """Let so many messages of clients that hold the needle meet the fault."""
        with self._lock:
            self._needle, self._fault, self._left = needle, fault, times

    def close(self) -> None:
        self._end.close()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._ended.close()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while self._listener in self.readable(self._listener):
            client, _ = self._listener.accept()
            self._start(_Passage(self, client).run)

    def readable(self, *sockets: socket.socket) -> list[socket.socket]:
        """Those with something to read, once there is one; none at the end."""
        ready, _, _ = select.select([*sockets, self._ended], [], [])
        return [] if self._ended in ready else ready

    def fault_at(self, data: bytes) -> Fault | None:
        """What befalls a client's message; None: it passes."""
        with self._lock:
            if self._left == 0 or self._needle not in data:
                return None
            self._left -= 1
            self.fired += 1
            return self._fault


class _Passage:
    """One client's connection."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client

    def run(self) -> None:
        with self._client, socket.socket() as server:
            try:
                server.connect(("127.0.0.1", self._proxy.server_port))
                while self._step(server):
                    pass
            except OSError:
                return  # a side broke by itself

    def _step(self, server: socket.socket) -> bool:
        """Pass something on; False at the end."""
        ready = self._proxy.readable(self._client, server)
        data = ready[0].recv(_CHUNK) if ready else b""
        if not data:
            return False
        if ready[0] is server:
            self._client.sendall(data)
            return True
        fault = self._proxy.fault_at(data)
        if fault is not Fault.CUT_BEFORE and fault is not Fault.SILENCE:
            server.sendall(data)
        if fault is Fault.CUT_REPLIED:
            self._proxy.readable(server)
        if fault is Fault.SILENCE:
            self._proxy.readable()
        return fault is None


@contextmanager
def running_proxy(port: int) -> Iterator[Proxy]:
    """A proxy on a free port before that one of this machine."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
