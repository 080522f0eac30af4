"""Durable files: whole or not at all, whatever is killed or full in between.

Order of every write: bytes, fsync, rename, fsync of the folder. So a kill or a power cut leaves the old or the new
state, never a mix.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from fingerpost.errors import DataLoss, ErrorReason, StorageFull, Unavailable
from fingerpost.failpoints import Step, reached

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BROKEN = {errno.EROFS, errno.EIO}
_NO_FOLDER_LOCKS = {errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}


@contextlib.contextmanager
def storing(what: str) -> Iterator[None]:
    """Turn what a disk refuses into an error that says what to do.

    Raises:
        StorageFull: there is no room for `what`.
        Unavailable: STORE_UNAVAILABLE, the disk can only be read, or fails.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull(f"no room left to store {what}: free some space and repeat") from error
        if error.errno in _BROKEN:
            raise Unavailable(
                f"{what} cannot be stored ({error.strerror}): see to the disk, then repeat",
                ErrorReason.STORE_UNAVAILABLE,
            ) from error
        raise


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock that the file at `path` stands for; waits for whichever process has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder itself, which leaves no file in it; waits for whichever process has it.

    Some network file systems lock no folders: there nothing is held, and writers must compare before they write.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_FOLDER_LOCKS:
                raise
        yield
    finally:
        os.close(handle)


def put_file(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write or replace one file; its folder must exist, and callers of one path must hold one lock.

    Args:
        path: The file.
        data: All of its content.
        mode: Permission bits that it gets; None: those of any new file.
    """
    scratch = path.with_name(f".{path.name}.new")
    try:
        _write(scratch, data)
        if mode is not None:
            scratch.chmod(mode)
        scratch.rename(path)
        reached(Step.FILE_RENAMED)
    finally:
        scratch.unlink(missing_ok=True)
    _sync_folder(path.parent)


def put_unlocked(path: Path, data: bytes) -> None:
    """Write or replace one file for which nobody holds a lock: of two processes the last one wins, whole.

    A file that is there keeps its mode, a new one has what the process's mask allows.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        _write(scratch, data)
        if path.exists():
            scratch.chmod(stat.S_IMODE(path.stat().st_mode))
        scratch.rename(path)
        reached(Step.FILE_RENAMED)
    finally:
        scratch.unlink(missing_ok=True)
    _sync_folder(path.parent)


def put_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files beside its place and rename it there; the lock of its parent must be held.

    A folder that is already there is taken for damaged and set aside under `quarantine-`.

    Raises:
        DataLoss: what was written is not what was read back.
    """

    def fill(scratch: Path) -> None:
        for name, data in files.items():
            _write(scratch / name, data)
        if not holds(scratch, files):
            raise DataLoss("what was written is not what was read back: check the disk")

    fill_folder(target, fill)


def fill_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write and sync files into an empty folder, and give it its name; otherwise as `put_folder`.

    What `fill` raises is raised, and nothing is left of the folder.
    """
    with _scratch(target.parent) as scratch:
        fill(scratch)
        reached(Step.FOLDER_FILLED)
        _sync_folder(scratch)
        if target.exists():
            target.rename(Path(tempfile.mkdtemp(prefix="quarantine-", dir=target.parent)) / target.name)
            reached(Step.FOLDER_SET_ASIDE)
        scratch.rename(target)
        reached(Step.FOLDER_RENAMED)
        _sync_folder(target.parent)


def holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Whether the folder consists of exactly these files."""
    names = {path.name for path in folder.iterdir()}
    return names == set(files) and all((folder / name).read_bytes() == data for name, data in files.items())


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A new folder, removed unless it was renamed away; the lock is held, so older ones are what a kill left."""
    for left in parent.glob(".scratch-*"):
        shutil.rmtree(left)
    scratch = Path(tempfile.mkdtemp(prefix=".scratch-", dir=parent))
    try:
        scratch.chmod(0o755)  # mkdtemp makes it private; the server may run as another user
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # gone already when all went well


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        reached(Step.FILE_WRITTEN)
        os.fsync(file.fileno())
    reached(Step.FILE_SYNCED)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    reached(Step.FOLDER_SYNCED)
