"""What crosses the borders between stages: frozen data without behaviour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""Shape (dim,), dtype float32, unit length."""

Vectors = NDArray[np.float32]
"""Shape (n, dim), dtype float32, rows of unit length."""


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


class Calibration(StrEnum):
    """What a confidence rests on; meanings stand in `decision.proto`."""

    NONE = "NONE"
    PRIOR = "PRIOR"
    POOLED = "POOLED"
    FITTED = "FITTED"


class Scorer(StrEnum):
    """What makes a route's score."""

    AUTO = "auto"
    VOTE = "vote"
    LINEAR = "linear"


# --- What people write: the contents of a route folder -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a route file and where it stands."""

    text: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Route:
    """A named kind of request and the model that should answer it."""

    name: str
    description: str
    model: str
    min_confidence: float | None  # [0, 1]; None: chosen at reindex for the target precision
    utterances: tuple[Text, ...]
    tests: tuple[Text, ...]
    target_precision: float | None = None  # (0, 1); None: the policy's


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the model list; prices in micro-dollars per million tokens, None where unknown."""

    name: str
    upstream_model: str
    provider: str = ""
    endpoint: str = ""
    description: str = ""
    input_price_usd_micros: int | None = None
    output_price_usd_micros: int | None = None
    context_window_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    latency_p50_ms: int | None = None
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all routes of a catalog."""

    fallback_model: str
    fallback_chain: tuple[str, ...] = ()
    target_precision: float = 0.95  # (0, 1)
    out_of_scope_share: float = 0.15  # [0, 1)
    scorer: Scorer = Scorer.AUTO


@dataclass(frozen=True, slots=True)
class Catalog:
    """A route folder, read and checked; routes and models in the order of their names."""

    routes: tuple[Route, ...]
    models: tuple[Model, ...]
    policy: Policy
    out_of_scope: tuple[Text, ...] = ()
    out_of_scope_tests: tuple[Text, ...] = ()


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a route folder; `code` is stable and has a page in the documentation."""

    code: str
    severity: Severity
    file: str
    line: int  # from 1; 0: the file as a whole
    message: str


# --- What is published: the parts of a revision -------------------------------------------------------------------

OUT_OF_SCOPE = -1
"""Route number of an exemplar that belongs to no route."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """An indexed text; its place in the revision's list is its id in the index."""

    text: str
    route: int  # place in the revision's routes, or OUT_OF_SCOPE


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """What a decision needs to know of a route."""

    name: str
    description: str
    model: str
    threshold: float  # [0, 1]
    threshold_given: bool  # by a person, not chosen at reindex
    promise: "Promise | None" = None  # of a route with a target precision of its own


@dataclass(frozen=True, slots=True)
class VoteParameters:
    """Parameters of the similarity-weighted vote: see `serve.score`."""

    neighbours: int
    temperature: float


@dataclass(frozen=True, slots=True)
class ConfidenceMap:
    """Logistic map from features to confidence: see `serve.calibrate`."""

    calibration: Calibration
    intercept: float
    weights: tuple[float, ...]  # one for each of calibrate.FEATURES
    sample_count: int  # texts of the catalog that it was fitted on
    similarity_floor: float  # [-1, 1]; with calibration NONE: a similarity under it falls back
    route_offsets: tuple[float, ...] = ()  # added to the log-odds of a route, by its number; empty: none
    fitted_routes: tuple[int, ...] = ()  # numbers of the routes with enough texts of their own


@dataclass(frozen=True, slots=True)
class ScopeMap:
    """Logistic map from evidence to the chance that a text is in scope: see `serve.calibrate`."""

    intercept: float
    weights: tuple[float, ...]  # one for each of calibrate.SCOPE_FEATURES
    out_of_scope_share: float  # (0, 1); of the texts that it was fitted for


@dataclass(frozen=True, slots=True)
class Promise:
    """What a threshold promises, and the held-out texts that it rests on."""

    target_precision: float  # (0, 1)
    threshold: float  # [0, 1]
    accepted: int  # held-out utterances at or above it
    right: int  # of these
    precision_bound: float | None  # [0, 1]; one-sided lower bound; None when nothing is accepted
    kept: bool  # the bound reaches the target
    texts_needed: int | None  # utterances with which it would, were they as these; None: no hundred times as many would


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What was trained on the vectors, as plain arrays: see `serve.head`."""

    linear: NDArray[np.float32]  # (dim + 1, routes): a column's product with (vector, 1) is the route's logit
    metric: NDArray[np.float32]  # (dim, dim)
    distances: NDArray[np.float32]  # (dim + 1, routes)


@dataclass(frozen=True, slots=True)
class EncoderId:
    """Which encoder a revision was built with."""

    digest: str
    name: str
    dim: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Decider:
    """Everything but the vectors that a decision rests on: pure data, read from a revision."""

    routes: tuple[RoutePolicy, ...]
    models: Mapping[str, Model]
    policy: Policy
    vote: VoteParameters
    confidence_map: ConfidenceMap
    threshold: float  # of routes that give none
    blend: float = 1.0  # [0, 1]; share of the vote in a score, the rest is the linear head's
    scope_map: ScopeMap | None = None
    promise: Promise | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """A published artefact as read back from its folder; the index still as bytes."""

    digest: str
    encoder: EncoderId
    exemplars: tuple[Exemplar, ...]
    index_kind: str
    index_bytes: bytes
    decider: Decider
    head: Head | None = None


@dataclass(frozen=True, slots=True)
class TuningVerdict:
    """What the held-out texts said of the plain and of the proof encoder; shares lie in [0, 1]."""

    accepted: bool
    why: str  # a sentence for a person
    texts_count: int  # judged
    plain_accuracy: float
    tuned_accuracy: float
    plain_detection: float  # chance that a text in scope is held more probable than one outside (AUROC)
    tuned_detection: float
    steps: int = 0  # that both tunings lasted
    mix: float = 1.0  # share of the tuned weights, the rest being plain


@dataclass(frozen=True, slots=True)
class Activation:
    """Which revision a catalog serves; `generation` grows by one with each activation, from 1."""

    catalog: str
    revision: str
    generation: int


# --- What a request becomes ---------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds spent in the server."""

    queue_us: int = 0
    embed_us: int = 0
    search_us: int = 0
    decide_us: int = 0
    total_us: int = 0
