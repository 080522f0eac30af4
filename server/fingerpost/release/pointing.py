"""Pointing: a catalog's pointer moves to a revision, and the ledger says who moved it from where."""

from collections.abc import Callable

from fingerpost.errors import Conflict, ErrorReason, FailedPrecondition, NotFound
from fingerpost.ports import Ledger, Records
from fingerpost.release.proposing import approvals_asked, approvals_in_force, check_approved
from fingerpost.types import Action, Activated, Activation, AuditEntry, Event


def activate(
    ledger: Ledger,
    actor: str,
    key: str,
    catalog: str,
    revision: str,
    expected_generation: int | None = None,
    approvals: int = 0,
    check: Callable[[str], object] = lambda _: None,
) -> Activated:
    """Point the catalog at a revision.

    Args:
        ledger: Where the catalog's pointer stands.
        actor: Who does it.
        key: Of this change.
        catalog: Its name.
        revision: A stored revision's digest.
        expected_generation: Of the catalog now; None: any.
        approvals: That the revision's policy asks for; as many as the policy in force asks for are needed at least.
        check: Raises when the revision has been removed meanwhile.

    Raises:
        Conflict: the generation is not the expected one.
        FailedPrecondition: APPROVAL_REQUIRED.
        Unavailable, StorageFull, DataLoss: nothing changed.
    """

    def work(records: Records) -> Event:
        current = records.pointer(catalog)
        check_generation(catalog, current.generation if current else 0, expected_generation)
        check(revision)
        check_approved(records, catalog, revision, max(approvals, approvals_in_force(records, catalog)))
        return _moved(records, Action.ACTIVATE, actor, catalog, revision, approvals)

    return _activated(ledger.change(key, work))


def roll_back(
    ledger: Ledger, actor: str, key: str, catalog: str, begins: str | None, check: Callable[[str], object]
) -> Activated:
    """Point the catalog at a revision that it served before, which needs no approval: it must be quick.

    Args:
        ledger: Where the catalog's history stands.
        actor: Who does it.
        key: Of this change.
        catalog: Its name.
        begins: How the revision's digest begins; None: what was served before the one in force.
        check: Raises when the stored revision is not whole.

    Raises:
        NotFound: the catalog never served such a revision.
        FailedPrecondition: it serves that revision now.
        Unavailable, StorageFull, DataLoss: nothing changed.
    """

    def work(records: Records) -> Event:
        revision = _served_before(records, catalog, begins)
        check(revision)
        # The higher one stays: else one could go back to where nobody had to approve, and on from there.
        approvals = max(approvals_in_force(records, catalog), approvals_asked(records.entries(catalog, revision)))
        return _moved(records, Action.ROLL_BACK, actor, catalog, revision, approvals)

    return _activated(ledger.change(key, work))


def check_generation(catalog: str, generation: int, expected: int | None) -> None:
    """Refuse a change that was meant for another state.

    Raises:
        Conflict: GENERATION_CONFLICT.
    """
    if expected is not None and expected != generation:
        raise Conflict(
            f"catalog {catalog} is at generation {generation}, not {expected}: look again, then repeat",
            metadata={"generation": str(generation)},
        )


def _served_before(records: Records, catalog: str, begins: str | None) -> str:
    history = records.history(catalog)
    if not history:
        raise NotFound(f"catalog {catalog} never served a revision: reindex first")
    current = history[0].revision
    others = (one.revision for one in history if one.revision != current)
    if begins is None:
        found = next(others, None)
    elif current.startswith(begins):
        raise FailedPrecondition(
            f"catalog {catalog} serves {current[:12]} already", ErrorReason.REVISION_ALREADY_ACTIVE
        )
    else:
        found = next((one for one in others if one.startswith(begins)), None)
    if found is None:
        wanted = "another revision" if begins is None else f"a revision {begins[:12]}"
        raise NotFound(
            f"catalog {catalog} never served {wanted}: `fingerpost history` lists those that it did",
            ErrorReason.REVISION_NOT_FOUND,
        )
    return found


def _moved(records: Records, action: Action, actor: str, catalog: str, revision: str, approvals: int) -> Event:
    current = records.pointer(catalog)
    activation = Activation(catalog, revision, (current.generation if current else 0) + 1)
    records.point(activation)
    details = {"generation": str(activation.generation)}
    if current:
        details["before"] = current.revision
    if approvals:
        details["approvals"] = str(approvals)
    return Event(actor, action, catalog, revision, details)


def _activated(entry: AuditEntry) -> Activated:
    event = entry.event
    return Activated(Activation(event.catalog, event.revision, int(event.details["generation"])), entry)
