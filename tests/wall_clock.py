"""A server process whose calendar a test moves while it runs: libfaketime shifts it, and leaves the monotonic clock."""

from pathlib import Path
from typing import Any

from tests.processes import ServerProcess

_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")


class WallClock:
    """How many seconds the calendar is ahead of that of the machine; a file says so."""

    def __init__(self, file: Path) -> None:
        """As the machine's, at first.

        Raises:
            RuntimeError: libfaketime is not installed here.
        """
        self._file = file
        self.shift(0)
        found = [path for place in _PLACES for path in sorted(Path("/").glob(place[1:]))]
        if not found:
            raise RuntimeError("these tests are never skipped: apt-get install libfaketime")
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else threads that wait for the interpreter spin
        }

    def shift(self, seconds: float) -> None:
        self._file.write_text(f"{seconds:+.3f}\n")


class ShiftedServer(ServerProcess):
    """A server by such a clock."""

    def __init__(self, data: Path, clock: WallClock, **settings: Any) -> None:
        super().__init__(data, **settings)
        self._environment |= clock.environment
