"""What callers report of requests that were decided: which model answered, how it went, what it cost."""

from dataclasses import dataclass
from enum import StrEnum


class CallStatus(StrEnum):
    """How the call of a model ended; meanings stand in `outcome_service.proto`."""

    OK = "OK"
    RATE_LIMITED = "RATE_LIMITED"
    SERVER_ERROR = "SERVER_ERROR"
    TIMEOUT = "TIMEOUT"
    UNREACHABLE = "UNREACHABLE"
    MISCONFIGURED = "MISCONFIGURED"
    INVALID_REQUEST = "INVALID_REQUEST"
    CONTENT_FILTERED = "CONTENT_FILTERED"
    CANCELLED = "CANCELLED"


FAILED_CALLS = frozenset(
    {
        CallStatus.RATE_LIMITED,
        CallStatus.SERVER_ERROR,
        CallStatus.TIMEOUT,
        CallStatus.UNREACHABLE,
        CallStatus.MISCONFIGURED,
    }
)
"""What speaks against the model; a request that was wrong, filtered or given up by the client says nothing of it."""


UNANSWERED_CALLS = frozenset(
    {CallStatus.RATE_LIMITED, CallStatus.UNREACHABLE, CallStatus.MISCONFIGURED, CallStatus.INVALID_REQUEST}
)
"""Calls that were refused or never arrived: they cost nothing unless somebody says so."""


class Verdict(StrEnum):
    """How the model suited the request; meanings stand in `outcome_service.proto`."""

    GOOD_FIT = "GOOD_FIT"
    UNDERPOWERED = "UNDERPOWERED"
    OVERPROVISIONED = "OVERPROVISIONED"
    FAILED = "FAILED"


class CostSource(StrEnum):
    """Where the cost of a report comes from."""

    REPORTED = "reported"
    TOKENS = "tokens"  # from the reported tokens and the model's prices
    NO_ANSWER = "no_answer"  # nothing: no model answered
    RESERVED = "reserved"  # none of this was told: what was reserved, or nothing where nothing was; settles nothing


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call of another model that failed before."""

    model: str
    status: CallStatus
    latency_ms: int | None = None
    retry_after_ms: int | None = None  # with RATE_LIMITED: what the provider asked for


@dataclass(frozen=True, slots=True)
class Report:
    """What a caller says of one decision; None: not told."""

    decision_id: str
    model: str  # that answered, by our name
    status: CallStatus
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd_micros: int | None = None
    latency_ms: int | None = None
    verdict: Verdict | None = None
    score: float | None = None  # [0, 1]
    label: str = ""  # the route that would have been right, or whatever the caller calls it
    retry_after_ms: int | None = None  # with RATE_LIMITED: what the provider asked for
    failed_attempts: tuple[Attempt, ...] = ()  # in order

    @property
    def has_failed(self) -> bool:
        """Whether the model that was decided on failed, although another one may have answered then."""
        return self.status in FAILED_CALLS or any(one.status in FAILED_CALLS for one in self.failed_attempts)


@dataclass(frozen=True, slots=True)
class Debit:
    """What a decision reserved on the account of a budget."""

    account: int  # the ledger's number of it
    usd_micros: int


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report as it is stored, with what the decision's id tells of the decision."""

    key: str  # of the decision: the random part of its id, 24 hexadecimal digits
    caller: str  # who reports; empty where nobody is asked to say so
    tenant: str
    catalog: str
    report: Report
    decided_s: int  # seconds since the epoch
    reported_us: int  # microseconds since the epoch
    cost_usd_micros: int
    cost_source: CostSource
    route: str = ""  # empty: the fallback, or none of the routes known by now
    fell_back: bool = False
    arm: str = ""  # EXPERIMENT/ARM; empty: none
    unit: str = ""  # of the experiment: 8 hexadecimal digits of a hash, equal for equal units
    debits: tuple[Debit, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a report."""

    repeated: bool  # there was one of the same decision and caller already, and it stands as it was
    kept: ReportRow  # that one, or this
