"""Who calls, and what they may do."""

from collections.abc import Mapping
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
    also: frozenset[str] = frozenset()  # what the audit calls them elsewhere: os:NAME of their users of this machine


@dataclass(frozen=True, slots=True)
class Token:
    """What proves a caller by a secret that they send; the secret itself is nowhere."""

    id: str
    hash: str  # see `access.tokens`
    principal: Principal
    not_before: float  # seconds since the epoch; -inf: always
    expires: float  # likewise; inf: never


@dataclass(frozen=True, slots=True)
class Access:
    """Everybody who is known, by each kind of proof."""

    tokens: Mapping[str, Token]  # by id
    certificates: Mapping[str, Principal]  # by a name in the certificate
    users: Mapping[str, Principal]  # by name of a user of this machine
