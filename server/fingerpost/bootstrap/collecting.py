"""Collecting: removes the revisions of a data folder that nobody needs, and writes down which."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from fingerpost.backends.file_store import FileActivationStore
from fingerpost.bootstrap.ballast import with_ballast
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.listing import stored_revisions
from fingerpost.bootstrap.pointing import myself, open_pointers
from fingerpost.durable import lock
from fingerpost.errors import Conflict, DataLoss, ErrorReason, InvalidRequest
from fingerpost.ports import Records
from fingerpost.release.collecting import GRACE_SECONDS, collectable
from fingerpost.serve.revision_format import DECIDER, named_revisions
from fingerpost.types import Action, Author, Collected, Event

_MOST_KEPT = 10_000
_SET_ASIDE_SECONDS = 30 * 86_400.0
"""How long damaged folders that were set aside are kept, for whoever wants to look into them."""


def collect(data: DataFolder, keep_last: int, *, dry_run: bool, by: Author | None = None) -> Collected:
    """Remove what `release.collecting` says, and what was set aside long ago; encoders and shared copies are kept.

    Raises:
        InvalidRequest: `keep_last` is out of range.
        Conflict: something was activated or proposed meanwhile; nothing was removed.
        Unavailable, StorageFull, DataLoss
    """
    if not 1 <= keep_last <= _MOST_KEPT:
        raise InvalidRequest(f"keep 1 to {_MOST_KEPT} revisions of each catalog, not {keep_last}")
    author = by or myself()
    return with_ballast(data.root, lambda: _collect(data, keep_last, dry_run, author))


def _collect(data: DataFolder, keep_last: int, dry_run: bool, author: Author) -> Collected:
    with open_pointers(data) as pointers:
        entries, head = pointers.ledger.audit()
        stored = {one.digest: one.stored.timestamp() for one in stored_revisions(data.root)}
        told = [one for one in map(FileActivationStore(data.catalogs).read, pointers.catalogs()) if one is not None]
        in_force = [*pointers.ledger.pointers(), *told]
        digests = collectable(stored, in_force, entries, keep_last, time.time(), partial(_named_by, data))
        found = Collected(tuple(digests), _bytes(data, digests), _unused_encoders(data, digests))
        if dry_run or not digests:
            return found

        def work(records: Records) -> Event:
            if records.head() != head:
                raise Conflict("somebody changed something meanwhile: repeat", ErrorReason.GENERATION_CONFLICT)
            # While the ledger is held, so that nobody activates what goes.
            _set_out(data, digests)
            details = {"revisions": " ".join(digests), "bytes": str(found.bytes), "keep_last": str(keep_last)}
            return Event(author.actor, Action.COLLECT, "", "", details)

        pointers.ledger.change(author.key, work)
    _sweep(data)
    return found


def _named_by(data: DataFolder, digest: str) -> frozenset[str]:
    """What its experiments name; of a damaged one nothing."""
    try:
        return named_revisions((data.revisions / digest / DECIDER).read_bytes())
    except (OSError, DataLoss):
        return frozenset()


def _set_out(data: DataFolder, digests: Iterable[str]) -> None:
    """Rename them away: each is whole or gone, whenever this is killed; `_sweep` or the next publication ends it."""
    with lock(data.revisions / ".lock"):
        aside = Path(tempfile.mkdtemp(prefix=".scratch-", dir=data.revisions))
        for digest in digests:
            if (data.revisions / digest).exists():  # not if the ledger repeats this after a lost connection
                (data.revisions / digest).rename(aside / digest)


def _sweep(data: DataFolder) -> None:
    now = time.time()
    with lock(data.revisions / ".lock"):
        for path in data.revisions.glob(".scratch-*"):
            shutil.rmtree(path)
        for path in data.revisions.glob("quarantine-*"):
            if now - path.stat().st_mtime > _SET_ASIDE_SECONDS:
                shutil.rmtree(path)


def _bytes(data: DataFolder, digests: Iterable[str]) -> int:
    folders = (data.revisions / digest for digest in digests)
    return sum(file.stat().st_size for folder in folders for file in os.scandir(folder) if file.is_file())


def _unused_encoders(data: DataFolder, without: Iterable[str]) -> tuple[str, ...]:
    gone = set(without)
    left = [one for one in stored_revisions(data.root) if one.digest not in gone]
    if any(one.encoder_digest is None for one in left) or not data.encoders.is_dir():
        return ()  # a damaged revision does not say which encoder it needs
    used = {one.encoder_digest for one in left}
    digests = (path.name for path in data.encoders.iterdir() if path.is_dir() and len(path.name) == 64)
    young = time.time() - GRACE_SECONDS
    return tuple(sorted(one for one in digests if one not in used and (data.encoders / one).stat().st_mtime < young))
