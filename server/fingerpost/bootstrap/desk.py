"""Desk: a data folder's catalogs as those who look after them see them; see `ports.CatalogDesk`."""

from collections.abc import Sequence
from dataclasses import dataclass

from fingerpost.bootstrap.collecting import collect
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.listing import stored_revisions
from fingerpost.bootstrap.pointing import (
    approve_revision,
    go_back,
    move_pointer,
    open_pointers,
    propose_revision,
    read_audit,
    read_proposals,
    reject_revision,
)
from fingerpost.bootstrap.sharing import named, whole
from fingerpost.ports import StoredRevision
from fingerpost.types import (
    Action,
    Activated,
    Activation,
    AuditEntry,
    AuditHead,
    Author,
    Collected,
    Event,
    Proposal,
    Revision,
)


@dataclass(frozen=True, slots=True)
class FolderDesk:
    """Each call opens the ledger anew: calls are few, and one that was damaged or away is noticed at the next."""

    data: DataFolder

    def pointers(self) -> Sequence[Activation]:
        with open_pointers(self.data) as pointers:
            return pointers.ledger.pointers()

    def revision(self, catalog: str, begins: str) -> Revision:
        digest = named(self.data, begins) if begins else self.data.active(catalog).revision
        return whole(self.data, digest)

    def revisions(self) -> Sequence[StoredRevision]:
        return stored_revisions(self.data.root)

    def proposals(self, catalog: str) -> Sequence[Proposal]:
        return read_proposals(self.data, catalog)

    def propose(self, by: Author, catalog: str, revision: str, comment: str) -> Proposal:
        return propose_revision(self.data, catalog, revision, comment, by)

    def approve(self, by: Author, catalog: str, revision: str, comment: str) -> Proposal:
        return approve_revision(self.data, catalog, revision, comment, by)

    def reject(self, by: Author, catalog: str, revision: str, comment: str) -> Proposal:
        return reject_revision(self.data, catalog, revision, comment, by)

    def activate(self, by: Author, catalog: str, revision: str, expected_generation: int | None) -> Activated:
        return move_pointer(self.data, catalog, revision, expected_generation, by)

    def roll_back(self, by: Author, catalog: str, revision: str) -> Activated:
        return go_back(self.data, catalog, revision or None, by)

    def audit(self) -> tuple[Sequence[AuditEntry], AuditHead]:
        return read_audit(self.data)

    def deny(self, by: Author, method: str) -> None:
        with open_pointers(self.data) as pointers:
            pointers.ledger.change(by.key, lambda _: Event(by.actor, Action.DENY, "", "", {"method": method}))

    def collect(self, by: Author, keep_last: int, *, dry_run: bool) -> Collected:
        return collect(self.data, keep_last, dry_run=dry_run, by=by)
