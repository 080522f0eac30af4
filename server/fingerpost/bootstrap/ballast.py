"""Ballast: room that is kept for the moment when there is none, so that one can go back and clear up on a full disk.

SQLite refuses every change then, even one that makes room. So a file of real bytes lies in the data folder, and goes
when a roll back or a clearing up finds no room; it is made again when there is room for it several times over.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from fingerpost.errors import StorageFull

_log = structlog.get_logger(__name__)

_BYTES = 1 << 20  # the write-ahead log of a change, a pointer file, and much to spare
_FREE_TIMES = 4

_Result = TypeVar("_Result")


def ballast_of(folder: Path) -> Path:
    return folder / ".ballast"


def stow(folder: Path) -> None:
    """Make it where it is missing and there is ample room; a folder that cannot be written does without."""
    path = ballast_of(folder)
    if path.exists():
        return
    with contextlib.suppress(OSError):
        state = os.statvfs(folder)
        if state.f_bavail * state.f_frsize >= _FREE_TIMES * _BYTES:
            scratch = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                scratch.write_bytes(os.urandom(_BYTES))  # no holes, and nothing that a disk could press together
                scratch.rename(path)
            finally:
                scratch.unlink(missing_ok=True)


def with_ballast(folder: Path, work: Callable[[], _Result]) -> _Result:
    """Do the work; where there is no room for it, throw the ballast out and do it again.

    Raises:
        StorageFull: there is no ballast, or not even with it.
    """
    try:
        return work()
    except StorageFull:
        path = ballast_of(folder)
        if not path.exists():
            raise
        path.unlink()
        _log.warning("ballast_used", folder=str(folder), effect="the disk is full: free some space")
        return work()
