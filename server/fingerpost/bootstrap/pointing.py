"""Pointing: the ledger of a data folder, and the pointer files that servers follow and that always say the same.

The ledger decides. The files are written after it; what a kill leaves undone between the two, the next command does.
"""

import os
import pwd
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fingerpost.backends.file_store import FileActivationStore, FileRevisionStore
from fingerpost.backends.ledger.database import Database
from fingerpost.backends.ledger.ledger import SqlLedger
from fingerpost.backends.ledger.opening import open_database
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.durable import lock, storing
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition
from fingerpost.ports import Ledger, Records
from fingerpost.release.audit import sealed
from fingerpost.release.pointing import Activated, activate, roll_back
from fingerpost.serve.revision_format import decode
from fingerpost.serve.runtime import check_catalog_name
from fingerpost.types import Action, Activation, AuditEntry, AuditHead, Event

_ELSEWHERE = "ledger.elsewhere"
"""File of a data folder that says that its ledger is in a database that machines share."""


class Pointers:
    """The pointers of a data folder; see `ports.ActivationStore`."""

    def __init__(self, ledger: Ledger, files: FileActivationStore, actor: str) -> None:
        """Use `open_pointers`, which brings ledger and files to the same state first."""
        self.ledger = ledger
        self._files = files
        self._actor = actor

    def catalogs(self) -> list[str]:
        return [one.catalog for one in self.ledger.pointers()]

    def read(self, catalog: str) -> Activation | None:
        return next((one for one in self.ledger.pointers() if one.catalog == catalog), None)

    def activate(self, catalog: str, revision: str, expected_generation: int | None = None) -> Activation:
        done = activate(self.ledger, self._actor, uuid.uuid4().hex, catalog, revision, expected_generation)
        return self._followed(done).activation

    def move(
        self, catalog: str, revision: str, expected_generation: int | None, check: Callable[[str], None]
    ) -> Activated:
        """As `activate`, with the entry in the audit; `check` raises when the revision is not whole."""
        check(revision)
        done = activate(self.ledger, self._actor, uuid.uuid4().hex, catalog, revision, expected_generation)
        return self._followed(done)

    def roll_back(self, catalog: str, begins: str | None, check: Callable[[str], None]) -> Activated:
        """See `release.pointing.roll_back`."""
        return self._followed(roll_back(self.ledger, self._actor, uuid.uuid4().hex, catalog, begins, check))

    def _followed(self, done: Activated) -> Activated:
        self._files.follow(done.activation)
        return done


