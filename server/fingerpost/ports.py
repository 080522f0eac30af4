"""Stores and desks as the stages see them: Protocols, and the progress that says nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fingerpost.types import (
    Activated,
    Activation,
    AuditEntry,
    AuditHead,
    Author,
    Collected,
    Event,
    Override,
    Proposal,
    Revision,
    Standing,
)


class PointerReader(Protocol):
    """Tells which revision each catalog serves."""

    def catalogs(self) -> list[str]:
        """Names of the catalogs that have a pointer, sorted."""

    def read(self, catalog: str) -> Activation | None:
        """The catalog's pointer, None when it never had one.

        Raises:
            DataLoss: the pointer cannot be read.
        """


class ActivationStore(PointerReader, Protocol):
    """Says which revision each catalog serves."""

    def approvals_in_force(self, catalog: str) -> int:
        """How many others must approve before the catalog serves another revision; 0 to 2."""

    def activate(
        self, catalog: str, revision: str, expected_generation: int | None = None, approvals: int = 0
    ) -> Activation:
        """Point the catalog at a revision whose policy asks for so many approvals; on any error the old pointer stays.

        Raises:
            Conflict: the generation is not the expected one.
            FailedPrecondition: APPROVAL_REQUIRED.
            Unavailable, StorageFull, DataLoss
        """

    def propose_once(self, catalog: str, revision: str, approvals: int) -> Proposal:
        """The proposal of that revision, made now unless there is one, whatever its state.

        Raises:
            Unavailable, StorageFull, DataLoss: nothing changed.
        """


class Records(Protocol):
    """The ledger as one transaction sees and changes it."""

    def pointer(self, catalog: str) -> Activation | None: ...

    def head(self) -> AuditHead:
        """Where the audit ends."""

    def history(self, catalog: str) -> Sequence[Activation]:
        """All that the catalog ever served, the latest first."""

    def entries(self, catalog: str, revision: str) -> Sequence[AuditEntry]:
        """All that was written down about a revision of a catalog, by sequence."""

    def point(self, activation: Activation) -> None:
        """Move the catalog's pointer."""

    def override(self, catalog: str, kind: str, name: str) -> Override | None:
        """What was set by hand, if anything."""

    def put_override(self, override: Override) -> None:
        """Set it, in the place of what was set before."""

    def drop_override(self, catalog: str, kind: str, name: str) -> None:
        """Set nothing any more."""

    def clear_account(self, account: int) -> Standing:
        """Put all that was spent of an account out of the count; slices that are out still count whole.

        Who clears several in one change does so in the order of their numbers.

        Raises:
            NotFound: there is no such account.
        """


class Ledger(Protocol):
    """Pointers, their history and the audit: a change and its audit entry are one transaction, or nothing."""

    def change(self, key: str, work: Callable[[Records], Event]) -> AuditEntry:
        """Do the work and write down the event that it returns; with a key that is known already, do nothing.

        The work is called again when a connection broke: it has one effect all the same, but must do nothing elsewhere.

        Returns:
            The entry of that key. What `work` raises is raised, and nothing has changed.

        Raises:
            InvalidRequest: the key is no 1 to 128 printable characters.
            Unavailable: STORE_UNAVAILABLE, the ledger is busy or away; repeat with the same key. Nothing has changed,
                unless the message says that this is not known.
            StorageFull: no room.
            DataLoss: STORE_CORRUPT.
        """

    def pointers(self) -> Sequence[Activation]:
        """Of all catalogs, by name."""

    def history(self, catalog: str) -> Sequence[AuditEntry]:
        """All that was written down about the catalog, the latest first."""

    def audit(self) -> tuple[Sequence[AuditEntry], AuditHead]:
        """The whole audit, by sequence, and where the ledger says that it ends."""

    def overrides(self) -> Sequence[Override]:
        """Everything that is set by hand, by catalog, kind and name."""

    def secret(self, name: str, proposed: bytes) -> bytes:
        """A secret that all processes of the ledger share: the one of that name, or the proposed one from now on."""


