"""Proposing: a revision is proposed, others approve or reject it. What was said is read from the audit alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fingerpost.errors import (
    ErrorReason,
    FailedPrecondition,
    FieldViolation,
    InvalidRequest,
    NotFound,
    PermissionDenied,
)
from fingerpost.ports import Ledger, Records
from fingerpost.types import MOVES, Action, AuditEntry, Event, Proposal, ProposalState, Vote

_COMMENT_CHARACTERS = 1_000


def propose(
    ledger: Ledger, actor: str, key: str, catalog: str, revision: str, comment: str, approvals: int
) -> Proposal:
    """Propose that the catalog serves a revision; one that was rejected may be proposed anew.

    Args:
        ledger: Where it is written down.
        actor: Who proposes; they and whoever proposed it earlier cannot approve it.
        key: Of this change.
        catalog: Its name.
        revision: A stored revision's digest, which the caller has looked at.
        comment: For those who decide; at most 1,000 characters.
        approvals: That the revision's own policy asks for.

    Raises:
        FailedPrecondition: PROPOSAL_CLOSED, it is proposed or in force already.
        InvalidRequest: the comment is too long.
        Unavailable, StorageFull, DataLoss: nothing changed.
    """
    check_comment(comment)

    def work(records: Records) -> Event:
        _check_not_in_force(records, catalog, revision)
        open_one = proposal_of(records.entries(catalog, revision))
        if open_one is not None and open_one.state is not ProposalState.REJECTED:
            raise _closed(f"revision {revision[:12]} is {open_one.state} already, by {open_one.proposer}")
        needed = max(approvals, approvals_in_force(records, catalog))
        details = {"approvals": str(needed), **_said(comment)}
        return Event(actor, Action.PROPOSE, catalog, revision, details)

    return _after(ledger, key, work)


def approve(
    ledger: Ledger,
    actor: str,
    key: str,
    catalog: str,
    revision: str,
    comment: str,
    also: frozenset[str] = frozenset(),
) -> Proposal:
    """Approve a proposed revision, which changes nothing of what is served.

    Args:
        ledger: Where it is written down.
        actor: Who approves.
        key: Of this change.
        catalog: Its name.
        revision: The proposed one's digest.
        comment: For the record; at most 1,000 characters.
        also: Other names of the same person in the audit.

    Raises:
        NotFound: PROPOSAL_NOT_FOUND.
        PermissionDenied: SELF_APPROVAL, who approves has proposed it.
        FailedPrecondition: PROPOSAL_CLOSED, it was rejected, or they approved it already.
        InvalidRequest: the comment is too long.
        Unavailable, StorageFull, DataLoss: nothing changed.
    """
    check_comment(comment)

    def work(records: Records) -> Event:
        entries = records.entries(catalog, revision)
        proposal = _open(entries, catalog, revision)
        mine = {actor} | also
        if mine & _proposers(entries):
            raise PermissionDenied(
                f"{actor} proposed revision {revision[:12]}: somebody else must approve it", ErrorReason.SELF_APPROVAL
            )
        if any(one.actor in mine for one in proposal.approvals):
            raise _closed(f"{actor} approved revision {revision[:12]} already")
        return Event(actor, Action.APPROVE, catalog, revision, _said(comment))

    return _after(ledger, key, work)


def reject(ledger: Ledger, actor: str, key: str, catalog: str, revision: str, comment: str) -> Proposal:
    """Reject a proposed revision, for a reason that the comment must give; its approvals count no more.

    Raises:
        NotFound: PROPOSAL_NOT_FOUND.
        FailedPrecondition: PROPOSAL_CLOSED, it was rejected already, or is in force.
        InvalidRequest: there is no comment, or it is too long.
        Unavailable, StorageFull, DataLoss: nothing changed.
    """
    check_comment(comment)
    if not comment:
        raise _bad_comment("say why it is rejected")

    def work(records: Records) -> Event:
        _check_not_in_force(records, catalog, revision)
        _open(records.entries(catalog, revision), catalog, revision)
        return Event(actor, Action.REJECT, catalog, revision, _said(comment))

    return _after(ledger, key, work)


def proposals(entries: Iterable[AuditEntry]) -> list[Proposal]:
    """The latest proposal of each catalog's revisions, the latest first.

    Args:
        entries: Of the audit, by sequence; those of other actions are passed over.
    """
    found: dict[tuple[str, str], Proposal] = {}
    for entry in entries:
        place = (entry.event.catalog, entry.event.revision)
        following = _following(found.get(place), entry)
        if following is not None:
            found[place] = following
    return sorted(found.values(), key=lambda one: -one.time_us)


def proposal_of(entries: Iterable[AuditEntry]) -> Proposal | None:
    """The latest proposal of one revision of one catalog; None when it was never proposed."""
    return next(iter(proposals(entries)), None)


def approvals_in_force(records: Records, catalog: str) -> int:
    """Approvals that the catalog asks for before it serves another revision."""
    pointer = records.pointer(catalog)
    return 0 if pointer is None else approvals_asked(records.entries(catalog, pointer.revision))


def approvals_asked(entries: Iterable[AuditEntry]) -> int:
    """Approvals that the last move of a pointer left in force; 0 where none moved.

    Args:
        entries: Of one catalog, or of one of its revisions, by sequence.
    """
    moves = [one for one in entries if one.event.action in MOVES]
    return int(moves[-1].event.details.get("approvals", "0")) if moves else 0


def check_approved(records: Records, catalog: str, revision: str, needed: int) -> None:
    """Refuse a revision that too few have approved.

    Raises:
        FailedPrecondition: APPROVAL_REQUIRED.
    """
    if needed == 0:
        return
    proposal = proposal_of(records.entries(catalog, revision))
    given = len(proposal.approvals) if proposal and proposal.rejection is None else 0
    if given >= needed:
        return
    if proposal is None:
        what = f"propose it (fingerpost propose {revision[:12]}), then {_people(needed)} must approve it"
    elif proposal.rejection is not None:
        what = f"{proposal.rejection.actor} rejected it: {proposal.rejection.comment}"
    else:
        what = f"{_people(needed - given)} more must approve it (fingerpost approve {revision[:12]})"
    raise FailedPrecondition(
        f"catalog {catalog} serves only what {_people(needed)} approved, and revision {revision[:12]} is not: {what}",
        ErrorReason.APPROVAL_REQUIRED,
        metadata={"needed": str(needed), "given": str(given)},
    )


def check_comment(comment: str) -> None:
    """Refuse what cannot be shown on a line or two.

    Raises:
        InvalidRequest: it is too long, or has control characters.
    """
    if len(comment) > _COMMENT_CHARACTERS:
        raise _bad_comment(f"at most {_COMMENT_CHARACTERS} characters, not {len(comment)}")
    if any(not (one.isprintable() or one == "\n") for one in comment):
        raise _bad_comment("no control characters")


def _following(proposal: Proposal | None, entry: AuditEntry) -> Proposal | None:
    """The proposal after that entry; None where the entry says nothing of one."""
    event = entry.event
    comment = event.details.get("comment", "")
    vote = Vote(event.actor, comment, entry.time_us)
    if event.action is Action.PROPOSE:
        needed = int(event.details["approvals"])
        return Proposal(event.catalog, event.revision, event.actor, comment, entry.time_us, needed)
    if proposal is None:
        return None
    if event.action is Action.APPROVE:
        return replace(proposal, approvals=(*proposal.approvals, vote))
    if event.action is Action.REJECT:
        return replace(proposal, rejection=vote)
    return None


def _open(entries: Sequence[AuditEntry], catalog: str, revision: str) -> Proposal:
    proposal = proposal_of(entries)
    if proposal is None:
        raise NotFound(
            f"nobody proposed revision {revision[:12]} for catalog {catalog}: fingerpost propose {revision[:12]}",
            ErrorReason.PROPOSAL_NOT_FOUND,
        )
    if proposal.rejection is not None:
        raise _closed(f"{proposal.rejection.actor} rejected revision {revision[:12]}: it can be proposed anew")
    return proposal


def _proposers(entries: Iterable[AuditEntry]) -> set[str]:
    """Whoever proposed it, at any time: that another proposes it anew must not make its author an approver."""
    return {one.event.actor for one in entries if one.event.action is Action.PROPOSE}


def _check_not_in_force(records: Records, catalog: str, revision: str) -> None:
    pointer = records.pointer(catalog)
    if pointer is not None and pointer.revision == revision:
        raise _closed(f"catalog {catalog} serves revision {revision[:12]} already")


def _after(ledger: Ledger, key: str, work: Callable[[Records], Event]) -> Proposal:
    event = ledger.change(key, work).event
    return proposals(one for one in reversed(ledger.history(event.catalog)) if one.event.revision == event.revision)[0]


def _said(comment: str) -> dict[str, str]:
    return {"comment": comment} if comment else {}


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"


def _closed(message: str) -> FailedPrecondition:
    return FailedPrecondition(message, ErrorReason.PROPOSAL_CLOSED)


def _bad_comment(description: str) -> InvalidRequest:
    return InvalidRequest(f"comment: {description}", fields=[FieldViolation("comment", description)])
