"""Artefacts: revisions and encoders in a shared place, which come here whole and verified or not at all.

Both are folders named by the sha256 of their manifest, which holds the sha256 and size of every other file. The
manifest goes there last, so that whoever finds one finds all of it. Readers never change what is shared.
"""

import hashlib
import re
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from fingerpost.backends.shared.target import Target
from fingerpost.durable import fill_folder, lock, storing
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition, NotFound, Unavailable

_log = structlog.get_logger(__name__)

DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_MANIFEST_BYTES = 1 << 20
_FILES = 32
_QUARANTINED = 4
_SHOWN = 12  # characters of a digest

FileSum = tuple[str, int]
"""Sha256 and size in bytes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of artefact, here and there."""

    name: str
    folder: str  # of a data folder, and of the shared place
    manifest: str
    read_sums: Callable[[str, bytes], Mapping[str, FileSum]]  # of every other file, given digest and manifest
    largest_bytes: int  # of all files together


class SharedArtefacts:
    """Carries artefacts between a data folder and a shared place. Safe to use from several threads and processes."""

    def __init__(self, target: Target, data: Path, counts: Counter[tuple[str, str]]) -> None:
        """Nothing is reached until it is used.

        Args:
            target: The shared place.
            data: The data folder.
            counts: By kind of artefact and what became of it: `fetched`, `refused` or `quarantined`.
        """
        self._target = target
        self._data = data
        self._counts = counts
        self._refused: dict[str, tuple[str | None, DataLoss]] = {}  # by name: what it was like, and what was wrong

    def digests(self, kind: Kind) -> list[str]:
        """Of all that is there, whole or not; what is named otherwise is none.

        Raises:
            Unavailable: ARTEFACTS_UNAVAILABLE.
        """
        return sorted(name for name in self._target.names(kind.folder) if DIGEST.match(name))

    def has(self, kind: Kind, digest: str) -> bool:
        """Whether it is there, by its manifest, which comes last.

        Raises:
            Unavailable: ARTEFACTS_UNAVAILABLE.
        """
        data = self._target.read(f"{_place(kind, digest)}/{kind.manifest}", _MANIFEST_BYTES)
        return data is not None and hashlib.sha256(data).hexdigest() == digest

    def put(self, kind: Kind, digest: str) -> None:
        """Let the shared place have what is here; files there that are right are left alone, others are replaced.

        Raises:
            NotFound: it is not here.
            DataLoss: it is damaged here.
            FailedPrecondition: ARTEFACT_INCOMPATIBLE, of another version.
            Unavailable: ARTEFACTS_UNAVAILABLE.
            StorageFull: no room there.
        """
        sums = self.verified(kind, digest)
        here, there = self._data / kind.folder / digest, _place(kind, digest)
        for name in [*sorted(sums), kind.manifest]:
            wanted = sums.get(name, (digest, (here / kind.manifest).stat().st_size))
            if self._target.sum_of(f"{there}/{name}") != wanted:
                self._target.write(f"{there}/{name}", here / name)

    def verified(self, kind: Kind, digest: str) -> Mapping[str, FileSum]:
        """Read every file of what is here.

        Returns:
            The sums of its files but for the manifest.

        Raises:
            NotFound: it is not here.
            DataLoss: a file is missing, too many, or not what it was.
            FailedPrecondition: ARTEFACT_INCOMPATIBLE, of another version.
        """
        folder = self._data / kind.folder / _checked(kind, digest)
        if not folder.is_dir():
            raise NotFound(f"{kind.name} {digest[:_SHOWN]} is not stored here", ErrorReason.REVISION_NOT_FOUND)
        names = {path.name for path in folder.iterdir()}
        if kind.manifest not in names:
            raise _damaged(kind, digest, kind.manifest, "missing")
        _check_regular(kind, digest, folder / kind.manifest)
        sums = _sums(kind, digest, (folder / kind.manifest).read_bytes())
        if odd := sorted(names ^ {*sums, kind.manifest}):
            raise _damaged(kind, digest, odd[0], "missing or too many")
        for name, (expected, _) in sums.items():
            _check_regular(kind, digest, folder / name)
            with (folder / name).open("rb") as file:
                _check(kind, digest, name, hashlib.file_digest(file, "sha256").hexdigest(), expected)
        return sums

    def fetch(self, kind: Kind, digest: str) -> bool:
        """Have it here, whole: from the shared place where it is missing or damaged here.

        What is damaged here is set aside once a whole one has come; what came and is not what it should be is kept in
        quarantine, of which the last few stay.

        Returns:
            False when it was whole already, and nothing was fetched.

        Raises:
            NotFound: it is nowhere.
            DataLoss: the shared one is damaged.
            FailedPrecondition: ARTEFACT_INCOMPATIBLE, of another version.
            Unavailable: ARTEFACTS_UNAVAILABLE.
            StorageFull: no room here.
        """
        folder = self._data / kind.folder
        with storing(f"the {kind.name}"):
            folder.mkdir(parents=True, exist_ok=True)
            with lock(folder / ".lock"):
                try:
                    self.verified(kind, digest)
                except (NotFound, DataLoss) as error:
                    self._fetch(kind, digest)
                    self._note_fetched(kind, digest, error)
                    return True
        return False

    def _note_fetched(self, kind: Kind, digest: str, before: Exception) -> None:
        self._counts[kind.name, "fetched"] += 1
        if isinstance(before, DataLoss):
            self._counts[kind.name, "quarantined"] += 1
            _prune(self._data / kind.folder)
            _log.error("artefact_set_aside", kind=kind.name, digest=digest, error=before.message)
        _log.info("artefact_fetched", kind=kind.name, digest=digest)

    def _fetch(self, kind: Kind, digest: str) -> None:
        there = _place(kind, digest)
        sums = self._manifest(kind, digest)
        self._refuse_known(there, (kind.manifest, *sums))

        def fill(scratch: Path) -> None:
            for name, wanted in sums.items():
                found = self._target.copy_to(f"{there}/{name}", scratch / name, wanted[1] + 1)
                if found != wanted:
                    raise self._refuse(kind, digest, name, wanted[0], found, scratch / name)
            data = self._target.copy_to(f"{there}/{kind.manifest}", scratch / kind.manifest, _MANIFEST_BYTES)
            if data is None or data[0] != digest:
                raise self._refuse(kind, digest, kind.manifest, digest, data, scratch / kind.manifest)

        fill_folder(self._data / kind.folder / digest, fill)

    def _manifest(self, kind: Kind, digest: str) -> Mapping[str, FileSum]:
        """The verified manifest's sums: names come from it alone, never from what is listed there."""
        place = f"{_place(kind, digest)}/{kind.manifest}"
        self._refuse_known(_place(kind, digest), (kind.manifest,))
        data = self._target.read(place, _MANIFEST_BYTES)
        if data is None:
            raise NotFound(
                f"{kind.name} {digest[:_SHOWN]} is neither here nor in the shared place: publish it again",
                ErrorReason.REVISION_NOT_FOUND,
            )
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            with tempfile.TemporaryDirectory() as scratch:
                came = Path(scratch) / kind.manifest
                came.write_bytes(data)
                raise self._refuse(kind, digest, kind.manifest, digest, (found, len(data)), came)
        sums = _sums(kind, digest, data)
        if (
            not all(map(_FILE.match, sums))
            or len(sums) > _FILES
            or any(size < 0 for _, size in sums.values())  # which would make room for another in the sum
            or sum(s for _, s in sums.values()) > kind.largest_bytes
        ):
            raise FailedPrecondition(
                f"{kind.name} {digest[:_SHOWN]} in the shared place holds what no {kind.name} holds",
                ErrorReason.ARTEFACT_INCOMPATIBLE,
            )
        return sums

    def _refuse_known(self, there: str, names: tuple[str, ...]) -> None:
        """What was refused before and did not change since is not fetched again."""
        for place in (f"{there}/{name}" for name in names):
            if place in self._refused:
                mark, error = self._refused[place]
                if mark == self._target.mark_of(place):
                    raise DataLoss(error.message, metadata=error.metadata)
                del self._refused[place]

    def _refuse(
        self, kind: Kind, digest: str, name: str, expected: str, found: FileSum | None, came: Path
    ) -> DataLoss | Unavailable:
        if found is None:
            return Unavailable(
                f"{name} of {kind.name} {digest[:_SHOWN]} is missing in the shared place: publish it again",
                ErrorReason.ARTEFACTS_UNAVAILABLE,
            )
        place = f"{_place(kind, digest)}/{name}"
        error = DataLoss(
            f"{name} of {kind.name} {digest[:_SHOWN]} in the shared place is damaged: expected sha256 "
            f"{expected[:_SHOWN]}, found {found[0][:_SHOWN]}: publish it again",
            metadata={"file": name, "expected": expected[:_SHOWN], "actual": found[0][:_SHOWN]},
        )
        self._refused[place] = (self._target.mark_of(place), error)
        self._counts[kind.name, "refused"] += 1
        self._counts[kind.name, "quarantined"] += 1
        aside = _set_aside(self._data / kind.folder, digest, came)
        _log.error("artefact_refused", kind=kind.name, digest=digest, kept=str(aside), error=error.message)
        return error


