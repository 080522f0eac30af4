"""Audit: the chain of hashes that shows when an entry was changed, moved or removed. Pure."""

import hashlib
import json
from collections.abc import Iterable, Sequence

from fingerpost.errors import DataLoss, ErrorReason, InvalidRequest
from fingerpost.types import AuditEntry, AuditFault, AuditHead, Event

_SHORTEST_KNOWN = 12  # characters of a hash


def sealed(event: Event, key: str, time_us: int, head: AuditHead) -> AuditEntry:
    """The entry that follows the head."""
    sequence = head.sequence + 1
    return AuditEntry(sequence, time_us, event, key, head.hash, _hash(sequence, time_us, event, key, head.hash))


def first_fault(entries: Iterable[AuditEntry], end: AuditHead, known: str | None = None) -> AuditFault | None:
    """The first thing that is wrong with a chain; None when it is whole.

    Args:
        entries: All of them, by sequence.
        end: Where the ledger says that the chain ends.
        known: A hash that was written down elsewhere, or its first 12 or more characters, and must be in the chain.
    """
    head, found = AuditHead(), known is None
    for entry in entries:
        if entry.sequence != head.sequence + 1:
            return AuditFault(head.sequence + 1, f"entry {head.sequence + 1} is missing")
        if entry.previous_hash != head.hash:
            return AuditFault(entry.sequence, "it does not follow the entry before it")
        if entry.hash != _hash(entry.sequence, entry.time_us, entry.event, entry.key, entry.previous_hash):
            return AuditFault(entry.sequence, "it is not what was written")
        head = AuditHead(entry.sequence, entry.hash)
        found = found or entry.hash.startswith(known or "")
    if head != end:
        return AuditFault(head.sequence + 1, f"the chain should end with entry {end.sequence}")
    return None if found else AuditFault(0, "the hash that you gave is not in the chain: it was written anew")


def verified(entries: Sequence[AuditEntry], end: AuditHead, known: str | None = None) -> AuditHead:
    """The head of a chain that is whole; see `first_fault`.

    Raises:
        InvalidRequest: `known` is too short to tell anything.
        DataLoss: AUDIT_BROKEN, with the sequence of the first bad entry.
    """
    if known is not None and len(known) < _SHORTEST_KNOWN:
        raise InvalidRequest(f"give at least {_SHORTEST_KNOWN} characters of the hash, not {len(known)}")
    fault = first_fault(entries, end, known)
    if fault is not None:
        place = f"entry {fault.sequence}: " if fault.sequence else ""
        raise DataLoss(
            f"the audit was changed after it was written: {place}{fault.what}",
            ErrorReason.AUDIT_BROKEN,
            metadata={"sequence": str(fault.sequence)},
        )
    return end


def _hash(sequence: int, time_us: int, event: Event, key: str, previous_hash: str) -> str:
    content = [
        sequence,
        time_us,
        event.actor,
        str(event.action),
        event.catalog,
        event.revision,
        dict(event.details),
        key,
        previous_hash,
    ]
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
