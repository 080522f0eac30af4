"""What goes into a call and what comes out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict


@dataclass(frozen=True, slots=True)
class Alternative:
    """A route that was considered; `confidence` is None when it could not be calibrated."""

    route: str
    model: str
    confidence: float | None
    score: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Match:
    """An utterance near the request; `route` is empty for an out-of-scope text."""

    text: str
    route: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds spent in the server."""

    queue_us: int
    embed_us: int
    search_us: int
    decide_us: int
    total_us: int


@dataclass(frozen=True, slots=True)
class SkippedModel:
    """A model that was passed over; `reason` is a name of `SkipReason` in the proto file."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExperimentArm:
    """An arm of an experiment that a request is in."""

    name: str  # of the experiment
    arm: str
    propensity: float  # probability, (0, 1], with which a request gets this arm


@dataclass(frozen=True, slots=True)
class Decision:
    """Which model should answer, and why: as `RouteResponse` of the proto file says."""

    decision_id: str
    request_id: str
    outcome: str  # "MATCHED", "RULE", "FALLBACK" or "LEARNED"
    route: str  # empty on fallback
    model: str
    upstream_model: str
    confidence: float | None
    threshold: float
    margin: float | None
    similarity: float | None
    calibration: str  # "NONE", "PRIOR", "POOLED" or "FITTED"
    reasons: tuple[str, ...]
    fallback_models: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    matches: tuple[Match, ...]
    embedding: tuple[float, ...]
    encoder_digest: str  # of `embedding`; empty without one
    catalog: str
    revision: str
    cached: bool
    truncated: bool
    degraded: bool
    timing: Timing
    ignored_parts: tuple[str, ...] = ()  # kinds of the parts of user turns that are no text
    joined_turns: bool = False  # the previous user turn was read too
    rules: tuple[str, ...] = ()  # names of those that took effect
    skipped_models: tuple[SkippedModel, ...] = ()
    experiment: ExperimentArm | None = None
    reserved_usd_micros: int | None = None  # that budgets hold back for it until its outcome is reported


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """A rule and what came of it: as `RuleTrace` of the proto file says."""

    name: str
    stage: str  # "before" or "after"
    when: str
    verdict: str  # "HOLDS", "RULED_OUT", "DOES_NOT_HOLD", "UNKNOWN" or "FAILED"
    final: bool
    took_effect: bool
    actions: str
    error: str


@dataclass(frozen=True, slots=True)
class ModelTrace:
    """A model and what speaks for or against it; None where that is not known."""

    model: str
    place: int  # in which it would be tried, from 1; 0: not at all
    skip_reason: str  # empty: it may and can answer
    cost_usd_micros: float | None
    quality: float | None
    latency_p50_ms: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and how it came about."""

    decision: Decision
    summary: str
    embedded_text: str
    token_count: int
    scorer: str
    features: Mapping[str, float]
    contributions: Mapping[str, float]
    rules: tuple[RuleTrace, ...] = ()  # in the order in which they were judged
    models: tuple[ModelTrace, ...] = ()  # those that would be tried first


@dataclass(frozen=True, slots=True)
class OpenBreaker:
    """The breaker of a model that is not closed: as `OpenBreaker` of the proto file says."""

    model: str
    position: str
    cause: str


@dataclass(frozen=True, slots=True)
class CatalogInfo:
    """A catalog and its active revision."""

    name: str
    revision: str
    generation: int
    encoder_name: str
    encoder_digest: str
    dimensions: int
    max_tokens: int
    precision: str
    routes: tuple[str, ...]
    exemplars_count: int
    threshold: float
    calibration: str
    refused_reloads_count: int
    open_breakers: tuple[OpenBreaker, ...] = ()  # of models that are left alone, or tried one call at a time


@dataclass(frozen=True, slots=True)
class LedgerInfo:
    """How a server follows a ledger of several machines: as `LedgerInfo` of the proto file says."""

    age_seconds: float | None  # since it last looked; None when it never did
    stale: bool  # it cannot look just now
    overdue: bool  # the last look is longer ago than the server's settings allow


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server serves."""

    version: str
    catalogs: tuple[CatalogInfo, ...]
    limits: Mapping[str, int]
    ledger: LedgerInfo | None = None  # None: it follows none


@dataclass(frozen=True, slots=True)
class OtherPart:
    """A part of a turn that is no text: its kind alone, such as "image", "audio" or "file"."""

    kind: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation; `role` is "user", "assistant", "system" or "tool".

    It has a text, or parts: texts and others in the order in which they were said.
    """

    role: str
    text: str = ""
    parts: Sequence[str | OtherPart] = ()


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vector that the caller has already, of the encoder that the catalog uses."""

    encoder_digest: str
    values: Sequence[float]


Input = str | Sequence[Turn] | Embedding
"""What can be routed: a text, a conversation, or a vector."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a model must satisfy to answer: as `Requirements` of the proto file says."""

    capabilities: Sequence[str] = ()
    regions: Sequence[str] = ()
    languages: Sequence[str] = ()
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What a request may say beside its input; defaults as in the proto file."""

    catalog: str = ""
    metadata: Mapping[str, str] | None = None
    tenant: str = ""
    session_id: str = ""
    request_id: str = ""
    alternatives_count: int = 0
    include_matches: bool = False
    include_embedding: bool = False
    requirements: Requirements | None = None


DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A call of another model that failed before; as in the proto file."""

    model: str
    status: str  # a name of `CallStatus`, not "OK"
    latency_ms: int | None = None
    retry_after_ms: int | None = None  # with RATE_LIMITED alone


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a decision: as `OutcomeReport` of the proto file says; None: not told."""

    decision_id: str
    model: str  # that answered or failed, by our name
    status: str  # "OK", "RATE_LIMITED", "SERVER_ERROR", "TIMEOUT", ...: a name of `CallStatus` in the proto file
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd_micros: int | None = None
    latency_ms: int | None = None
    verdict: str | None = None  # "GOOD_FIT", "UNDERPOWERED", "OVERPROVISIONED" or "FAILED"
    score: float | None = None  # [0, 1]
    label: str = ""
    retry_after_ms: int | None = None  # with RATE_LIMITED alone
    failed_attempts: tuple[FailedAttempt, ...] = ()  # models that were tried before and failed, in order
    tenant: str = ""  # that the decision was made for
    request_id: str = ""


class ReportDetails(TypedDict, total=False):
    """What a report may say beside the decision, the model and the status; see `Report`."""

    input_tokens: int | None
    output_tokens: int | None
    cost_usd_micros: int | None
    latency_ms: int | None
    verdict: str | None
    score: float | None
    label: str
    retry_after_ms: int | None
    failed_attempts: tuple[FailedAttempt, ...]
    tenant: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a report."""

    repeated: bool  # there was one of the same decision and caller already, and it stands
    kept: Report  # the one that stands
    cost_usd_micros: int  # that the decision counts for in budgets
    cost_source: str  # "REPORTED", "TOKENS", "RESERVED" or "NO_ANSWER"
    request_id: str
