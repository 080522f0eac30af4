"""Does the tuned encoder beat the plain one? Judged on texts that the tuning never saw: pure, without torch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.backends.encoder.tuning_plan import Plan, Rows
from fingerpost.types import TuningVerdict, Vectors

Probabilities = NDArray[np.float64]
"""Shape (n, routes), rows that sum to 1."""

FitHead = Callable[[Vectors, Rows], Callable[[Vectors], Probabilities]]
"""From vectors (n, dim) and their routes (n,), numbered from 0 without a gap, to what tells probabilities of others."""

MAX_DETECTION_LOSS = 0.005
"""Of the area under the curve by which out-of-scope detection may seem to fall: less is chance on hundreds of texts."""

MIN_ERRORS = 1.0
"""Standard errors by which the log-probability of the right route must grow: less may be chance. More would refuse
real gains, which show by a handful of texts where routes have ten utterances."""

_MIN_PROBABILITY = 1e-6
_SHARPNESS = tuple(2.0**power for power in range(-6, 6))


@dataclass(frozen=True, slots=True)
class _Marks:
    """How one encoder did: on each judged text (n,), and at detection."""

    right: NDArray[np.bool_]
    log_probability: NDArray[np.float64]
    detection: float


def judge(plan: Plan, plain: Vectors, tuned: Vectors, fit_head: FitHead) -> TuningVerdict:
    """Compare two encoders, each with a head that is fitted on what the proof encoder was tuned on.

    The tuned one is accepted when it is right more often, gives the right routes more probability, by over `MIN_ERRORS`
    standard errors of the paired difference, and detects what is out of scope as well as before.

    Args:
        plan: Which rows were learned from, which are judged and which are outside.
        plain: Shape (n, dim), float32, unit rows, of all texts by the plain encoder.
        tuned: Likewise by the proof encoder.
        fit_head: Makes the head.
    """
    before, after = _marks(plan, plain, fit_head), _marks(plan, tuned, fit_head)
    gain = after.log_probability - before.log_probability
    error = float(gain.std(ddof=1)) / len(gain) ** 0.5
    if after.right.sum() <= before.right.sum() or float(gain.mean()) <= MIN_ERRORS * error:
        why = "the tuned encoder is not better on the texts that were kept from it"
    elif after.detection < before.detection - MAX_DETECTION_LOSS:
        why = "the tuned encoder is worse at telling what is out of scope"
    else:
        return _verdict(before, after, "the tuned encoder is better on the texts that were kept from it", accepted=True)
    return _verdict(before, after, why, accepted=False)


def refusal(why: str) -> TuningVerdict:
    """Of a tuning that was not even judged."""
    return TuningVerdict(False, why, 0, 0.0, 0.0, 0.0, 0.0)


def area_under_curve(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    """Chance that a value of the first kind is over one of the second, equal ones counting half: [0, 1]."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left") + np.searchsorted(ordered, inside, side="right")
    return float(below.mean() / (2 * len(outside)))


def _marks(plan: Plan, vectors: Vectors, fit_head: FitHead) -> _Marks:
    known, routes = np.unique(plan.routes[plan.learned], return_inverse=True)
    probabilities_of = fit_head(vectors[plan.learned], routes.astype(np.int64))
    judged = probabilities_of(vectors[plan.judged])
    own = np.searchsorted(known, plan.routes[plan.judged])
    outside = probabilities_of(vectors[plan.outside]).max(axis=1)
    return _Marks(
        judged.argmax(axis=1) == own,
        _fairest(judged, own),
        area_under_curve(judged.max(axis=1), outside),
    )


def _fairest(probabilities: Probabilities, own: Rows) -> NDArray[np.float64]:
    """Log-probability of each row's own route, shape (n,), sharpened or softened as suits the encoder best.

    So an encoder wins by what it tells apart, not by how sure the head happens to be of its vectors.
    """
    logs = np.log(np.maximum(probabilities, _MIN_PROBABILITY))
    tried = []
    for sharpness in _SHARPNESS:
        scaled = sharpness * logs
        total = np.log(np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1)) + scaled.max(axis=1)
        tried.append(scaled[np.arange(len(own)), own] - total)
    return max(tried, key=lambda row: float(row.mean()))


def _verdict(before: _Marks, after: _Marks, why: str, *, accepted: bool) -> TuningVerdict:
    return TuningVerdict(
        accepted,
        why,
        len(before.right),
        round(float(before.right.mean()), 6),
        round(float(after.right.mean()), 6),
        round(before.detection, 6),
        round(after.detection, 6),
    )
