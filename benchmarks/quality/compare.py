"""Numbers of one system and of two beside each other: pure arithmetic on decided cases."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import NormalDist
from typing import Any

import numpy as np
from entries import Row
from numpy.typing import NDArray
from public_sets import OUT_OF_SCOPE_LABEL
from systems import Answers

from fingerpost.build.metrics import BINS, METRICS, Measured, Rows, measure

PROBABILITIES = ("ece", "brier")
"""Metrics that mean something of probabilities alone; a cosine is none."""

_RESAMPLES = 1000
_SEED = 20_240_229
_INTERVAL = (2.5, 97.5)
_POINTS = 50  # of a curve

Floats = NDArray[np.float64]


def metrics_of(rows: Rows, *, intervals: bool, probabilities: bool) -> dict[str, Any]:
    """Fingerpost's metrics, `value`, `low` and `high` each; without `intervals` the value alone."""
    measured = measure(rows) if intervals else {name: _value(metric(rows)) for name, metric in METRICS.items()}
    found = {name: asdict(one) for name, one in measured.items() if probabilities or name not in PROBABILITIES}
    both = harmonic(measured["in_scope_accuracy"].value, measured["oos_recall"].value)
    return found | {"harmonic_mean": {"value": both}}


def _value(value: float) -> Measured:
    return Measured(float(value) if np.isfinite(value) else None, None, None)


def harmonic(one: float | None, other: float | None) -> float | None:
    """Harmonic mean of two shares; None where one is missing."""
    if one is None or other is None:
        return None
    return 2 * one * other / (one + other) if one + other else 0.0


def groups_of(cases: Sequence[Row], answers: Answers, *, intervals: bool) -> dict[str, dict[str, Any]]:
    """Coverage, precision and accuracy of each group of cases."""
    rows = answers.rows(cases)
    found = {}
    for group in sorted({case.group for case in cases} - {""}):
        places = np.array([i for i, case in enumerate(cases) if case.group == group], dtype=np.int64)
        own = metrics_of(rows.take(places), intervals=intervals, probabilities=False)
        found[group] = {"cases": len(places)} | {
            name: own[name] for name in ("top1_accuracy", "coverage", "precision", "in_scope_accuracy")
        }
    return found


def paired(cases: Sequence[Row], ours: Answers, other: Answers) -> dict[str, Any]:
    """Our metric less the other's on the same cases, with a 95 % bootstrap interval over cases."""
    labels = np.array([case.label for case in cases])
    inside = labels != OUT_OF_SCOPE_LABEL
    gaps = _right(cases, ours.best)[inside].astype(float) - _right(cases, other.best)[inside]
    accepted, matched = _accepted(ours), most_sure(other, int(_accepted(ours).sum()))
    return {
        "top1_accuracy": difference(gaps),
        "precision_at_our_coverage": _precision_gap(
            accepted, _right(cases, ours.decided), matched, _right(cases, other.best)
        ),
    }


def difference(gaps: Floats) -> dict[str, float | None]:
    """Mean of the gaps of paired cases and its interval."""
    if not len(gaps):
        return {"value": None, "low": None, "high": None}
    random = np.random.default_rng(_SEED)
    drawn = [gaps[random.integers(0, len(gaps), len(gaps))].mean() for _ in range(_RESAMPLES)]
    low, high = np.percentile(drawn, _INTERVAL)
    return {"value": float(gaps.mean()), "low": float(low), "high": float(high)}


def _precision_gap(
    accepted: NDArray[np.bool_],
    right: NDArray[np.bool_],
    other_accepted: NDArray[np.bool_],
    other_right: NDArray[np.bool_],
) -> dict[str, float | None]:
    """Both precisions and their gap; each accepts its own cases, equally many."""
    if not accepted.any():
        return {"ours": None, "other": None, "value": None, "low": None, "high": None}
    random = np.random.default_rng(_SEED)
    drawn = []
    for _ in range(_RESAMPLES):
        places = random.integers(0, len(accepted), len(accepted))
        if accepted[places].any() and other_accepted[places].any():
            own = right[places][accepted[places]].mean()
            drawn.append(own - other_right[places][other_accepted[places]].mean())
    low, high = np.percentile(drawn, _INTERVAL)
    own, other = float(right[accepted].mean()), float(other_right[other_accepted].mean())
    return {"ours": own, "other": other, "value": own - other, "low": float(low), "high": float(high)}


def most_sure(answers: Answers, count: int) -> NDArray[np.bool_]:
    """The `count` cases with the highest score."""
    taken = np.zeros(len(answers.score), dtype=bool)
    taken[np.argsort(-answers.score, kind="stable")[:count]] = True
    return taken


def over_samples(gaps: Sequence[Floats]) -> dict[str, float]:
    """Mean gap over samples, with an interval over both the samples and their cases."""
    random = np.random.default_rng(_SEED)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = random.integers(0, len(gaps), len(gaps))
        drawn.append(np.mean([gaps[i][random.integers(0, len(gaps[i]), len(gaps[i]))].mean() for i in chosen]))
    low, high = np.percentile(drawn, _INTERVAL)
    return {"value": float(np.mean([gap.mean() for gap in gaps])), "low": float(low), "high": float(high)}


def top1_gaps(cases: Sequence[Row], ours: Answers, other: Answers) -> Floats:
    """Of the cases in scope: 1 where only we are right, -1 where only the other is."""
    inside = np.array([case.label != OUT_OF_SCOPE_LABEL for case in cases])
    gaps: Floats = _right(cases, ours.best)[inside].astype(np.float64) - _right(cases, other.best)[inside]
    return gaps


def curve(cases: Sequence[Row], answers: Answers) -> list[list[float]]:
    """[coverage, precision] when the most sure are accepted first."""
    order = np.argsort(-answers.score, kind="stable")
    precision = np.cumsum(_right(cases, answers.best)[order]) / np.arange(1, len(order) + 1)
    counts = np.unique(np.linspace(len(order) / _POINTS, len(order), _POINTS).round().astype(int).clip(min=1))
    return [[round(count / len(order), 4), round(float(precision[count - 1]), 4)] for count in counts]


def reliability(cases: Sequence[Row], answers: Answers) -> list[list[float]]:
    """[mean confidence, share right] in bins of equal mass; empty where a confidence is missing."""
    if np.isnan(answers.score).any():
        return []
    right = _right(cases, answers.best)
    order = np.argsort(answers.score, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return [[round(float(answers.score[p].mean()), 4), round(float(right[p].mean()), 4)] for p in parts]


def share(hits: int, count: int) -> dict[str, float | int | None]:
    """A share with its Wilson interval."""
    if not count:
        return {"count": 0, "value": None, "low": None, "high": None}
    z = NormalDist().inv_cdf(0.975)
    middle = (hits + z * z / 2) / (count + z * z)
    half = z * (hits * (count - hits) / count + z * z / 4) ** 0.5 / (count + z * z)
    return {"count": count, "value": hits / count, "low": middle - half, "high": middle + half}


def _accepted(answers: Answers) -> NDArray[np.bool_]:
    return np.array([route is not None for route in answers.decided], dtype=bool)


def _right(cases: Sequence[Row], routes: Sequence[str | None]) -> NDArray[np.bool_]:
    return np.array([route == case.label for case, route in zip(cases, routes, strict=True)], dtype=bool)
