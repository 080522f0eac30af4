"""Pointing: the ledger of a data folder, and the pointer files that servers follow and that always say the same.

The ledger decides. The files are written after it; what a kill leaves undone between the two, the next command does.
"""

import os
import pwd
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import structlog

from fingerpost.backends.file_store import FileActivationStore
from fingerpost.backends.ledger.database import Database
from fingerpost.backends.ledger.ledger import SqlLedger
from fingerpost.backends.ledger.opening import open_database
from fingerpost.backends.overrides_file import OverridesFile
from fingerpost.bootstrap.ballast import stow, with_ballast
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.sharing import named, offer_if_possible, shared, stored, whole
from fingerpost.durable import lock, storing
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition, FingerpostError, NotFound
from fingerpost.ports import Ledger, Records
from fingerpost.release.audit import sealed
from fingerpost.release.pointing import activate, roll_back
from fingerpost.release.proposing import approvals_asked, approve, proposal_of, proposals, propose, reject
from fingerpost.serve.runtime import CATALOG_NAME, check_catalog_name
from fingerpost.types import MOVES, Action, Activated, Activation, AuditEntry, AuditHead, Author, Event, Proposal

_log = structlog.get_logger(__name__)


class Pointers:
    """The pointers of a data folder; see `ports.ActivationStore`."""

    def __init__(self, ledger: Ledger, files: FileActivationStore, actor: str) -> None:
        """Use `open_pointers`, which brings ledger and files to the same state first."""
        self.ledger = ledger
        self._files = files
        self.actor = actor

    def catalogs(self) -> list[str]:
        return [one.catalog for one in self.ledger.pointers()]

    def read(self, catalog: str) -> Activation | None:
        return next((one for one in self.ledger.pointers() if one.catalog == catalog), None)

    def approvals_in_force(self, catalog: str) -> int:
        return approvals_asked(reversed(self.ledger.history(catalog)))

    def activate(
        self, catalog: str, revision: str, expected_generation: int | None = None, approvals: int = 0
    ) -> Activation:
        done = activate(self.ledger, self.actor, new_key(), catalog, revision, expected_generation, approvals)
        return self.followed(done).activation

    def propose_once(self, catalog: str, revision: str, approvals: int) -> Proposal:
        known = proposal_of(one for one in reversed(self.ledger.history(catalog)) if one.event.revision == revision)
        return known or propose(self.ledger, self.actor, new_key(), catalog, revision, "", approvals)

    def followed(self, done: Activated) -> Activated:
        """Tell servers what the ledger says by now, and the log the head of the audit: who keeps it sees a rewrite."""
        event, entry = done.entry.event, done.entry
        _log.info(
            "pointer_moved",
            catalog=event.catalog,
            revision=event.revision,
            generation=done.activation.generation,
            action=str(event.action),
            actor=event.actor,
            audit_sequence=entry.sequence,
            audit_hash=entry.hash,
        )
        self._files.follow(done.activation)
        return done


@contextmanager
def open_pointers(data: DataFolder) -> Iterator[Pointers]:
    """The pointers of a data folder; see `open_ledger`."""
    database, ledger = open_ledger(data)
    try:
        stow(data.root)
        yield Pointers(ledger, FileActivationStore(data.catalogs), local_user())
    finally:
        database.close()