@contextmanager
def open_pointers(data: DataFolder) -> Iterator[Pointers]:
    """The pointers of a data folder; those of a folder that had no ledger are taken over.

    Raises:
        DataLoss: STORE_CORRUPT; or STORE_BEHIND, servers have been told more than the ledger knows.
        FailedPrecondition: STORE_INCOMPATIBLE.
        Unavailable, StorageFull
    """
    with storing("the ledger"):
        data.root.mkdir(parents=True, exist_ok=True)
        with lock(data.root / ".ledger.lock"):
            _check_kind(data)
            database = open_database(data.ledger, data.store)
            try:
                ledger = SqlLedger(database, lambda: time.time_ns() // 1000, sealed)
                files = FileActivationStore(data.catalogs)
                _agree(ledger, files, database)
                if data.store:
                    (data.root / _ELSEWHERE).touch()
            except BaseException:
                database.close()
                raise
    try:
        yield Pointers(ledger, files, local_user())
    finally:
        database.close()


def local_user() -> str:
    """Who runs this program, as the ledger calls them."""
    try:
        return f"os:{pwd.getpwuid(os.getuid()).pw_name}"  # not by the environment, which says what one likes
    except KeyError:  # in a container, users have numbers alone
        return f"os:{os.getuid()}"


def move_pointer(data: DataFolder, catalog: str, revision: str, expected_generation: int | None) -> Activated:
    """Point the catalog at a stored revision, by its digest or the first characters of it.

    Raises:
        NotFound, InvalidRequest, DataLoss, FailedPrecondition: there is no such revision, or it is not whole.
        Conflict: the generation is not the expected one.
    """
    check_catalog_name(catalog)
    with open_pointers(data) as pointers:
        digest = data.named(revision)
        return pointers.move(catalog, digest, expected_generation, _whole(data))


def go_back(data: DataFolder, catalog: str, begins: str | None) -> Activated:
    """See `release.pointing.roll_back`; needs neither the encoder nor the revision that is served."""
    check_catalog_name(catalog)
    with open_pointers(data) as pointers:
        return pointers.roll_back(catalog, begins, _whole(data))


def history(data: DataFolder, catalog: str) -> Sequence[AuditEntry]:
    """What the catalog served, the latest first; see `open_pointers` for what it raises."""
    check_catalog_name(catalog)
    with open_pointers(data) as pointers:
        return pointers.ledger.history(catalog)


def read_audit(data: DataFolder) -> tuple[Sequence[AuditEntry], AuditHead]:
    """The whole audit and where it ends; see `open_pointers` for what it raises."""
    with open_pointers(data) as pointers:
        return pointers.ledger.audit()


def _whole(data: DataFolder) -> Callable[[str], None]:
    def check(digest: str) -> None:
        decode(digest, FileRevisionStore(data.revisions).read(digest))

    return check


def _check_kind(data: DataFolder) -> None:
    """Refuse SQLite in a folder that follows a ledger elsewhere: two ledgers would each go their own way.

    Raises:
        FailedPrecondition: STORE_INCOMPATIBLE.
    """
    mark = data.root / _ELSEWHERE
    if not data.store and mark.exists():
        raise FailedPrecondition(
            f"{data.root} follows a ledger in PostgreSQL: give --store or set FINGERPOST_STORE. To part from it for "
            f"good, remove {mark}",
            ErrorReason.STORE_INCOMPATIBLE,
        )


def _agree(ledger: SqlLedger, files: FileActivationStore, database: Database) -> None:
    """Bring pointer files to what the ledger says, and what it does not know yet into the ledger."""
    told = {catalog: _told(files, catalog) for catalog in files.catalogs()}
    # Read after the files, which others write only after the ledger, it is behind none of them unless it lost changes.
    known = {one.catalog: one for one in ledger.pointers()}
    for catalog in sorted({*known, *told}):
        kept, file = known.get(catalog), told.get(catalog)
        if kept is None and file is not None:
            kept = _take_over(ledger, file)
        if kept is not None and kept != file:
            _check_not_behind(kept, file, database)
            files.follow(kept)


def _check_not_behind(kept: Activation, file: Activation | None, database: Database) -> None:
    """Refuse to go on with a ledger that does not know what servers were told.

    Raises:
        DataLoss: STORE_BEHIND.
    """
    if file is not None and file.generation >= kept.generation:
        raise DataLoss(
            f"{database.name} is behind: catalog {kept.catalog} has generation {kept.generation}, revision "
            f"{kept.revision[:12]}, there and generation {file.generation}, revision {file.revision[:12]}, in "
            f"catalogs/{kept.catalog}.json: {database.restore}",
            ErrorReason.STORE_BEHIND,
        )


def _told(files: FileActivationStore, catalog: str) -> Activation | None:
    try:
        return files.read(catalog)
    except DataLoss:  # the ledger knows better
        return None


def _take_over(ledger: SqlLedger, told: Activation) -> Activation:
    """The catalog's pointer in the ledger, which is the one of the file, unless another machine was first."""

    def work(records: Records) -> Event:
        if records.pointer(told.catalog) is not None:
            raise _TakenOver
        records.point(told)
        details = {"generation": str(told.generation)}
        return Event(local_user(), Action.IMPORT, told.catalog, told.revision, details)

    try:
        ledger.change(uuid.uuid4().hex, work)
    except _TakenOver:
        return next(one for one in ledger.pointers() if one.catalog == told.catalog)
    return told


class _TakenOver(Exception):
    """Another machine took the catalog's pointer over meanwhile."""
