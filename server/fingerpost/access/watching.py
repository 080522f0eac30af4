"""Watching: the file of access as it is now; when it turns bad, the last good one stays in force."""

from collections.abc import Callable
from pathlib import Path

import structlog

from fingerpost.access.files import read_access
from fingerpost.errors import InvalidRequest
from fingerpost.types import Access

_log = structlog.get_logger(__name__)

_LOOK_EVERY_SECONDS = 1.0


class AccessOnFile:
    """Gives the access of a file; looks at the file once a second at most."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Read the file.

        Args:
            path: The file of access.
            clock: Seconds that never go back.

        Raises:
            InvalidRequest: see `access.files.read_access`.
        """
        self._path = path
        self._clock = clock
        self._stamp = self._stamp_now()
        self._access = read_access(path)
        self._looked = clock()
        self._refused = ""  # what was wrong last, which is told once

    def __call__(self) -> Access:
        now = self._clock()
        if now - self._looked >= _LOOK_EVERY_SECONDS:
            self._looked = now
            self._look()
        return self._access

    def _look(self) -> None:
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        try:
            self._access = read_access(self._path)
        except InvalidRequest as error:
            if error.message != self._refused:
                _log.error("access_refused", file=str(self._path), why=error.message)
            self._refused = error.message
            # What could not be read may be readable later without a new stamp: its owner changes, files are free again.
            self._stamp = () if isinstance(error.__cause__, OSError) else stamp
            return
        self._stamp, self._refused = stamp, ""
        _log.info("access_read", file=str(self._path))

    def _stamp_now(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:  # it is just being replaced, or gone
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)
