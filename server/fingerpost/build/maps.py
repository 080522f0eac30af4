"""Maps: logistic regressions from features to chances, leaning on the encoder's shipped ones where data is scarce."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.held_out import NO_ROUTE, Sample, clipped
from fingerpost.build.priors import Prior
from fingerpost.build.threshold import Graded
from fingerpost.serve.calibrate import confidence_of, in_scope_of
from fingerpost.types import Calibration, ConfidenceMap, ScopeMap

MIN_ROUTE_TEXTS = 30
"""Held-out texts with a route as the best from which its calibration counts as its own."""

Floats = NDArray[np.float64]

_RIDGE = 30.0  # how many texts the shipped map counts for, about; on the starter routes 10 to 100 decide alike
_ROUTE_RIDGE = 4.0  # a route's log-odds lie about half a unit around the catalog's: a Gaussian prior of that spread
_INTERCEPT_RIDGE = 1e-3
_MAX_STEPS = 100
_DIGITS = 6  # kept of a fitted number, so that the same texts give the same revision
_PARTS = 5  # of the sample, each graded by maps of the others


@dataclass(frozen=True, slots=True)
class Maps:
    """What turns features into a confidence."""

    pick: ConfidenceMap
    scope: ScopeMap | None

    def confidences(self, sample: Sample) -> Floats:
        """Of each row's best route, shape (n,), [0, 1]."""
        return self._confidences(sample.pick, sample.scope, sample.best)

    def second_confidences(self, sample: Sample) -> Floats:
        """Of each row's second best route, shape (n,), [0, 1]; never above the best's, and 0 where there is none."""
        found = self._confidences(sample.second, sample.scope, sample.second_best)
        return np.where(sample.second_best == NO_ROUTE, 0.0, np.minimum(found, self.confidences(sample)))

    def _confidences(self, picks: Floats, scopes: Floats, routes: NDArray[np.int64]) -> Floats:
        found = [
            (confidence_of(pick, self.pick, int(route)) or 0.0)
            * (in_scope_of(scope, self.scope) if self.scope else 1.0)
            for pick, scope, route in zip(picks, scopes, routes, strict=True)
        ]
        return np.array(found, dtype=np.float64)


def fit_maps(sample: Sample, route_count: int, share: float, prior: Prior | None) -> Maps:
    """Both maps of a sample with at least one text in scope, where `share` of the traffic is expected out of scope."""
    return Maps(fit_pick_map(sample, route_count, prior), fit_scope_map(sample, share, prior))


def cross_graded(sample: Sample, route_count: int, share: float, prior: Prior | None) -> Graded:
    """The sample's confidences, each by maps that never saw its row: maps look too good on what they were fitted to."""
    part = np.zeros(len(sample.best), dtype=np.int64)
    for kind in np.unique(sample.source):
        rows = np.flatnonzero(sample.source == kind)
        part[rows] = np.arange(len(rows)) % _PARTS
    confidence = np.zeros(len(sample.best))
    for number in range(_PARTS):
        maps = fit_maps(sample.take(part != number), route_count, share, prior)
        confidence[part == number] = maps.confidences(sample.take(part == number))
    return Graded(confidence, sample.right, sample.weights, sample.source)


def fit_pick_map(sample: Sample, route_count: int, prior: Prior | None) -> ConfidenceMap:
    """The chance that the best route is right, from the texts in scope, with an offset for each route.

    A route's offset is the maximum a posteriori under a Gaussian around none: with few texts of its own a route keeps
    the catalog's map (partial pooling; Gelman & Hill 2006, chapter 12).
    """
    inside = sample.inside
    rows, right, best = sample.pick[inside], sample.right[inside].astype(np.float64), sample.best[inside]
    centre = None if prior is None else (prior.weights, prior.intercept)
    own_weights = sample.weights[inside] / sample.weights[inside].mean()
    weights, intercept = _logistic(rows, right, own_weights, centre)
    log_odds = rows @ np.array(weights) + intercept
    offsets = [_offset(log_odds[best == route], right[best == route]) for route in range(route_count)]
    fitted = np.flatnonzero(np.bincount(best, minlength=route_count) >= MIN_ROUTE_TEXTS)
    return ConfidenceMap(
        calibration=Calibration.POOLED,
        intercept=intercept,
        weights=weights,
        sample_count=int(inside.sum()),
        similarity_floor=similarity_floor(sample),
        route_offsets=tuple(offsets),
        fitted_routes=tuple(fitted.tolist()),
    )


def fit_scope_map(sample: Sample, share: float, prior: Prior | None) -> ScopeMap | None:
    """The chance that a text is in scope; None where the sample holds nothing out of scope."""
    if sample.inside.all():
        return None
    centre = None if prior is None else (prior.scope_weights, prior.scope_intercept)
    weights, intercept = _logistic(sample.scope, sample.inside.astype(np.float64), sample.weights, centre)
    return ScopeMap(intercept, weights, clipped(share))


def similarity_floor(sample: Sample) -> float:
    """The similarity under which only one in a hundred right decisions lay: less is out of scope."""
    if not sample.right.any():
        return 1.0
    return round(float(np.quantile(sample.pick[sample.right, 0], 0.01)), _DIGITS)


def _logistic(
    rows: Floats, target: Floats, weights: Floats, prior: tuple[tuple[float, ...], float] | None
) -> tuple[tuple[float, ...], float]:
    """Weights and intercept by Newton's method, with a Gaussian prior centred on the encoder's shipped map.

    Features are scaled by the sample's spread while fitting, so that one ridge suits all of them. No weight is
    negative: more of any feature never lowers a chance.
    """
    spread, middle = np.maximum(rows.std(axis=0), 1e-6), rows.mean(axis=0)
    design = np.column_stack([(rows - middle) / spread, np.ones(len(rows))])
    centre = np.zeros(design.shape[1])
    if prior is not None:
        scaled = np.array(prior[0]) * spread
        centre = np.append(scaled, prior[1] + float(np.array(prior[0]) @ middle))
    ridge = np.append(np.full(rows.shape[1], _RIDGE), _INTERCEPT_RIDGE)
    solution = _rising(design, target, weights, centre, ridge)
    plain = solution[:-1] / spread
    return tuple(np.round(plain, _DIGITS).tolist()), round(float(solution[-1] - plain @ middle), _DIGITS)


def _rising(design: Floats, target: Floats, weights: Floats, centre: Floats, ridge: Floats) -> Floats:
    """Fit, and while a feature's weight is negative leave the worst such feature out and fit again."""
    kept = np.arange(design.shape[1])  # the intercept is last and always kept
    while True:
        solution = np.zeros(design.shape[1])
        solution[kept] = _newton(design[:, kept], target, weights, centre[kept], ridge[kept])
        worst = int(np.argmin(solution[:-1]))
        if solution[worst] >= 0:
            return solution
        kept = kept[kept != worst]


def _newton(design: Floats, target: Floats, weights: Floats, centre: Floats, ridge: Floats) -> Floats:
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


def _offset(log_odds: Floats, right: Floats) -> float:
    """What is best added to a route's log-odds, by Newton's method; 0 for a route that was never the best."""
    offset = 0.0
    for _ in range(_MAX_STEPS):
        probability = 1.0 / (1.0 + np.exp(-np.clip(log_odds + offset, -30, 30)))
        gradient = float((probability - right).sum()) + _ROUTE_RIDGE * offset
        step = gradient / (float((probability * (1.0 - probability)).sum()) + _ROUTE_RIDGE)
        offset -= step
        if abs(step) < 1e-9:
            break
    return round(offset, _DIGITS)
