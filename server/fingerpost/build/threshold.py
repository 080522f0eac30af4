"""Threshold: from which confidence on does the promised precision hold? With a bound, not a point estimate.

Precision at an expected out-of-scope share s is (1 - s) a (1 - e) / ((1 - s) a + s g): a is the share of the texts in
scope that are accepted, e the share of wrong ones among these, g the share of the out-of-scope texts that are accepted.
The bound puts e and g at exact binomial upper limits (Clopper & Pearson 1934) that share the risk.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Promise

RISK = 0.1
"""How often, over catalogs drawn alike, a kept promise may turn out broken."""

_OUTSIDE_RISK = 0.2  # of the risk, for the sources of out-of-scope texts together: their limits cost the least
_STARTS = (0.5, 0.25, 0.1)  # shares of the texts in scope
_STEPS = 40  # thresholds that a chain tests
_MIN_ACCEPTED = 20  # texts in scope that a threshold must rest on
_DIGITS = 4  # of a threshold, rounded down
_ROUNDING = 1e-9  # of sums of weights: a target that is kept exactly is kept


@dataclass(frozen=True, slots=True)
class Graded:
    """Held-out decisions, as arrays of shape (n,)."""

    confidence: NDArray[np.float64]  # [0, 1]
    right: NDArray[np.bool_]
    weights: NDArray[np.float64]  # to the expected share of out-of-scope texts
    source: NDArray[np.int64]  # 0: in scope; each other number a source of out-of-scope texts of equal weight

    def take(self, rows: NDArray[np.bool_]) -> "Graded":
        return Graded(self.confidence[rows], self.right[rows], self.weights[rows], self.source[rows])


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold gives: shares of the expected traffic, and the bound on the precision."""

    threshold: float
    coverage: float
    precision: float
    precision_bound: float


@dataclass(frozen=True, slots=True)
class _Tally:
    """Counts and weights among the most confident 1, 2, ... n decisions, as arrays of shape (n,)."""

    confidence: NDArray[np.float64]  # rounded down as a threshold is
    accepted: NDArray[np.int64]  # in scope
    wrong: NDArray[np.int64]  # of these
    inside_weight: float  # of one text in scope
    outside: Sequence[tuple[NDArray[np.int64], int, float]]  # a source's accepted texts, all its texts, their weight
    total: float  # all weights

    def lasts(self, places: NDArray[np.int64]) -> list[int]:
        """The last place of each of these places' confidences: a threshold accepts all of a confidence or none."""
        lasts: list[int] = np.unique(np.searchsorted(-self.confidence, -self.confidence[places], "right") - 1).tolist()
        return lasts

    def precision(self, place: int) -> float:
        outside = sum(weight * int(taken[place]) for taken, _, weight in self.outside)
        good = self.inside_weight * int(self.accepted[place] - self.wrong[place])
        return good / max(self.inside_weight * int(self.accepted[place]) + outside, 1e-12)

    def coverage(self, place: int) -> float:
        outside = sum(weight * int(taken[place]) for taken, _, weight in self.outside)
        return (self.inside_weight * int(self.accepted[place]) + outside) / self.total

    def bound(self, place: int, risk: float = RISK) -> float:
        accepted, share = int(self.accepted[place]), _OUTSIDE_RISK * risk / max(len(self.outside), 1)
        if not accepted:
            return 0.0
        right = accepted * (1.0 - upper_limit(accepted, int(self.wrong[place]), (1.0 - _OUTSIDE_RISK) * risk))
        limits = [upper_limit(count, int(taken[place]), share) for taken, count, _ in self.outside]
        outside = sum(w * count * limit for (_, count, w), limit in zip(self.outside, limits, strict=True))
        return self.inside_weight * right / (self.inside_weight * accepted + outside)


def promise(graded: Graded, target: float) -> Promise:
    """The lowest threshold whose precision is at least the target, with chance 1 - RISK.

    Thresholds are tested one after the other, from those that accept a half, a quarter and a tenth of the texts in
    scope on to laxer ones, and the first that fails ends a chain: testing in a fixed order needs no correction for the
    number of thresholds, only for that of the chains (Angelopoulos et al. 2021, "Learn then Test"). When no chain gets
    past its first, the threshold keeps the target as far as was counted, and `kept` is False.

    Args:
        graded: n decisions.
        target: (0, 1).
    """
    tally = _tallied(graded)
    kept = max((_chain(tally, start, target) for start in _STARTS), default=-1)
    if kept < 0:
        return _unproven(tally, target)
    return _promise(tally, kept, target, kept=True, needed=int(tally.accepted[-1]))


def curve(graded: Graded, points: int = 50) -> list[Point]:
    """Thresholds spread evenly over the coverage, from the strictest."""
    tally = _tallied(graded)
    if not len(tally.confidence):
        return []
    covered = np.array([tally.coverage(place) for place in range(len(tally.confidence))])
    places = np.searchsorted(covered, np.linspace(1 / points, 1.0, points)).clip(max=len(covered) - 1)
    return [
        Point(
            threshold=float(tally.confidence[place]),
            coverage=round(tally.coverage(place), 4),
            precision=round(tally.precision(place), 4),
            precision_bound=round(tally.bound(place), 4),
        )
        for place in tally.lasts(places)
    ]


