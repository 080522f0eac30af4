"""Paired: what changed in decisions of the very same texts? A share before and after, its interval, its test.

The same texts are decided twice, so that only those whose decision changed tell the two shares apart. An interval for
two independent samples would be far too wide.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.intervals import wilson

Flags = NDArray[np.bool_]

_SEED = 20_240_229  # any fixed number: the same decisions give the same interval
_RESAMPLES = 10_000
_INTERVAL = (2.5, 97.5)  # percentiles of the bootstrap: 95 %


@dataclass(frozen=True, slots=True)
class Delta:
    """A share of the same texts, before and after; all in [0, 1], their change and its interval in [-1, 1]."""

    before: float
    after: float
    change: float
    low: float  # 95 % interval of the change
    high: float
    p_value: float | None  # how likely a change as great is where nothing but chance decides; None: not tested


def share_delta(before: Flags, after: Flags) -> Delta | None:
    """The share of texts for which something holds; None without texts.

    Args:
        before: Shape (n,).
        after: Shape (n,), of the same texts in the same order.
    """
    if not len(before):
        return None
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    both, neither = int((before & after).sum()), int((~before & ~after).sum())
    low, high = paired_interval(both, lost, gained, neither)
    count = len(before)
    return Delta(
        before=(both + lost) / count,
        after=(both + gained) / count,
        change=(gained - lost) / count,
        low=low,
        high=high,
        p_value=exact_p_value(lost, gained),
    )


def paired_interval(both: int, lost: int, gained: int, neither: int) -> tuple[float, float]:
    """95 % interval of the share after minus the share before: method 10 of Newcombe 1998.

    "Improved confidence intervals for the difference between binomial proportions based on paired data", Statistics in
    Medicine 17, 2635-2650. Wilson's score limits of both shares are put together by their correlation, which is made
    smaller by a continuity correction. It holds its level where the usual one of Wald fails: few texts, shares near 1,
    or no change at all.

    Args:
        both: Texts for which it held before and holds after; at least one text in all.
        lost: It held before alone.
        gained: It holds after alone.
        neither: It never held.
    """
    count = both + lost + gained + neither
    before, after = (both + lost) / count, (both + gained) / count
    (before_low, before_high), (after_low, after_high) = wilson(before, count), wilson(after, count)
    phi = _correlation(both, lost, gained, neither)
    change = after - before
    down = _together(after - after_low, before_high - before, phi)
    up = _together(after_high - after, before - before_low, phi)
    return max(-1.0, change - down), min(1.0, change + up)


def exact_p_value(lost: int, gained: int) -> float:
    """Exact two-sided test of McNemar 1947: each text that changed sides is lost or gained with equal chance."""
    changed, fewer = lost + gained, min(lost, gained)
    chances, ways = 0, 1  # whole numbers, since a power of two of thousands is no float
    for number in range(fewer + 1):
        chances += ways
        ways = ways * (changed - number) // (number + 1)
    return min(1.0, 2 * chances / (1 << changed))


def precision_delta(
    accepted_before: Flags, right_before: Flags, accepted_after: Flags, right_after: Flags
) -> Delta | None:
    """The share of right ones of the accepted texts, which are others before and after; None where none are.

    Its interval is a paired bootstrap (percentile method, Efron 1979): texts are drawn anew with both their decisions.

    Args:
        accepted_before: Shape (n,).
        right_before: Shape (n,); of the accepted ones alone it is asked.
        accepted_after: Shape (n,), of the same texts in the same order.
        right_after: Likewise.
    """
    if not accepted_before.any() or not accepted_after.any():
        return None
    columns = (accepted_before, accepted_before & right_before, accepted_after, accepted_after & right_after)
    kinds, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    before, after = _precisions(counts[None, :], kinds)
    # Texts of one kind are alike, so that drawing texts is drawing how many there are of each kind.
    random, total = np.random.default_rng(_SEED), len(accepted_before)
    drawn = _precisions(random.multinomial(total, counts / total, _RESAMPLES), kinds)
    changes = drawn[1] - drawn[0]
    low, high = np.percentile(changes[np.isfinite(changes)], _INTERVAL)
    return Delta(float(before[0]), float(after[0]), float(after[0] - before[0]), float(low), float(high), None)


def _precisions(counts: NDArray[np.int64], kinds: Flags) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision before and after, of each row of counts; nan where nothing was accepted."""
    accepted_before, right_before, accepted_after, right_after = (counts @ kinds[:, n] for n in range(4))
    with np.errstate(invalid="ignore", divide="ignore"):
        return right_before / accepted_before, right_after / accepted_after


def _correlation(both: int, lost: int, gained: int, neither: int) -> float:
    product = (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
    if not product:
        return 0.0
    excess = both * neither - lost * gained
    corrected = excess if excess < 0 else max(0.0, excess - (both + lost + gained + neither) / 2)
    return corrected / math.sqrt(product)


def _together(one: float, other: float, phi: float) -> float:
    """Length of two distances that are correlated by `phi`."""
    return math.sqrt(max(0.0, one * one - 2.0 * phi * one * other + other * other))
