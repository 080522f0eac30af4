"""Outbox: reports kept on this machine while their store is away. A file a portion, whole or not at all."""

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from fingerpost.durable import put_file, storing
from fingerpost.errors import ErrorReason, Unavailable
from fingerpost.types import ReportRow

_log = structlog.get_logger(__name__)

MAX_ROWS = 200_000
_RETRY_MS = 5_000

_rows = TypeAdapter(tuple[ReportRow, ...])


class FileOutbox:
    """See `serve.reports.Outbox`. Servers of one folder have one outbox: whoever takes a portion first brings it on."""

    def __init__(self, folder: Path, max_rows: int = MAX_ROWS) -> None:
        """What is in the folder from before is still to be brought on."""
        self._folder = folder
        self._max_rows = max_rows
        self._counts = {path.name: self._counted(path) for path in folder.glob("*.json")} if folder.is_dir() else {}
        self._putting = threading.Lock()
        self._last = max((_time_of(name) for name in self._counts), default=0)

    @property
    def rows(self) -> int:
        return sum(list(self._counts.values()))

    def put(self, rows: Sequence[ReportRow]) -> None:
        if self.rows + len(rows) > self._max_rows:
            raise Unavailable(
                "the store of reports is away and the outbox of this machine is full: report again later",
                ErrorReason.STORE_UNAVAILABLE,
                retry_after_ms=_RETRY_MS,
            )
        with self._putting, storing("the report"):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._last = max(time.time_ns(), self._last + 1)  # names grow, whatever the clock does
            name = f"{self._last:020d}-{os.getpid()}-{len(rows)}.json"
            put_file(self._folder / name, _rows.dump_json(tuple(rows)), mode=0o600)
        self._counts[name] = len(rows)

    def oldest(self) -> tuple[str, Sequence[ReportRow]] | None:
        while self._counts:
            name = min(list(self._counts))
            try:
                return name, _rows.validate_json((self._folder / name).read_bytes())
            except FileNotFoundError:  # another server of the folder has brought it on
                del self._counts[name]
            except ValidationError:
                self._set_aside(name)
        return None

    def drop(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)
        self._counts.pop(name, None)

    def _set_aside(self, name: str) -> None:
        """Keep what cannot be read for a person to look at; what comes after it must not wait."""
        _log.error("outbox_unreadable", file=name, effect="set aside in the outbox")
        with contextlib.suppress(FileNotFoundError):  # another server of the folder has
            (self._folder / name).rename(self._folder / f"{name}.unreadable")
        del self._counts[name]

    @staticmethod
    def _counted(path: Path) -> int:
        """As its name says."""
        count = path.stem.rpartition("-")[2]
        return int(count) if count.isdigit() else 1


def _time_of(name: str) -> int:
    """Nanoseconds since the epoch; 0 for a file of another name than ours."""
    digits = name.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0
