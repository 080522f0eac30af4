"""Reliability: do decisions come true as often as their confidence says?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.intervals import wilson
from fingerpost.build.judging import Judged
from fingerpost.build.metrics import Flags, Floats, weighted_ece

_BINS = 10  # of equal width: what a person reads off a diagram


@dataclass(frozen=True, slots=True)
class Bin:
    """Cases of about the same confidence; all but `count` lie in [0, 1]."""

    low: float
    high: float
    count: int
    confidence: float  # their weighted mean
    right: float  # weighted share whose best route is their own
    right_low: float  # 95 % interval of that share
    right_high: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How confidence and being right go together."""

    bins: tuple[Bin, ...]  # from the least sure; without those that hold no case
    cases: int
    outside_share: float | None  # what the cases out of scope were weighted to; None: counted as they are
    ece: float  # expected calibration error, [0, 1]


def reliability_of(judged: Sequence[Judged], outside_share: float) -> Reliability | None:
    """Bins of the cases by the confidence of their best route; None when none has a confidence.

    A confidence is the chance for requests of which `outside_share` fit no route. Where the cases are of both kinds
    they are weighted to it, so that many out-of-scope tests do not look like overconfidence.

    Args:
        judged: Any number of cases.
        outside_share: [0, 1); that the catalog expects.
    """
    rows = [
        (j.confidence, j.case.route is not None, j.best == j.case.route) for j in judged if j.confidence is not None
    ]
    if not rows:
        return None
    confidence = np.array([row[0] for row in rows], dtype=np.float64)
    inside = np.array([row[1] for row in rows], dtype=bool)
    right = np.array([row[2] for row in rows], dtype=bool) & inside
    weighted = bool(inside.any() and not inside.all() and outside_share > 0.0)
    weights = _weights(inside, outside_share) if weighted else np.full(len(rows), 1.0 / len(rows))
    places = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    bins = tuple(_bin(number, places == number, confidence, right, weights) for number in np.unique(places).tolist())
    return Reliability(bins, len(rows), outside_share if weighted else None, weighted_ece(confidence, right, weights))


def _weights(inside: Flags, outside_share: float) -> Floats:
    weights: Floats = np.where(inside, (1.0 - outside_share) / inside.sum(), outside_share / (~inside).sum())
    return weights


def _bin(number: int, own: NDArray[np.bool_], confidence: Floats, right: Flags, weights: Floats) -> Bin:
    weight = weights[own]
    share = float(weight[right[own]].sum() / weight.sum())
    # Kish (1965): so many cases of equal weight would say as much.
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    low, high = wilson(share, effective)
    mean = float((weight * confidence[own]).sum() / weight.sum())
    return Bin(number / _BINS, (number + 1) / _BINS, int(own.sum()), mean, share, low, high)
