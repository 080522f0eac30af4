"""Collecting: which stored revisions nobody needs any more. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from fingerpost.release.proposing import proposals
from fingerpost.types import MOVES, Activation, AuditEntry

GRACE_SECONDS = 86_400.0
"""What was stored within it is kept: somebody may be about to propose or activate it."""


def collectable(
    stored: Mapping[str, float],
    pointers: Iterable[Activation],
    entries: Sequence[AuditEntry],
    keep_last: int,
    now: float,
    named_by: Callable[[str], Iterable[str]],
) -> list[str]:
    """Digests that may go, sorted.

    Args:
        stored: Digests to when they were stored, seconds since the epoch.
        pointers: Of all catalogs.
        entries: The whole audit, by sequence.
        keep_last: How many of the last served revisions of each catalog are kept, at least 1; the one in force is the
            first of them.
        now: Seconds since the epoch.
        named_by: Digests that the experiments of a stored revision name: it cannot be served well without them.
    """
    kept = {one.revision for one in pointers}
    kept |= {revision for served in _served(entries).values() for revision in served[-keep_last:]}
    kept |= {one.revision for one in proposals(entries) if one.rejection is None}
    kept |= {named for digest in kept & stored.keys() for named in named_by(digest)}
    return sorted(digest for digest, when in stored.items() if digest not in kept and now - when >= GRACE_SECONDS)


def _served(entries: Sequence[AuditEntry]) -> dict[str, list[str]]:
    """By catalog the revisions that it served, each where it was served last, the latest at the end."""
    served: dict[str, list[str]] = {}
    for entry in entries:
        event = entry.event
        if event.action in MOVES:
            earlier = [one for one in served.get(event.catalog, []) if one != event.revision]
            served[event.catalog] = [*earlier, event.revision]
    return served
