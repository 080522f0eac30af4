"""Watching: does something again each time the files of a route folder have changed, until Ctrl-C."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

import typer

from fingerpost.cli import show
from fingerpost.errors import FingerpostError

_POLL_S = 0.25
_SHOWN = 5  # names of changed files
_ENDINGS = {".yaml", ".yml", ".txt", ".jsonl", ".csv"}
_GONE = (-1, -1, -1)  # a link that leads nowhere, or a file that vanished while we looked

Snapshot = Mapping[str, tuple[int, int, int]]
"""Name of a file to its size, time of change and number: one that is renamed over another has another number."""


def watch_files(folder: Path, publish: Callable[[], object]) -> None:
    """Publish now, and again when the files have changed and then kept still; an error is told and waited out.

    Args:
        folder: Of route files.
        publish: What is done; it prints what came of it.
    """
    interrupted = threading.Event()

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        _watch(folder, publish, interrupted)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, before)
    _say("Watching has ended.")


def _watch(folder: Path, publish: Callable[[], object], interrupted: threading.Event) -> None:
    """Until interrupted: Python drops the exception where it comes while something is being disposed of."""
    done: Snapshot | None = None
    while not interrupted.is_set():
        files = _settled(folder)
        if done is not None:
            _say(f"\n{time.strftime('%H:%M:%S')} changed: {_changed(done, files)}")
        _attempt(publish)
        _say(f"Watching {folder} for changes; Ctrl-C ends.")
        done = files
        while snapshot(folder) == done and not interrupted.is_set():
            time.sleep(_POLL_S)


def _attempt(publish: Callable[[], object]) -> None:
    try:
        publish()
    except FingerpostError as error:
        show.error(error)
    except OSError as error:
        show.file_error(error)


def _settled(folder: Path) -> Snapshot:
    """The files, once they have kept still: an editor may write one in several steps, or several files."""
    files = snapshot(folder)
    while True:
        time.sleep(_POLL_S)
        again = snapshot(folder)
        if again == files:
            return files
        files = again


def snapshot(folder: Path) -> Snapshot:
    """The folder's route and utterances files as they are; hidden ones, which editors write beside, are left out."""
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS]
    except OSError:  # what publishes tells what is wrong with the folder
        return {}
    return {path.name: _state(path) for path in paths if not path.name.startswith(".")}


def _state(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()  # of the file that a link leads to
    except OSError:
        return _GONE
    return status.st_size, status.st_mtime_ns, status.st_ino


def _changed(before: Snapshot, after: Snapshot) -> str:
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return ", ".join(names) if len(names) <= _SHOWN else f"{len(names)} files"


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()  # what reads along through a pipe must see it now
