"""What is published: the parts of a revision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from fingerpost.types.catalog import Model, Policy
from fingerpost.types.policy import Selection


class Calibration(StrEnum):
    """What a confidence rests on; meanings stand in `decision.proto`."""

    NONE = "NONE"
    PRIOR = "PRIOR"
    POOLED = "POOLED"
    FITTED = "FITTED"


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
    models: tuple[str, ...] = ()  # that the selection chooses from; empty: `model` alone
    selection: Selection = field(default_factory=Selection)
    fallback: tuple[str, ...] = ()  # models to try after its own, before the policy's


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


MEASURE_BOUNDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Where the distributions of a decision's measures are cut, in revisions and in metrics."""


@dataclass(frozen=True, slots=True)
class Expected:
    """How held-out texts were decided, weighed as the expected traffic: what drift is told from.

    Each is the share, [0, 1], of the texts at or under each of `MEASURE_BOUNDS`.
    """

    similarity: tuple[float, ...]
    margin: tuple[float, ...]
    confidence: tuple[float, ...]


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
    expected: Expected | None = None  # nothing is decided by it


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
