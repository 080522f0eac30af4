"""Revisions and activations as files: content-addressed folders and one small pointer a catalog.

Order of every write: bytes, fsync, rename, fsync of the folder; so a kill or a power cut leaves the old or the new
state, never a mix.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from fingerpost.errors import Conflict, DataLoss, ErrorReason, NotFound, StorageFull
from fingerpost.types import Activation

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileRevisionStore:
    """`revisions/<digest>/`, written once and never touched again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def publish(self, digest: str, files: Mapping[str, bytes]) -> None:
        """Store the files under their digest; equal ones that are already there are left alone.

        A folder of that digest whose bytes differ is damaged and is set aside under `quarantine-`.

        Raises:
            StorageFull: nothing of the revision is left behind.
        """
        target = self._folder / digest
        if target.is_dir():
            if _same(target, files):
                return
            _set_aside(target)
        with _storage_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            with _lock(self._folder / ".lock"), self._scratch() as scratch:
                for name, data in files.items():
                    _write(scratch / name, data)
                _sync_folder(scratch)
                if not _same(scratch, files):
                    raise DataLoss("what was written is not what was read back: check the disk")
                scratch.rename(target)
                _sync_folder(self._folder)

    def read(self, digest: str) -> dict[str, bytes]:
        """All files of a revision, as bytes, unverified.

        Raises:
            NotFound: there is no such revision.
        """
        target = self._folder / digest
        if not target.is_dir():
            raise NotFound(f"revision {digest[:12]} is not stored here", ErrorReason.REVISION_NOT_FOUND)
        return {path.name: path.read_bytes() for path in sorted(target.iterdir()) if not path.is_symlink()}

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A new folder, removed unless it was renamed away; the lock is held, so older ones are what a kill left."""
        for left in self._folder.glob(".scratch-*"):
            shutil.rmtree(left)
        scratch = Path(tempfile.mkdtemp(prefix=".scratch-", dir=self._folder))
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)  # gone already when all went well


class FileActivationStore:
    """`catalogs/<name>.json`: the revision in force and its generation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, catalog: str) -> Activation | None:
        """The catalog's pointer, None when it never had one.

        Raises:
            DataLoss: the pointer cannot be read.
        """
        try:
            row = json.loads((self._folder / f"{catalog}.json").read_bytes())
            return Activation(catalog, str(row["revision"]), int(row["generation"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise DataLoss(f"the pointer of catalog {catalog} cannot be read: reindex --catalog {catalog}") from error

    def catalogs(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("[!.]*.json"))

    def activate(self, catalog: str, revision: str, expected_generation: int | None = None) -> Activation:
        """Point the catalog at a revision, whichever process gets the lock first.

        Raises:
            Conflict: the generation is not the expected one.
            StorageFull: the old pointer stays.
        """
        with _storage_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            with _lock(self._folder / f".{catalog}.lock"):
                activation = Activation(catalog, revision, self._next_generation(catalog, expected_generation))
                self._write(activation)
        return activation

    def _next_generation(self, catalog: str, expected: int | None) -> int:
        try:
            current = self.read(catalog)
        except DataLoss:  # a new activation is what mends it
            current = None
        generation = current.generation if current else 0
        if expected is not None and expected != generation:
            raise Conflict(
                f"catalog {catalog} is at generation {generation}, not {expected}: look again, then repeat",
                metadata={"generation": str(generation)},
            )
        return generation + 1

    def _write(self, activation: Activation) -> None:
        row = {"revision": activation.revision, "generation": activation.generation}
        scratch = self._folder / f".{activation.catalog}.json.new"
        _write(scratch, json.dumps(row).encode() + b"\n")
        scratch.rename(self._folder / f"{activation.catalog}.json")
        _sync_folder(self._folder)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _same(folder: Path, files: Mapping[str, bytes]) -> bool:
    names = {path.name for path in folder.iterdir()}
    return names == set(files) and all((folder / name).read_bytes() == data for name, data in files.items())


def _set_aside(folder: Path) -> None:
    aside = tempfile.mkdtemp(prefix=f"quarantine-{folder.name[:12]}-", dir=folder.parent)
    folder.rename(Path(aside) / folder.name)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull("no room left to store the revision: free some space and repeat") from error
        raise
