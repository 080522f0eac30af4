"""Tests that run side by side in several processes, and those among them that need the machine for themselves."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Wait until a test may run, whichever process it is in; one that is `alone` runs beside no other.

    The folder holds the locks, and all processes name the same. Whoever waits for the room holds the gate, so that none
    overtakes: a test that wants to be alone waits for those that run, not for all that are left.
    """
    with (folder / "gate").open("w") as gate, (folder / "room").open("w") as room:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # Not left to the closing: a process that the test forked may still have the file open.
            fcntl.flock(room, fcntl.LOCK_UN)
