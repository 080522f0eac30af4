"""Threshold: from which confidence on does the promised precision hold? With a bound, not a point estimate.

Precision at an expected out-of-scope share s is (1 - s) a (1 - e) / ((1 - s) a + s g): a is the share of the texts in
scope that are accepted, e the share of wrong ones among these, g the share of the out-of-scope texts that are accepted.
For each pair of rates that would break the promise, the chances of counts as low as those found are exact binomial
sums, as in a Clopper-Pearson limit; Fisher's method (1932) makes one of them, and the greatest over all such pairs is
the risk. That needs far fewer texts than a limit for each rate.
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

_EVEN_RISK = 0.6  # what Fisher's method makes of two kinds of errors that are each as likely as not
_STARTS = {0.5: 0.8, 0.25: 0.1, 0.1: 0.1}  # shares of the texts in scope, and of the risk that each chain may take
_STEPS = 200  # thresholds that a chain tests
_GRID = 200  # steps of a contribution to the errors, rounded so that the risk is never understated
_TOGETHER = np.arange(_GRID + 1)[None, :] - np.arange(_GRID + 1)[:, None]  # what is left of a column for the second
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

    def risk(self, place: int, target: float) -> float:
        """At most how likely counts as good as these are where the precision is under the target: a p-value, [0, 1].

        The precision is under it when the errors, weighted, are more than `allowed`: wrong ones in scope count in full,
        accepted texts out of scope by the target.
        """
        accepted = int(self.accepted[place])
        allowed = self.inside_weight * accepted * (1.0 - target)
        if allowed <= 0.0:
            return 1.0
        sources = [(accepted, int(self.wrong[place]), self.inside_weight * accepted)]
        sources += [(count, int(taken[place]), target * weight * count) for taken, count, weight in self.outside]
        return combined_risk(allowed, sources)

    def bound(self, place: int, risk: float = RISK) -> float:
        """The greatest target whose risk is at most this."""
        low, high = 0.0, 1.0
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self.risk(place, middle) <= risk else (low, middle)
        return low


def promise(graded: Graded, target: float) -> Promise:
    """The lowest threshold whose precision is at least the target, with chance 1 - RISK.

    Thresholds are tested one after the other, from those that accept a half, a quarter and a tenth of the texts in
    scope on to laxer ones, and the first that fails ends a chain: testing in a fixed order needs no correction for the
    number of thresholds, only for that of the chains (Angelopoulos et al. 2021, "Learn then Test"). When no chain gets
    past its first, the threshold is the lowest that is as likely to keep the target as not, else the surest one, and
    `kept` is False.

    Args:
        graded: n decisions.
        target: (0, 1).
    """
    tally = _tallied(graded)
    kept = max(_chain(tally, start, target, share * RISK) for start, share in _STARTS.items())
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


def combined_risk(allowed: float, sources: Sequence[tuple[int, int, float]]) -> float:
    """The greatest chance of so few errors that rates with `allowed` errors in all could have.

    Args:
        allowed: Above 0; weighted errors.
        sources: For each kind of text how many, how many of them are errors, and what all of them would weigh.
    """
    least = np.arange(_GRID + 1) / _GRID * allowed
    logs = [_log_at_most(number, found, least / weight) for number, found, weight in sources]
    best = logs[0]
    for other in logs[1:]:
        best = np.where(_TOGETHER >= 0, best[:, None] + other[_TOGETHER], -np.inf).max(axis=0)
    # Contributions rounded down to the grid add up to at least this much of it.
    log_chance = float(best[_GRID - len(sources) + 1])
    if log_chance == -math.inf:
        return 0.0
    terms = [(-log_chance) ** power / math.factorial(power) for power in range(len(sources))]
    return min(1.0, math.exp(log_chance) * sum(terms))


def _log_at_most(number: int, found: int, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of the chance of at most `found` successes in `number` trials, for each rate; a rate over 1 has none."""
    if found >= number:
        return np.where(rates <= 1.0, 0.0, -np.inf)
    successes = np.arange(found + 1)[:, None]
    rate = np.clip(rates, 1e-12, 1.0 - 1e-12)
    logs = _log_choices(number, found)[:, None] + successes * np.log(rate) + (number - successes) * np.log1p(-rate)
    top = logs.max(axis=0)
    total = np.minimum(top + np.log(np.exp(logs - top).sum(axis=0)), 0.0)
    return np.where(rates < 1.0, total, -np.inf)


@lru_cache(maxsize=1 << 12)  # neighbouring thresholds ask for the same
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


def _chain(tally: _Tally, start: float, target: float, risk: float) -> int:
    """The last place that holds, tested from `start` of the texts in scope on; -1: not even the first."""
    kept = -1
    every = int(tally.accepted[-1]) if len(tally.accepted) else 0
    first = max(start * every, _MIN_ACCEPTED)
    if first > every:
        return kept
    numbers = np.geomspace(first, every, _STEPS)
    for place in tally.lasts(np.searchsorted(tally.accepted, numbers).clip(max=len(tally.accepted) - 1)):
        if tally.risk(place, target) > risk:
            break
        kept = place
    return kept


def _unproven(tally: _Tally, target: float) -> Promise:
    """A threshold that aims at the target, and how many such texts would prove it."""
    enough = tally.lasts(np.flatnonzero(tally.accepted >= _MIN_ACCEPTED))
    risks = {p: tally.risk(p, target) for p in enough if tally.precision(p) >= target - _ROUNDING}
    if not risks:
        return Promise(target, target, 0, 0, None, False, None)
    likely = [place for place, risk in risks.items() if risk <= _EVEN_RISK]
    place = likely[-1] if likely else min(risks, key=lambda place: (risks[place], place))
    return _promise(tally, place, target, kept=False, needed=_texts_needed(tally, target))


def _promise(tally: _Tally, place: int, target: float, *, kept: bool, needed: int | None) -> Promise:
    accepted = int(tally.accepted[place])
    right = accepted - int(tally.wrong[place])
    return Promise(target, float(tally.confidence[place]), accepted, right, tally.bound(place), kept, needed)


def _texts_needed(tally: _Tally, target: float) -> int | None:
    """Texts in scope with which a chain would get past its first threshold, were all kinds to grow alike."""
    every = int(tally.accepted[-1])
    factors = []
    for start, share in _STARTS.items():
        (place,) = tally.lasts(np.searchsorted(tally.accepted, [start * every]))
        if tally.precision(place) > target and (factor := _growth_needed(tally, place, target, share * RISK)):
            factors.append(factor)
    return math.ceil(min(factors) * every) if factors else None


def _growth_needed(tally: _Tally, place: int, target: float, risk: float) -> float | None:
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
        if int(grown.accepted[0]) >= _MIN_ACCEPTED and grown.risk(0, target) <= risk:
            return factor
    return None
