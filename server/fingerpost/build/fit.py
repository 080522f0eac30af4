"""Fit: the vote's confidence map and the threshold, on texts that the vote has not seen.

Each utterance is scored with itself left out, as if it were a request: its neighbours are all other exemplars. Texts
that belong to no route come from `_out_of_scope.yaml` where it has enough, else each utterance is scored a second
time with its whole route left out: what remains must not claim it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.priors import Prior
from fingerpost.ports import Progress
from fingerpost.serve.calibrate import FEATURES, confidence_of, features
from fingerpost.serve.score import score
from fingerpost.types import (
    OUT_OF_SCOPE,
    Calibration,
    ConfidenceMap,
    Exemplar,
    Neighbour,
    Policy,
    Scores,
    Vectors,
    VoteParameters,
)

MIN_IN_SCOPE = 50
"""Utterances under which the catalog's own data fit no map."""

MIN_OUT_OF_SCOPE = 30
"""Out-of-scope texts under which left-out routes stand in for them."""

MIN_KINDS = 4
"""Routes, out of scope counted as one, under which a share of the vote says too little for the encoder's map."""

_BLOCK_ROWS = 1024
_MIN_ACCEPTED = 20  # decisions that a threshold must rest on
_RIDGE = 30.0  # how many texts the shipped map counts for, about; on the starter routes 10 to 100 decide alike
_MAX_STEPS = 100
_DIGITS = 6  # kept of a fitted number, so that the same texts give the same revision whatever the machine's threads


@dataclass(frozen=True, slots=True)
class Sample:
    """Scored texts: features (n, len(FEATURES)), whether the best route was right (n,), weights (n,) around 1."""

    features: NDArray[np.float64]
    right: NDArray[np.bool_]
    weights: NDArray[np.float64]
    in_scope_count: int
    in_scope_right: int


@dataclass(frozen=True, slots=True)
class Fit:
    """What the build learned from the texts."""

    confidence_map: ConfidenceMap
    threshold: float
    left_out_accuracy: float | None  # of utterances, each left out in turn; None without any


def fit(
    vectors: Vectors,
    exemplars: Sequence[Exemplar],
    vote: VoteParameters,
    policy: Policy,
    prior: Prior | None,
    progress: Progress,
) -> Fit:
    """Fit the confidence map and choose the threshold for the policy's target precision.

    Args:
        vectors: Shape (n, dim), float32, unit rows, one for each exemplar.
        exemplars: Utterances and out-of-scope texts.
        vote: How neighbours become scores.
        policy: Target precision and expected out-of-scope share.
        prior: The map shipped for the encoder; None for encoders without one.
        progress: Advances by one for each scored text.
    """
    sample = collect(vectors, exemplars, vote, policy.out_of_scope_share, progress)
    accuracy = sample.in_scope_right / sample.in_scope_count if sample.in_scope_count else None
    if sample.in_scope_count < MIN_IN_SCOPE or sample.right.all() or not sample.right.any():
        kinds = len({exemplar.route for exemplar in exemplars})
        return Fit(_without_own_data(prior, kinds, sample), prior.threshold if prior else 1.0, accuracy)
    confidence_map = fit_map(sample, prior)
    return Fit(confidence_map, choose_threshold(sample, confidence_map, policy.target_precision), accuracy)


def collect(
    vectors: Vectors, exemplars: Sequence[Exemplar], vote: VoteParameters, share: float, progress: Progress
) -> Sample:
    """Score every text without itself, and weight the two kinds to the expected out-of-scope share."""
    routes = np.array([e.route for e in exemplars], dtype=np.int64)
    drawn = _Drawn()
    for row, neighbours in _left_out(vectors, routes, vote.neighbours, whole_route=False):
        drawn.add(score(neighbours, exemplars, vote), int(routes[row]), outside=bool(routes[row] == OUT_OF_SCOPE))
        progress.advance()
    if int((routes == OUT_OF_SCOPE).sum()) < MIN_OUT_OF_SCOPE:
        for row, neighbours in _left_out(vectors, routes, vote.neighbours, whole_route=True):
            if routes[row] != OUT_OF_SCOPE:
                drawn.add(score(neighbours, exemplars, vote), int(routes[row]), outside=True)
    return drawn.weighted(share)


@dataclass(slots=True)
class _Drawn:
    """Scored texts as they come; one without any route to compare with counts for the weights alone."""

    rows: list[tuple[float, ...]] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    outside: list[bool] = field(default_factory=list)
    inside_count: int = 0
    outside_count: int = 0

    def add(self, scores: Scores, route: int, *, outside: bool) -> None:
        self.outside_count += outside
        self.inside_count += not outside
        if scores.routes:
            self.rows.append(features(scores, 0))
            self.right.append(not outside and scores.routes[0].route == route)
            self.outside.append(outside)

    def weighted(self, share: float) -> Sample:
        outside = np.array(self.outside, dtype=bool)
        weights = np.ones(len(self.rows))
        if self.outside_count and self.inside_count:
            total = self.outside_count + self.inside_count
            weights[outside] = share * total / self.outside_count
            weights[~outside] = (1.0 - share) * total / self.inside_count
        return Sample(
            np.array(self.rows, dtype=np.float64).reshape(len(self.rows), len(FEATURES)),
            np.array(self.right, dtype=bool),
            weights,
            self.inside_count,
            sum(self.right),
        )


