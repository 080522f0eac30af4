"""What a threshold promises and gives: the words and the place on the curve that all commands share."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fingerpost.build.threshold import Point
    from fingerpost.types import Promise


def promised(promise: "Promise") -> str:
    """The threshold, its target, and the held-out utterances behind it: one sentence."""
    target, rests = f"{100 * promise.target_precision:g}%", _rests_on(promise)
    if promise.kept:
        return f"Threshold {promise.threshold:.4f} keeps a precision of {target}: {rests}."
    return (
        f"Threshold {promise.threshold:.4f} aims at a precision of {target}, which is not proven: {rests}; "
        f"{_needed(promise.texts_needed)} like these would prove it."
    )


def in_force(curve: "Sequence[Point]", threshold: float) -> "Point | None":
    """The laxest point that is as strict as the threshold, which may lie between two; None when it is the strictest."""
    return min((point for point in curve if point.threshold >= threshold), key=lambda p: p.threshold, default=None)


def _rests_on(promise: "Promise") -> str:
    if not promise.accepted:
        return "too few held-out utterances reach it"
    rests = f"{promise.right} of {promise.accepted} held-out utterances at or above it were right"
    if promise.precision_bound is None:
        return rests
    # Rounded down: a bound under the target must not look as if it reached it.
    return f"{rests}, so at least {math.floor(1000 * promise.precision_bound) / 10:.1f}% of decisions are"


def _needed(texts: int | None) -> str:
    return "not even a hundred times as many utterances" if texts is None else f"about {texts} utterances"
