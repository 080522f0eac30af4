"""Promises in words: what a threshold keeps and what that rests on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fingerpost.types import Promise


def promised(promise: "Promise") -> str:
    """One sentence: the threshold, its target, and the held-out utterances behind it."""
    rests = f"{promise.right} of {promise.accepted} held-out utterances at or above it were right"
    bound = "" if promise.precision_bound is None else f", so at least {promise.precision_bound:.1%} of decisions are"
    if promise.kept:
        return f"Threshold {promise.threshold:.4f} keeps a precision of {promise.target_precision:.0%}: {rests}{bound}."
    needed = "no number of" if promise.texts_needed is None else f"about {promise.texts_needed}"
    return (
        f"Threshold {promise.threshold:.4f} aims at a precision of {promise.target_precision:.0%}, "
        f"which is not proven: {rests}{bound}; {needed} utterances like these would prove it."
    )
