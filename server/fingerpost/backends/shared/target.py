"""Target: files in a place that fsspec reaches: a folder, a bucket, or whatever the user has a package for."""

import errno
import functools
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fingerpost.errors import ErrorReason, StorageFull, Unavailable

_CHUNK_BYTES = 1 << 20
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Target:
    """Names are relative, with `/` between folders. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        """Nothing is reached until it is used.

        Args:
            url: A folder, or `memory://`, `s3://BUCKET/PATH` and so on.
        """
        self._url = url

    def read(self, name: str, limit: int) -> bytes | None:
        """At most so many bytes of a file, from its start; None where there is none.

        Raises:
            Unavailable: ARTEFACTS_UNAVAILABLE, as each of the others.
        """
        with self._telling():
            try:
                with self._system.open(self._path(name), "rb") as file:
                    data: bytes = file.read(limit)
            except FileNotFoundError:
                return None
            return data

    def copy_to(self, name: str, to: Path, limit: int) -> tuple[str, int] | None:
        """Copy at most so many bytes of a file to a new local one.

        Returns:
            Their sha256 and number; None where there is no such file.
        """
        with self._telling():
            try:
                source = self._system.open(self._path(name), "rb")
            except FileNotFoundError:
                return None
        with source, to.open("wb") as out:  # what `to` raises is ours, what `source` raises is the place's
            digest, size = hashlib.sha256(), 0
            while size < limit:
                with self._telling():
                    data = source.read(min(_CHUNK_BYTES, limit - size))
                if not data:
                    break
                out.write(data)
                digest.update(data)
                size += len(data)
            out.flush()
            os.fsync(out.fileno())
        return digest.hexdigest(), size

    def sum_of(self, name: str) -> tuple[str, int] | None:
        """A file's sha256 and size; None where there is none."""
        with self._telling():
            try:
                digest, size = hashlib.sha256(), 0
                with self._system.open(self._path(name), "rb") as file:
                    while data := file.read(_CHUNK_BYTES):
                        digest.update(data)
                        size += len(data)
            except FileNotFoundError:
                return None
            return digest.hexdigest(), size

    def write(self, name: str, source: Path) -> None:
        """Copy a local file there, whole or not at all.

        Raises:
            StorageFull: no room there.
        """
        with self._telling():
            path = self._path(name)
            if self._is_local:
                _copy_locally(source, Path(path))
            else:  # a store of objects shows one when all of it has come
                self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._system.put_file(str(source), path)

    def names(self, folder: str) -> list[str]:
        """Names of what a folder holds, in no order; none where there is no such folder."""
        with self._telling():
            try:
                found = self._system.ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return []
            return [str(path).rstrip("/").rpartition("/")[2] for path in found]

    def mark_of(self, name: str) -> str | None:
        """Something that changes when the file does, and costs no reading; None where there is no file."""
        with self._telling():
            try:
                mark: str = self._system.ukey(self._path(name))
            except FileNotFoundError:
                return None
            return mark

    @functools.cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise _unavailable("a shared place needs an extra: install fingerpost[shared]") from error
        try:
            system, root = url_to_fs(self._url)
        except ImportError as error:
            raise _unavailable(f"the shared place needs another package: {error}") from error
        except ValueError as error:
            raise _unavailable("no shared place is of that kind: give a folder, or a URL that fsspec knows") from error
        return system, str(root).rstrip("/")

    @property
    def _system(self) -> Any:  # noqa: ANN401  fsspec has no types
        system, root = self._opened
        if self._is_local and not Path(root).is_dir():
            raise _unavailable("the shared folder is not there: make it, or mount it")
        system.invalidate_cache()  # some remember listings, and with them that a file is missing
        return system

    @property
    def _is_local(self) -> bool:
        protocol = self._opened[0].protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def _path(self, name: str) -> str:
        return f"{self._opened[1]}/{name}"

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """What file systems of others raise is of any kind, and may name keys and hosts: its kind alone is told."""
        try:
            yield
        except (Unavailable, StorageFull):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise StorageFull("no room left in the shared place: free some space and repeat") from error
            raise _unavailable(
                f"the shared place cannot be used ({type(error).__name__}): see that it is there and may be reached"
            ) from error


def _copy_locally(source: Path, target: Path) -> None:
    """The scratch file has a name of its own: processes of several machines may write at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex}.new")
    try:
        with source.open("rb") as data, scratch.open("wb") as out:
            shutil.copyfileobj(data, out, _CHUNK_BYTES)
            out.flush()
            os.fsync(out.fileno())
        scratch.rename(target)
    finally:
        scratch.unlink(missing_ok=True)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unavailable(message: str) -> Unavailable:
    return Unavailable(message, ErrorReason.ARTEFACTS_UNAVAILABLE)