def open_ledger(data: DataFolder) -> tuple[Database, SqlLedger]:
    """The ledger of a data folder, which its files agree with; pointers of a folder that had none are taken over.

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
                _agree(ledger, FileActivationStore(data.catalogs), database)
                OverridesFile(data.overrides).follow(ledger.overrides)
                if data.store:
                    data.elsewhere.touch()
            except BaseException:
                database.close()
                raise
    return database, ledger


def open_ledger_to_serve(data: DataFolder) -> tuple[Database, SqlLedger]:
    """The ledger of a server: the pointer files of one that several machines share are its follower's alone.

    Raises:
        DataLoss, FailedPrecondition, Unavailable, StorageFull: see `open_ledger`.
    """
    if not data.store:
        return open_ledger(data)
    database = open_database(data.ledger, data.store)
    return database, SqlLedger(database, lambda: time.time_ns() // 1000, sealed)


def local_user() -> str:
    """Who runs this program, as the ledger calls them."""
    try:
        return f"os:{pwd.getpwuid(os.getuid()).pw_name}"  # not by the environment, which says what one likes
    except KeyError:  # in a container, users have numbers alone
        return f"os:{os.getuid()}"


def move_pointer(
    data: DataFolder, catalog: str, revision: str, expected_generation: int | None, by: Author | None = None
) -> Activated:
    """Point the catalog at a stored revision, by its digest or the first characters of it.

    Raises:
        NotFound, InvalidRequest, DataLoss, FailedPrecondition: there is no such revision, it is not whole, or it lacks
            approvals.
        Conflict: the generation is not the expected one.
    """
    check_catalog_name(catalog)
    with open_pointers(data) as pointers:
        digest = named(data, revision)
        asked = shared(data, digest).decider.policy.approvals
        author, check = by or myself(), partial(check_stored, data)
        return pointers.followed(
            activate(pointers.ledger, author.actor, author.key, catalog, digest, expected_generation, asked, check)
        )


def go_back(data: DataFolder, catalog: str, begins: str | None, by: Author | None = None) -> Activated:
    """See `release.pointing.roll_back`; needs neither the encoder nor the revision that is served, nor a free disk."""
    check_catalog_name(catalog)
    author = by or myself()
    return with_ballast(data.root, lambda: _go_back(data, catalog, begins, author))


def _go_back(data: DataFolder, catalog: str, begins: str | None, author: Author) -> Activated:
    with open_pointers(data) as pointers:
        go = partial(roll_back, pointers.ledger, author.actor, author.key, catalog, begins)
        missing: list[str] = []

        def check(digest: str) -> None:
            try:
                stored(data, digest)
            except FingerpostError:
                missing.append(digest)
                raise

        try:
            done = go(check)
        except FingerpostError:
            if not data.shared or not missing:
                raise
            whole(data, missing[-1])  # fetched outside the transaction, for which others wait
            done = go(check)
        offer_if_possible(data, done.activation.revision)
        return pointers.followed(done)


def propose_revision(data: DataFolder, catalog: str, revision: str, comment: str, by: Author | None = None) -> Proposal:
    """See `release.proposing.propose`; the revision must be whole."""
    check_catalog_name(catalog)
    with open_pointers(data) as pointers:
        digest = named(data, revision)
        asked = shared(data, digest).decider.policy.approvals
        author = by or myself()
        return propose(pointers.ledger, author.actor, author.key, catalog, digest, comment, asked)


def approve_revision(data: DataFolder, catalog: str, revision: str, comment: str, by: Author | None = None) -> Proposal:
    """See `release.proposing.approve`; the revision must be whole, so that nobody approves what cannot be served."""
    check_catalog_name(catalog)
    with open_pointers(data) as pointers:
        digest = whole(data, named(data, revision)).digest
        author = by or myself()
        return approve(pointers.ledger, author.actor, author.key, catalog, digest, comment, author.also)


def reject_revision(data: DataFolder, catalog: str, revision: str, comment: str, by: Author | None = None) -> Proposal:
    """See `release.proposing.reject`."""
    check_catalog_name(catalog)
    with open_pointers(data) as pointers:
        author = by or myself()
        return reject(pointers.ledger, author.actor, author.key, catalog, named(data, revision), comment)


def read_proposals(data: DataFolder, catalog: str) -> Sequence[Proposal]:
    """Of the catalog, the latest first; see `open_pointers` for what it raises."""
    return proposals(reversed(history(data, catalog)))


def history(data: DataFolder, catalog: str) -> Sequence[AuditEntry]:
    """What was done to the catalog, the latest first; see `open_pointers` for what it raises."""
    check_catalog_name(catalog)
    with open_pointers(data) as pointers:
        return pointers.ledger.history(catalog)


def moves(data: DataFolder, catalog: str) -> Sequence[AuditEntry]:
    """What the catalog served, the latest first; see `open_pointers` for what it raises."""
    return [one for one in history(data, catalog) if one.event.action in MOVES]


def read_audit(data: DataFolder) -> tuple[Sequence[AuditEntry], AuditHead]:
    """The whole audit and where it ends; see `open_pointers` for what it raises."""
    with open_pointers(data) as pointers:
        return pointers.ledger.audit()


def myself() -> Author:
    """Who runs this program, with the key of a change that is not repeated."""
    return Author(local_user(), new_key())


def new_key() -> str:
    """Of a change that is not repeated."""
    return uuid.uuid4().hex


def check_stored(data: DataFolder, digest: str) -> None:
    """Refuse a revision that was removed since it was looked at.

    Raises:
        NotFound: REVISION_NOT_FOUND.
    """
    if not (data.revisions / digest).is_dir():
        raise NotFound(f"revision {digest[:12]} was removed meanwhile", ErrorReason.REVISION_NOT_FOUND)


def _check_kind(data: DataFolder) -> None:
    """Refuse SQLite in a folder that follows a ledger elsewhere: two ledgers would each go their own way.

    Raises:
        FailedPrecondition: STORE_INCOMPATIBLE.
    """
    if not data.store and data.elsewhere.exists():
        raise FailedPrecondition(
            f"{data.root} follows a ledger in PostgreSQL: give --store or set FINGERPOST_STORE. To part from it for "
            f"good, remove {data.elsewhere}",
            ErrorReason.STORE_INCOMPATIBLE,
        )


def _agree(ledger: SqlLedger, files: FileActivationStore, database: Database) -> None:
    """Bring pointer files to what the ledger says, and what it does not know yet into the ledger."""
    told = {catalog: _told(files, catalog) for catalog in files.catalogs()}
    # Read after the files, which others write only after the ledger, it is behind none of them unless it lost changes.
    known = {one.catalog: one for one in ledger.pointers() if _may_be_a_file(one)}
    for catalog in sorted({*known, *told}):
        kept, file = known.get(catalog), told.get(catalog)
        if kept is None and file is not None:
            kept = _take_over(ledger, file)
        if kept is not None and kept != file:
            _check_not_behind(kept, file, database)
            files.follow(kept)


def _may_be_a_file(activation: Activation) -> bool:
    """Whether its catalog's name is one: whoever can write to the database must not choose paths on this machine."""
    if CATALOG_NAME.match(activation.catalog):
        return True
    _log.error("pointer_unusable", catalog=activation.catalog, generation=activation.generation)
    return False


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
        ledger.change(new_key(), work)
    except _TakenOver:
        return next(one for one in ledger.pointers() if one.catalog == told.catalog)
    return told


class _TakenOver(Exception):
    """Another machine took the catalog's pointer over meanwhile."""
