"""Who calls, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum


class AccessRole(StrEnum):
    """What somebody may do; one has any number of them, and no role holds another."""

    CALLER = "caller"  # has requests routed
    READER = "reader"  # looks at routes, models and revisions
    PROPOSER = "proposer"
    APPROVER = "approver"  # approves and rejects
    OPERATOR = "operator"  # activates, rolls back and clears up
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is known, by whichever proof."""

    name: str  # as the audit calls them; os:NAME for a user of this machine
    roles: frozenset[AccessRole]
    tenant: str = ""  # for whom they speak; empty: for any