def _left_out(
    vectors: Vectors, routes: NDArray[np.int64], count: int, *, whole_route: bool
) -> Iterator[tuple[int, list[Neighbour]]]:
    """Each row with its nearest other rows, itself (or its whole route) left out; nearest first, equal ones by row."""
    # In double precision the order of a threaded sum no longer shows in the digits that are kept of the fit.
    precise = vectors.astype(np.float64)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        similarities = precise[start : start + _BLOCK_ROWS] @ precise.T
        for offset, line in enumerate(similarities):
            row = start + offset
            left_out = (routes == routes[row]) if whole_route else np.array([row])
            line[left_out] = -np.inf
            yield row, _nearest(line, routes, count)


def _nearest(similarities: NDArray[np.float64], routes: NDArray[np.int64], count: int) -> list[Neighbour]:
    """What `serve.search` would find: the nearest, and one utterance of a route when there is none among them."""
    count = min(count, len(similarities))
    ids = np.argpartition(-similarities, count - 1)[:count]
    routed = np.flatnonzero(routes != OUT_OF_SCOPE)
    if len(routed) and (routes[ids] == OUT_OF_SCOPE).all():
        ids = np.append(ids, routed[np.argmax(similarities[routed])])
    ids = ids[np.isfinite(similarities[ids])]
    order = np.lexsort((ids, -similarities[ids]))
    return [Neighbour(int(i), float(similarities[i])) for i in ids[order]]


def fit_map(sample: Sample, prior: Prior | None) -> ConfidenceMap:
    """Weighted logistic regression by Newton's method, with a Gaussian prior centred on the encoder's shipped map.

    Features are scaled by the sample's spread while fitting, so that one ridge suits all of them. No weight is
    negative: nearer, more agreed upon and further from the rest never lowers a confidence.
    """
    spread = np.maximum(sample.features.std(axis=0), 1e-6)
    design = np.column_stack([sample.features / spread, np.ones(len(sample.features))])
    centre = np.zeros(design.shape[1])
    if prior is not None:
        centre = np.append(np.array(prior.weights) * spread, prior.intercept)
    ridge = np.append(np.full(len(FEATURES), _RIDGE), 1e-3)
    solution = _rising(design, sample.right.astype(np.float64), sample.weights, centre, ridge)
    weights = tuple(np.round(solution[:-1] / spread, _DIGITS).tolist())
    intercept = round(float(solution[-1]), _DIGITS)
    return ConfidenceMap(Calibration.POOLED, intercept, weights, sample.in_scope_count, similarity_floor(sample))


def _rising(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    weights: NDArray[np.float64],
    centre: NDArray[np.float64],
    ridge: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Fit, and while a feature's weight is negative leave the worst such feature out and fit again."""
    kept = np.arange(design.shape[1])  # the intercept is last and always kept
    while True:
        solution = np.zeros(design.shape[1])
        solution[kept] = _newton(design[:, kept], target, weights, centre[kept], ridge[kept])
        worst = int(np.argmin(solution[:-1]))
        if solution[worst] >= 0:
            return solution
        kept = kept[kept != worst]


def _newton(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    weights: NDArray[np.float64],
    centre: NDArray[np.float64],
    ridge: NDArray[np.float64],
) -> NDArray[np.float64]:
    solution = centre.copy()
    for _ in range(_MAX_STEPS):
        probability = 1.0 / (1.0 + np.exp(-np.clip(design @ solution, -30, 30)))
        gradient = design.T @ (weights * (probability - target)) + ridge * (solution - centre)
        curvature = np.maximum(weights * probability * (1.0 - probability), 1e-9)
        step = np.linalg.solve((design * curvature[:, None]).T @ design + np.diag(ridge), gradient)
        solution = solution - np.clip(step, -2.0, 2.0)  # a bounded step cannot run away on separable data
        if np.abs(step).max() < 1e-9:
            break
    return solution


def choose_threshold(sample: Sample, confidence_map: ConfidenceMap, target_precision: float) -> float:
    """The lowest confidence above which the scored texts were right at least at the target rate.

    When no confidence reaches the target, the target itself is the threshold: only decisions that the map holds for
    right at that rate are taken.
    """
    confidences = np.array([confidence_of(row, confidence_map) for row in sample.features])
    threshold = lowest_holding(confidences, sample, target_precision)
    return target_precision if threshold is None else threshold


def lowest_holding(values: NDArray[np.float64], sample: Sample, target_precision: float) -> float | None:
    """The lowest value such that the texts at or above it were right at least at the target rate; None: there is none.

    Args:
        values: Shape (n,), one for each row of the sample, by which decisions are accepted.
        sample: n scored texts.
        target_precision: (0, 1).
    """
    order = np.argsort(-values, kind="stable")
    weights = sample.weights[order]
    precision = np.cumsum(weights * sample.right[order]) / np.cumsum(weights)
    enough = np.arange(1, len(order) + 1) >= _MIN_ACCEPTED
    holding = np.flatnonzero((precision >= target_precision) & enough)
    return float(np.floor(values[order][holding[-1]] * 1000) / 1000) if len(holding) else None


def similarity_floor(sample: Sample) -> float:
    """The similarity under which only one in a hundred right decisions lay: less is out of scope."""
    return round(float(np.quantile(sample.features[sample.right, 0], 0.01)), _DIGITS)


def _without_own_data(prior: Prior | None, kinds: int, sample: Sample) -> ConfidenceMap:
    """The encoder's map where enough kinds of text compete for the vote to mean anything; else its similarity alone."""
    if prior is None or kinds < MIN_KINDS:
        similarity = 1.0 if prior is None else prior.similarity_alone
        return ConfidenceMap(Calibration.NONE, 0.0, (0.0,) * len(FEATURES), sample.in_scope_count, similarity)
    return ConfidenceMap(
        Calibration.PRIOR, prior.intercept, prior.weights, sample.in_scope_count, prior.similarity_floor
    )
