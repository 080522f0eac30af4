"""Metrics: how good were many decisions? Pure arithmetic on arrays, each number with its interval."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.intervals import wilson

BINS = 15
RESAMPLES = 1000
_SEED = 20_240_229  # any fixed number: the same cases give the same intervals
_INTERVAL = (2.5, 97.5)  # percentiles of the bootstrap: 95 %

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """Decided cases, as arrays of shape (n,)."""

    in_scope: Flags  # the label is a route
    best_right: Flags  # the best route before the threshold is the label; never out of scope
    accepted: Flags  # a route was chosen
    right: Flags  # the chosen route is the label
    confidence: Floats  # of the best route, [0, 1]; nan where it could not be calibrated

    def take(self, places: NDArray[np.int64]) -> "Rows":
        return Rows(
            self.in_scope[places],
            self.best_right[places],
            self.accepted[places],
            self.right[places],
            self.confidence[places],
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric and its 95 % interval; None where nothing can be counted."""

    value: float | None
    low: float | None
    high: float | None


def measure(rows: Rows) -> dict[str, Measured]:
    """Every metric of `METRICS`.

    Shares have Wilson's interval, the others one from seeded resamples of the cases (percentile method, Efron 1979).
    """
    random = np.random.default_rng(_SEED)
    count = len(rows.in_scope)
    samples = [rows.take(random.integers(0, count, count)) for _ in range(RESAMPLES if count else 0)]
    return {name: _measured(name, metric(rows), rows, samples) for name, metric in METRICS.items()}


def _measured(name: str, value: float, rows: Rows, samples: list[Rows]) -> Measured:
    if not np.isfinite(value):
        return Measured(None, None, None)
    if name in _COUNTED:
        return Measured(value, *wilson(value, int(_COUNTED[name](rows).sum())))
    drawn = np.array([METRICS[name](sample) for sample in samples])
    low, high = np.percentile(drawn[np.isfinite(drawn)], _INTERVAL)
    return Measured(value, float(low), float(high))


def top1_accuracy(rows: Rows) -> float:
    """Best route right before any threshold, of the cases in scope."""
    return _mean(rows.best_right[rows.in_scope])


def in_scope_accuracy(rows: Rows) -> float:
    """Accepted and right, of all cases in scope."""
    return _mean(rows.right[rows.in_scope])


def coverage(rows: Rows) -> float:
    """Accepted, of all cases."""
    return _mean(rows.accepted)


def precision(rows: Rows) -> float:
    """Right, of the accepted cases, those that were out of scope among them."""
    return _mean(rows.right[rows.accepted])


def oos_recall(rows: Rows) -> float:
    """Fell back, of the cases out of scope."""
    return _mean(~rows.accepted[~rows.in_scope])


def oos_auroc(rows: Rows) -> float:
    """Chance that a case in scope has a higher confidence than one out of scope, equal ones counting half."""
    inside, outside = rows.confidence[rows.in_scope], rows.confidence[~rows.in_scope]
    if not len(inside) or not len(outside) or np.isnan(rows.confidence).any():
        return float("nan")
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, "left")
    upto = np.searchsorted(ordered, inside, "right")
    return float((below + upto).mean() / (2 * len(outside)))


def fpr95(rows: Rows) -> float:
    """Cases out of scope that pass the confidence which 95 % of those in scope reach."""
    inside, outside = rows.confidence[rows.in_scope], rows.confidence[~rows.in_scope]
    if not len(inside) or not len(outside) or np.isnan(rows.confidence).any():
        return float("nan")
    return _mean(outside >= np.quantile(inside, 0.05, method="lower"))


def ece(rows: Rows) -> float:
    """Expected calibration error over all cases in 15 bins of equal mass (Naeini et al. 2015, Nguyen & O'Connor 2015).

    Right means in scope and the best route correct, whether or not it was accepted.
    """
    if not len(rows.confidence) or np.isnan(rows.confidence).any():
        return float("nan")
    order = np.argsort(rows.confidence, kind="stable")
    gaps = [
        abs(rows.confidence[part].mean() - rows.best_right[part].mean()) * len(part)
        for part in np.array_split(order, BINS)
        if len(part)
    ]
    return float(sum(gaps) / len(order))


def brier(rows: Rows) -> float:
    """Mean squared gap of confidence and being right (Brier 1950)."""
    return _mean((rows.confidence - rows.best_right) ** 2)


def aurc(rows: Rows) -> float:
    """Area under the risk-coverage curve: mean error of the k most confident, over all k (Geifman et al. 2019)."""
    if not len(rows.confidence) or np.isnan(rows.confidence).any():
        return float("nan")
    order = np.argsort(-rows.confidence, kind="stable")
    errors = np.cumsum(~rows.best_right[order]) / np.arange(1, len(order) + 1)
    return float(errors.mean())


def at_share(rows: Rows, confidence: Floats, threshold: float, share: float) -> dict[str, float | None]:
    """`ece`, `brier` and `precision` of the cases weighted so that `share` of them, (0, 1), are out of scope.

    Args:
        rows: n cases of both kinds.
        confidence: Shape (n,), [0, 1]; of the best routes, with that share expected.
        threshold: [0, 1]; accepts from here on.
        share: (0, 1).
    """
    outside = ~rows.in_scope
    if not outside.any() or outside.all():
        return {"ece": None, "brier": None, "precision": None}
    weights = np.where(outside, share / outside.sum(), (1.0 - share) / rows.in_scope.sum())
    accepted = confidence >= threshold
    kept = float(weights[accepted].sum())
    return {
        "ece": weighted_ece(confidence, rows.best_right, weights),
        "brier": float((weights * (confidence - rows.best_right) ** 2).sum()),
        "precision": float(weights[accepted & rows.best_right].sum()) / kept if kept else None,
    }


def weighted_ece(confidence: Floats, right: Flags, weights: Floats) -> float:
    """Expected calibration error in bins of equal weight; `weights`, shape (n,), are above 0."""
    order = np.argsort(confidence, kind="stable")
    share = weights[order] / weights.sum()
    bins = np.minimum((np.cumsum(share) - share / 2) * BINS, BINS - 1).astype(np.int64)
    gaps = share * (confidence[order] - right[order])
    return float(np.abs(np.bincount(bins, gaps, BINS)).sum())


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.mean()) if len(values) else float("nan")


METRICS: dict[str, Callable[[Rows], float]] = {
    metric.__name__: metric
    for metric in (
        top1_accuracy,
        in_scope_accuracy,
        coverage,
        precision,
        oos_recall,
        oos_auroc,
        fpr95,
        ece,
        brier,
        aurc,
    )
}

_COUNTED: dict[str, Callable[[Rows], Flags]] = {
    "top1_accuracy": lambda rows: rows.in_scope,
    "in_scope_accuracy": lambda rows: rows.in_scope,
    "coverage": lambda rows: np.ones_like(rows.accepted),
    "precision": lambda rows: rows.accepted,
    "oos_recall": lambda rows: ~rows.in_scope,
}
"""Of the metrics that are shares: the cases that they are counted on."""