@lru_cache(maxsize=1 << 16)  # neighbouring thresholds, chains and routes ask for the same limits
def upper_limit(number: int, found: int, risk: float) -> float:
    """One-sided Clopper-Pearson limit: the rate above which so few of `number` would be rarer than `risk`."""
    if found >= number:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _at_most(number, found, middle) <= risk else (middle, high)
    return high


def _at_most(number: int, found: int, rate: float) -> float:
    """Chance of at most `found` successes in `number` trials of chance `rate`: the exact binomial sum."""
    if rate <= 0.0:
        return 1.0
    if rate >= 1.0:
        return 0.0
    successes = np.arange(found + 1)
    logs = _log_choices(number, found) + successes * math.log(rate) + (number - successes) * math.log1p(-rate)
    top = float(logs.max())
    return min(1.0, math.exp(top) * float(np.exp(logs - top).sum()))


def _log_choices(number: int, found: int) -> NDArray[np.float64]:
    """Logs of the ways to choose 0 to `found` of `number`."""
    chosen = np.arange(1, found + 1)
    logs: NDArray[np.float64] = np.append(0.0, np.cumsum(np.log(number - chosen + 1) - np.log(chosen)))
    return logs


def _tallied(graded: Graded) -> _Tally:
    confidence = np.floor(graded.confidence * 10**_DIGITS) / 10**_DIGITS
    order = np.argsort(-confidence, kind="stable")
    order = order[graded.weights[order] > 0]
    source, right, weights = graded.source[order], graded.right[order], graded.weights[order]
    inside = source == 0
    outside = [
        (np.cumsum(source == one), int((source == one).sum()), float(weights[source == one][0]))
        for one in np.unique(source[~inside])
    ]
    return _Tally(
        confidence=confidence[order],
        accepted=np.cumsum(inside),
        wrong=np.cumsum(inside & ~right),
        inside_weight=float(weights[inside][0]) if inside.any() else 0.0,
        outside=outside,
        total=float(weights.sum()),
    )


def _chain(tally: _Tally, start: float, target: float) -> int:
    """The last place that holds, tested from `start` of the texts in scope on; -1: not even the first."""
    kept = -1
    every = int(tally.accepted[-1]) if len(tally.accepted) else 0
    first = max(start * every, _MIN_ACCEPTED)
    if first > every:
        return kept
    numbers = np.geomspace(first, every, _STEPS)
    for place in tally.lasts(np.searchsorted(tally.accepted, numbers).clip(max=len(tally.accepted) - 1)):
        if tally.bound(place, RISK / len(_STARTS)) < target:
            break
        kept = place
    return kept


def _unproven(tally: _Tally, target: float) -> Promise:
    """The lowest threshold at which the target was kept, and how many such texts would prove it."""
    enough = tally.lasts(np.flatnonzero(tally.accepted >= _MIN_ACCEPTED))
    holding = [place for place in enough if tally.precision(place) >= target - _ROUNDING]
    if not holding:
        return Promise(target, target, 0, 0, None, False, None)
    return _promise(tally, holding[-1], target, kept=False, needed=_texts_needed(tally, target))


def _promise(tally: _Tally, place: int, target: float, *, kept: bool, needed: int | None) -> Promise:
    accepted = int(tally.accepted[place])
    right = accepted - int(tally.wrong[place])
    return Promise(target, float(tally.confidence[place]), accepted, right, tally.bound(place), kept, needed)


def _texts_needed(tally: _Tally, target: float) -> int | None:
    """Texts in scope with which a chain would get past its first threshold, were all kinds to grow alike."""
    every = int(tally.accepted[-1])
    firsts = tally.lasts(np.searchsorted(tally.accepted, [start * every for start in _STARTS]))
    tried = [place for place in firsts if tally.precision(place) > target]
    factors = [factor for place in tried if (factor := _growth_needed(tally, place, target)) is not None]
    return math.ceil(min(factors) * every) if factors else None


def _growth_needed(tally: _Tally, place: int, target: float) -> float | None:
    for step in range(40):
        factor: float = 100.0 ** (step / 39)
        grown = replace(
            tally,
            accepted=np.array([round(factor * int(tally.accepted[place]))]),
            wrong=np.array([math.ceil(factor * int(tally.wrong[place]))]),
            inside_weight=tally.inside_weight / factor,
            outside=[
                (np.array([math.ceil(factor * int(taken[place]))]), round(factor * count), weight / factor)
                for taken, count, weight in tally.outside
            ],
        )
        if int(grown.accepted[0]) >= _MIN_ACCEPTED and grown.bound(0, RISK / len(_STARTS)) >= target:
            return factor
    return None
