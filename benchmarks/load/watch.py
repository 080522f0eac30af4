"""Watches the server's memory from outside while something else is measured."""

import time
from types import TracebackType

from benchmarks.load.every import Every
from benchmarks.serving import ServerUnderTest


class MemoryWatch(Every):
    """Reads resident memory a few times a second, and at its end."""

    def __init__(self, server: ServerUnderTest, interval_seconds: float = 0.25) -> None:
        super().__init__(interval_seconds, self._read)
        self._server = server
        self.resident_bytes: list[tuple[float, int]] = []  # with `time.monotonic` seconds

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._read()

    @property
    def highest_mb(self) -> float:
        return max(size for _, size in self.resident_bytes) / 1e6

    @property
    def last_mb(self) -> float:
        return self.resident_bytes[-1][1] / 1e6

    def _read(self) -> None:
        self.resident_bytes.append((time.monotonic(), self._server.family.memory_bytes))
