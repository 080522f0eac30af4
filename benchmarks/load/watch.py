"""Watches the server's memory from outside while something else is measured."""

import threading
import time
from types import TracebackType
from typing import Self

from benchmarks.serving import ServerUnderTest


class MemoryWatch:
    """A context manager; reads resident memory a few times a second, and at its end."""

    def __init__(self, server: ServerUnderTest, interval_seconds: float = 0.25) -> None:
        self._server = server
        self._interval = interval_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.resident_bytes: list[tuple[float, int]] = []  # with `time.monotonic` seconds

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._read()

    @property
    def highest_mb(self) -> float:
        return max(size for _, size in self.resident_bytes) / 1e6

    @property
    def last_mb(self) -> float:
        return self.resident_bytes[-1][1] / 1e6

    def _watch(self) -> None:
        while not self._over.wait(self._interval):
            self._read()

    def _read(self) -> None:
        self.resident_bytes.append((time.monotonic(), self._server.resident_bytes))