class PointerSource(Protocol):
    """A ledger of several machines as a server follows it; every method blocks, and may be called from any thread."""

    def look(self) -> None:
        """Read the pointers and tell them to whoever reads them here.

        Raises:
            Unavailable, FailedPrecondition, DataLoss, StorageFull
        """

    def seen_seconds_ago(self) -> float | None:
        """Since the last look that any process of this data folder had; None when there never was one."""

    def wait(self, timeout_seconds: float) -> None:
        """Return when a pointer may have moved, or the time is over."""

    def close(self) -> None: ...


class PointerNews(Protocol):
    """Tells that pointers may have moved, or something was set by hand; the poll alone is the truth."""

    def wait(self, timeout_seconds: float) -> None:
        """Return when something may have changed, or the time is over, or after `close`; it never raises.

        One thread at a time. While the database is away it waits in vain, and it returns when it is back.
        """

    def close(self) -> None:
        """End every wait, from any thread, once."""


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """A revision of a data folder; what cannot be read of it is None."""

    digest: str
    stored: datetime  # when its files were written here
    active_in: tuple[str, ...]  # catalogs that serve it
    routes: int | None
    exemplars: int | None
    encoder: str | None  # name
    encoder_digest: str | None
    tests: int | None  # texts of its route files that were held out; None: its report is of another version
    tests_accuracy: float | None  # share of those of a route whose best route was their own; None without any
    left_out_accuracy: float | None  # likewise of utterances, each left out in turn
    damage: str | None  # why it cannot be used


class CatalogDesk(Protocol):
    """Looks after the catalogs of a server: what they serve, could serve and served.

    Blocks; safe to use from several threads. Names of catalogs and beginnings of digests are checked here.

    Raises, in each method:
        InvalidRequest, NotFound: there is no such catalog or revision.
        Unavailable, StorageFull, DataLoss: nothing changed.
    """

    def pointers(self) -> Sequence[Activation]: ...

    def revision(self, catalog: str, begins: str) -> Revision:
        """A stored one, verified; "" is the one in force."""

    def revisions(self) -> Sequence[StoredRevision]:
        """The latest stored first."""

    def proposals(self, catalog: str) -> Sequence[Proposal]:
        """The latest first."""

    def propose(self, by: Author, catalog: str, revision: str, comment: str) -> Proposal:
        """See `release.proposing.propose`."""

    def approve(self, by: Author, catalog: str, revision: str, comment: str) -> Proposal:
        """See `release.proposing.approve`."""

    def reject(self, by: Author, catalog: str, revision: str, comment: str) -> Proposal:
        """See `release.proposing.reject`."""

    def activate(self, by: Author, catalog: str, revision: str, expected_generation: int | None) -> Activated:
        """See `release.pointing.activate`."""

    def roll_back(self, by: Author, catalog: str, revision: str) -> Activated:
        """See `release.pointing.roll_back`; "" is what was served before the one in force."""

    def audit(self) -> tuple[Sequence[AuditEntry], AuditHead]: ...

    def deny(self, by: Author, method: str) -> None:
        """Write down that somebody asked for what they may not do."""

    def collect(self, by: Author, keep_last: int, *, dry_run: bool) -> Collected:
        """Remove what nobody needs; see `release.collecting`."""


class RevisionStore(Protocol):
    """Immutable revisions by digest."""

    def publish(self, digest: str, files: Mapping[str, bytes]) -> None:
        """Store the files for ever; equal ones that are already there are left alone.

        Raises:
            StorageFull: nothing is left behind.
        """

    def read(self, digest: str) -> Mapping[str, bytes]:
        """All files of a revision, unverified.

        Raises:
            NotFound: REVISION_NOT_FOUND.
        """


class Progress(Protocol):
    """Hears how far long work has come."""

    def step(self, name: str, total: int | None = None) -> None:
        """A step begins; `total` is its number of items when known."""

    def advance(self, count: int = 1) -> None: ...


class NoProgress:
    """Says nothing."""

    def step(self, name: str, total: int | None = None) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        pass