def _place(kind: Kind, digest: str) -> str:
    return f"{kind.folder}/{_checked(kind, digest)}"


def _checked(kind: Kind, digest: str) -> str:
    """The digest, which becomes part of paths."""
    if not DIGEST.match(digest):
        raise NotFound(f"that is no digest of a {kind.name}", ErrorReason.REVISION_NOT_FOUND)
    return digest


def _sums(kind: Kind, digest: str, manifest: bytes) -> Mapping[str, FileSum]:
    _check(kind, digest, kind.manifest, hashlib.sha256(manifest).hexdigest(), digest)
    return kind.read_sums(digest, manifest)


def _check_regular(kind: Kind, digest: str, path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _damaged(kind, digest, path.name, "no regular file")


def _check(kind: Kind, digest: str, name: str, found: str, expected: str) -> None:
    if found != expected:
        raise _damaged(kind, digest, name, f"damaged: expected sha256 {expected[:_SHOWN]}, found {found[:_SHOWN]}")


def _damaged(kind: Kind, digest: str, name: str, how: str) -> DataLoss:
    return DataLoss(f"{name} of {kind.name} {digest[:_SHOWN]} is {how}", metadata={"file": name})


def _set_aside(folder: Path, digest: str, came: Path) -> Path:
    aside = Path(tempfile.mkdtemp(prefix="quarantine-", dir=folder))
    (aside / digest).mkdir()
    shutil.move(came, aside / digest / came.name)
    _prune(folder)
    return aside


def _prune(folder: Path) -> None:
    """The last few stay, so that a bad disk or place cannot fill this one."""
    kept = sorted(folder.glob("quarantine-*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in kept[_QUARANTINED:]:
        shutil.rmtree(old, ignore_errors=True)
