"""What a request becomes, from its turns to its decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from fingerpost.types.policy import Demands
from fingerpost.types.revision import Calibration
from fingerpost.types.vectors import Vector


class Outcome(StrEnum):
    """How a request was decided."""

    MATCHED = "MATCHED"
    RULE = "RULE"
    FALLBACK = "FALLBACK"
    LEARNED = "LEARNED"


class Reason(StrEnum):
    """Why a request was decided as it was; meanings stand in `decision.proto`."""

    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    AMBIGUOUS = "AMBIGUOUS"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    BREAKER_OPEN = "BREAKER_OPEN"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    ENCODER_UNAVAILABLE = "ENCODER_UNAVAILABLE"
    DEADLINE_SHORT = "DEADLINE_SHORT"
    NO_EXEMPLARS = "NO_EXEMPLARS"
    UNCALIBRATED = "UNCALIBRATED"
    EXACT_MATCH = "EXACT_MATCH"
    SESSION = "SESSION"
    MODEL_PASSED_OVER = "MODEL_PASSED_OVER"
    ESCALATION_LIMIT = "ESCALATION_LIMIT"
    SESSION_MODEL = "SESSION_MODEL"
    RULE_UNJUDGED = "RULE_UNJUDGED"
    EXPERIMENT = "EXPERIMENT"


class SkipReason(StrEnum):
    """Why a model was passed over; meanings stand in `decision.proto`."""

    FORBIDDEN = "FORBIDDEN"
    NOT_ALLOWED = "NOT_ALLOWED"
    CAPABILITY = "CAPABILITY"
    REGION = "REGION"
    LANGUAGE = "LANGUAGE"
    CONTEXT_WINDOW = "CONTEXT_WINDOW"
    OUTPUT_LIMIT = "OUTPUT_LIMIT"
    QUALITY_FLOOR = "QUALITY_FLOOR"
    ESCALATION_LIMIT = "ESCALATION_LIMIT"
    BREAKER_OPEN = "BREAKER_OPEN"
    BUDGET = "BUDGET"


@dataclass(frozen=True, slots=True)
class Skip:
    """A model that was passed over."""

    model: str
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class ArmTaken:
    """The arm of an experiment that a request was decided by."""

    experiment: str
    arm: str
    propensity: float  # (0, 1]: with which a unit gets this arm
    unit: str  # 8 hexadecimal digits of a hash of the session, tenant or request that was drawn

    @property
    def name(self) -> str:
        return f"{self.experiment}/{self.arm}"


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a dialogue."""

    role: Role
    text: str  # of all its text parts; empty when none can be read
    ignored_parts: tuple[str, ...] = ()  # kinds of the parts that are no text


@dataclass(frozen=True, slots=True)
class GivenVector:
    """A vector that the caller brings: shape (n,), float32, not yet checked against an encoder."""

    encoder_digest: str
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RouteQuery:
    """A valid request: the text or the vector that is to be routed, and the facts about it."""

    request_id: str
    catalog: str
    wanted: str | GivenVector
    metadata: Mapping[str, str] = field(default_factory=dict)
    tenant: str = ""
    session_id: str = ""
    alternatives_count: int = 0
    include_matches: bool = False
    include_embedding: bool = False
    ignored_parts: tuple[str, ...] = ()  # kinds of the parts that are no text
    joined_turns: bool = False  # `wanted` holds the previous user turn too
    turns_count: int = 1  # of the conversation
    demands: Demands = field(default_factory=Demands)  # the caller's own, its tokens estimated where it gives none
    parts: frozenset[str] = frozenset()  # kinds of all parts of the conversation that are no text
    repeatable: bool = False  # the caller gave the request's id: the same again is the same request

    @property
    def wants_scores(self) -> bool:
        """Whether the reply shall tell what only similarity knows, even where rules settle the decision."""
        return bool(self.alternatives_count or self.include_matches or self.include_embedding)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A text as the encoder saw it."""

    vector: Vector
    token_count: int
    truncated: bool
    text: str  # head and tail of a long one
    ends: tuple[Vector, ...] = ()  # of short pieces at both ends of a truncated text


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An exemplar near the request."""

    exemplar: int
    similarity: float  # [-1, 1]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a head says of a vector."""

    probabilities: NDArray[np.float64]  # (routes,), sum 1
    energy: float  # log of the mean exponentiated logit: how much any route is for it
    closeness: float  # minus the distance to the nearest route, relative to that to all utterances


@dataclass(frozen=True, slots=True)
class Found:
    """What lies near a vector, and what the head says of it."""

    neighbours: Sequence[Neighbour]  # nearest first
    reading: Reading | None = None
    proposed: Mapping[int, float] = field(default_factory=dict)  # the head's routes -> similarity of the nearest text


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What an embedding thread found; `embedded` is None for a given vector."""

    vector: Vector
    embedded: Embedded | None
    found: tuple[Found, ...]  # for the text as a whole, then for each end of a long one, or without its courtesies
    foreign: bool  # see `serve.spell`; False for a given vector
    start_time: float  # time.monotonic seconds, when the thread began
    embed_us: int
    search_us: int


@dataclass(frozen=True, slots=True)
class RouteScore:
    """What is for one route."""

    route: int
    score: float  # [0, 1]
    similarity: float  # of the route's nearest utterance, [-1, 1]
    exact: bool = False  # the text equals one of the route's utterances
    votes: float = 0.0  # share of the vote, [0, 1]


@dataclass(frozen=True, slots=True)
class Scores:
    """Routes considered, best first, and what stands against all of them."""

    routes: tuple[RouteScore, ...]
    out_of_scope_similarity: float | None  # of the nearest out-of-scope text, if any is among the neighbours
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scored route with its confidence; None when it cannot be calibrated."""

    route: int
    score: float
    similarity: float
    confidence: float | None
    exact: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """The pure result of embedding, search, scoring and calibration: what the exemplars say about a text."""

    candidates: tuple[Candidate, ...]  # best first
    features: tuple[float, ...]  # of the best candidate
    calibration: Calibration  # of the best candidate's confidence
    out_of_scope_similarity: float | None
    scope_features: tuple[float, ...] = ()
    in_scope: float | None = None  # [0, 1]; the chance that any route fits; None without a scope map


@dataclass(frozen=True, slots=True)
class Decision:
    """Which model should answer, and why."""

    outcome: Outcome
    model: str
    upstream_model: str
    route: str | None
    confidence: float | None
    threshold: float
    margin: float | None
    similarity: float | None
    calibration: Calibration
    reasons: tuple[Reason, ...]
    fallback_models: tuple[str, ...]
    degraded: bool = False
    rules: tuple[str, ...] = ()  # names of those that hold, in the order in which they were judged
    skipped: tuple[Skip, ...] = ()  # models that would have come before, or next, and why not
    propensity: float = 1.0  # probability, (0, 1], with which a request of this kind gets this model, given its arm
    arm: ArmTaken | None = None
    expected_usd_micros: int | None = None  # what the answer may cost, rounded up; None: a price is unknown
    reserve_usd_micros: int = 0  # to be reserved on each account that pays


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds spent in the server."""

    queue_us: int = 0
    embed_us: int = 0
    search_us: int = 0
    decide_us: int = 0
    total_us: int = 0
