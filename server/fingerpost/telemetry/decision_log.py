"""Decision log: sampled decisions as lines of JSON, written beside the traffic and never waited for.

One thread writes. What it cannot keep up with, or cannot write, is dropped and counted: no call waits for the disk.
"""

import contextlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

import grpc
import structlog

from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.key_file import key_in
from fingerpost.rpc.call import Call, ReadHeaders
from fingerpost.serve.pipeline import Answer
from fingerpost.serve.record import is_sampled, row_of, with_text

_log = structlog.get_logger(__name__)

PREFIX, SUFFIX = "decisions-", ".jsonl"
KEY_FILE = "decision-log.key"

_WAITING = 10_000  # rows
_WAITING_CHARACTERS = 32_000_000
_FILE_SECONDS = 3_600.0
_FILES = 16  # that the room is shared by, at least
_LOOK_SECONDS = 60.0  # how often old files are looked for without traffic
_PAUSE_SECONDS = 5.0  # after the disk refused something
_DAY_SECONDS = 86_400.0

Count = Callable[[str, int], None]
"""Told rows by what became of them: written, late or disk."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept, and for how long."""

    folder: Path
    share: float  # of decisions, (0, 1]
    keep_text: bool
    days: float  # after which a file goes
    room_bytes: int  # of all files


class DecisionLog:
    """An observer of calls; `start` before the first, `close` after the last."""

    def __init__(self, rules: Rules, key: bytes, count: Count, clock: Callable[[], float] = time.time) -> None:
        """Nothing is written or started yet.

        Args:
            rules: What is kept.
            key: See `read_key`.
            count: Called from the event loop and the thread.
            clock: Seconds since the epoch.
        """
        self._rules = rules
        self._key = key
        self._count = count
        self._clock = clock
        self._waiting: deque[tuple[dict[str, Any], str | None, str]] = deque()
        self._waiting_characters = 0
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._files = _Files(rules, clock)

    def start(self) -> None:
        """Begin to write.

        Raises:
            FailedPrecondition: the folder cannot be made or written.
        """
        try:
            self._rules.folder.mkdir(parents=True, exist_ok=True)
            self._files.sweep()
        except OSError as error:
            raise _unusable(self._rules.folder, error) from error
        self._thread.start()

    def finished(self, call: Call, code: grpc.StatusCode, read_headers: ReadHeaders) -> None:
        """Note what a call decided; on the event loop."""
        for answer in call.answers:
            if is_sampled(answer.decision_id, self._rules.share):
                self._note(answer)

    def close(self) -> None:
        """Write what waits, and end; blocks."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _note(self, answer: Answer) -> None:
        wanted = answer.query.wanted
        text = wanted if isinstance(wanted, str) else None
        row = row_of(answer, self._clock(), self._rules.share)
        size = len(text or "")
        with self._changed:
            fits = len(self._waiting) < _WAITING and self._waiting_characters + size <= _WAITING_CHARACTERS
            if fits and not self._ended:
                self._waiting.append((row, text, answer.query.tenant))
                self._waiting_characters += size
                self._changed.notify()
        if not fits:
            self._count("late", 1)

    def _run(self) -> None:
        while True:
            rows, ended = self._taken()
            if rows:
                self._write([self._line(*row) for row in rows])
            self._tidy()
            if ended:
                self._files.close()
                return

    def _taken(self) -> tuple[list[tuple[dict[str, Any], str | None, str]], bool]:
        with self._changed:
            if not self._waiting and not self._ended:
                self._changed.wait(_LOOK_SECONDS)
            rows = list(self._waiting)
            self._waiting.clear()
            self._waiting_characters = 0
            return rows, self._ended

    def _line(self, row: dict[str, Any], text: str | None, tenant: str) -> bytes:
        whole = with_text(row, text, tenant, self._key, keep=self._rules.keep_text)
        return json.dumps(whole, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"

    def _write(self, lines: list[bytes]) -> None:
        try:
            self._files.write(lines)
        except OSError as error:
            self._count("disk", len(lines))
            if self._files.fail():
                _log.error("decision_log_stopped", folder=str(self._rules.folder), error=error.strerror)
        else:
            self._count("written", len(lines))
            if self._files.recover():
                _log.info("decision_log_goes_on", folder=str(self._rules.folder))

    def _tidy(self) -> None:
        try:
            self._files.sweep()
        except OSError as error:
            _log.warning("decision_log_not_swept", folder=str(self._rules.folder), error=error.strerror)


class _Files:
    """The files of the log: one is written, older ones go by age and by room. One thread at a time."""

    def __init__(self, rules: Rules, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._open: BufferedWriter | None = None
        self._path: Path | None = None
        self._since = 0.0
        self._bytes = 0
        self._number = 0
        self._failed = False
        self._again_at = 0.0  # after a failure
        self._swept = float("-inf")

    def write(self, lines: list[bytes]) -> None:
        """Append them.

        Raises:
            OSError: at least one is not there, or the disk refused something a moment ago.
        """
        if self._failed and time.monotonic() < self._again_at:
            raise OSError(0, "waiting after an error")
        now = self._clock()
        full = self._bytes >= self._rules.room_bytes // _FILES or now - self._since >= _FILE_SECONDS
        if self._open is None or full:
            self._next(now)
        assert self._open is not None  # noqa: S101  `_next` opened it
        for line in lines:
            self._open.write(line)
            self._bytes += len(line)
        self._open.flush()

    def fail(self) -> bool:
        """Wait before the next attempt, in a file of its own; True when the attempt before was none."""
        first, self._failed = not self._failed, True
        if time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + _PAUSE_SECONDS
        self._drop()
        return first

    def recover(self) -> bool:
        """True when it had failed before."""
        failed, self._failed = self._failed, False
        return failed

    def sweep(self) -> None:
        """Remove files that are too old, and the oldest as long as all take too much room; not the one that is written.

        Raises:
            OSError
        """
        if time.monotonic() - self._swept < 1.0:
            return
        self._swept = time.monotonic()
        found = sorted(self._rules.folder.glob(f"{PREFIX}*{SUFFIX}"))
        sizes = {path: path.stat() for path in found if path != self._path}
        room = self._rules.room_bytes - self._bytes - sum(state.st_size for state in sizes.values())
        ends = self._clock() - self._rules.days * _DAY_SECONDS
        for path, state in sizes.items():
            if state.st_mtime < ends or room < 0:
                path.unlink(missing_ok=True)
                room += state.st_size

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _next(self, now: float) -> None:
        self.close()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        self._number += 1
        self._path = self._rules.folder / f"{PREFIX}{stamp}-{os.getpid()}-{self._number:06}{SUFFIX}"
        self._open = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._since, self._bytes = now, 0

    def _drop(self) -> None:
        """Leave a file that could not be written, without a second error from what its buffer holds."""
        if self._open is not None:
            with contextlib.suppress(OSError):  # that is the error that was told
                self._open.close()
            self._open = None


def read_key(data: Path) -> bytes:
    """The secret by which rows call texts; it is made where there is none.

    Raises:
        FailedPrecondition: it can neither be read nor made.
    """
    path = data / KEY_FILE
    try:
        return key_in(path)
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> FailedPrecondition:
    why = error.strerror if isinstance(error, OSError) else "it is none of ours"
    return FailedPrecondition(
        f"the decision log cannot be written: {path}: {why}: choose another folder with FINGERPOST_DECISION_LOG, or "
        "let the server's user write there",
        ErrorReason.INVALID_FIELD,
    )
