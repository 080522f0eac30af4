"""What the ledger keeps: who changed what, when, in a chain that shows every later change of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fingerpost.types.revision import Activation


class Action(StrEnum):
    """What was done to a catalog."""

    ACTIVATE = "activate"
    ROLL_BACK = "roll_back"
    IMPORT = "import"  # of a pointer that was there before the ledger was
    PROPOSE = "propose"
    APPROVE = "approve"
    REJECT = "reject"
    COLLECT = "collect"  # revisions that nobody needs any more were removed
    DENY = "deny"  # somebody who may not do it asked for a change
    SET = "set"  # a budget, breaker or experiment was set by hand
    RESET = "reset"  # what was set by hand counts no more, or what was spent of a budget was cleared
    STOP_ARM = "stop_arm"  # a guardrail stopped an arm of an experiment

    @classmethod
    def _missing_(cls, value: object) -> "Action | None":
        """What only a later version of the program does, and wrote into the ledger that both share."""
        if not isinstance(value, str):
            return None
        action = str.__new__(cls, value)
        action._name_ = action._value_ = value
        return action


MOVES = frozenset({Action.ACTIVATE, Action.ROLL_BACK, Action.IMPORT})
"""What moves a catalog's pointer."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change as somebody makes it."""

    actor: str  # os:NAME for a user of this machine
    action: Action
    catalog: str
    revision: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event in the ledger; its hash covers everything before it."""

    sequence: int  # from 1, without gaps
    time_us: int  # microseconds since the epoch, UTC; never before the entry's before it
    event: Event
    key: str  # who repeats a change with the same key changes nothing more
    previous_hash: str  # of the entry before; zeros for the first
    hash: str  # sha256 in hexadecimal


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where the chain ends; whoever keeps it elsewhere can tell whether the chain was rewritten."""

    sequence: int = 0
    hash: str = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditFault:
    """The first entry that is not what it was."""

    sequence: int  # 0: none by itself, but the chain does not hold what it should
    what: str  # a sentence for people


@dataclass(frozen=True, slots=True)
class Activated:
    """A change of a pointer that is in the ledger."""

    activation: Activation
    entry: AuditEntry  # its hash is the head of the audit just then


class ProposalState(StrEnum):
    """How far a proposal has come."""

    PROPOSED = "proposed"
    APPROVED = "approved"  # by as many as are needed
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Vote:
    """What somebody said of a proposal."""

    actor: str
    comment: str
    time_us: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A revision that a catalog shall serve, if others agree."""

    catalog: str
    revision: str
    proposer: str
    comment: str
    time_us: int
    approvals_needed: int  # by its own policy and the one in force when it was proposed; 0: it may be activated at once
    approvals: tuple[Vote, ...] = ()
    rejection: Vote | None = None

    @property
    def state(self) -> ProposalState:
        if self.rejection is not None:
            return ProposalState.REJECTED
        return ProposalState.APPROVED if len(self.approvals) >= self.approvals_needed else ProposalState.PROPOSED


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, and the key under which they do it once."""

    actor: str
    key: str
    also: frozenset[str] = frozenset()  # other names of the same person in the audit


@dataclass(frozen=True, slots=True)
class Change:
    """Something that two revisions have otherwise; without a field all of it, as when it was added or removed."""

    subject: str  # encoder, route, out_of_scope, model, rule, budget, experiment or policy
    name: str
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Collected:
    """Revisions that were removed, or would be."""

    revisions: tuple[str, ...]
    bytes: int  # that they took
    unused_encoders: tuple[str, ...]  # that no revision names any more; they are kept


@dataclass(frozen=True, slots=True)
class Override:
    """Something that a person, or a guardrail, has set in place of what the policy says."""

    catalog: str
    kind: str  # budget, breaker or experiment
    name: str  # of the budget (BUDGET or BUDGET/HOLDER), model, or experiment (EXPERIMENT or EXPERIMENT/ARM)
    value: Mapping[str, str]
    actor: str
    time_us: int
