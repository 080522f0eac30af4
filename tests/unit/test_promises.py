"""Promises in words, and where a threshold lies on its curve."""

from dataclasses import replace

import pytest

from fingerpost.build.threshold import Point
from fingerpost.cli.promises import in_force, promised
from fingerpost.types import Promise

KEPT = Promise(0.95, 0.7938, 611, 603, 0.95867, True, 935)
CURVE = [Point(threshold, 1.0 - threshold, 0.9, 0.8) for threshold in (0.9, 0.7, 0.5)]


def test_a_kept_promise() -> None:
    """The sentence says what is kept and the utterances that prove it, and asks for nothing."""
    assert promised(KEPT) == (
        "Threshold 0.7938 keeps a precision of 95%: 603 of 611 held-out utterances at or above it were right, "
        "so at least 95.8% of decisions are."
    )


def test_an_unproven_promise() -> None:
    """The sentence says that it is not proven, and how many utterances would prove it."""
    assert promised(replace(KEPT, kept=False, precision_bound=0.9)) == (
        "Threshold 0.7938 aims at a precision of 95%, which is not proven: "
        "603 of 611 held-out utterances at or above it were right, so at least 90.0% of decisions are; "
        "about 935 utterances like these would prove it."
    )


def test_more_of_the_same_would_not_help() -> None:
    """Where no number of such utterances proves the target, the sentence says so instead of a number."""
    said = promised(replace(KEPT, kept=False, texts_needed=None))
    assert said.endswith("; not even a hundred times as many utterances like these would prove it.")
    assert "None" not in said


def test_nothing_reaches_the_threshold() -> None:
    """A threshold that nothing reaches rests on nothing: no shares of nought are told."""
    said = promised(Promise(0.95, 0.95, 0, 0, None, False, None))
    assert "not proven: too few held-out utterances reach it; not even" in said
    assert "0 of 0" not in said


@pytest.mark.parametrize(("target", "words"), [(0.95, "95%"), (0.975, "97.5%"), (0.995, "99.5%"), (0.57, "57%")])
def test_the_target_is_told_as_it_was_given(target: float, words: str) -> None:
    """A target between two percentages is not rounded to one."""
    assert f"a precision of {words}: " in promised(replace(KEPT, target_precision=target))


def test_a_bound_just_under_the_target_does_not_look_like_it() -> None:
    """Bounds are rounded down, so that no unproven target seems to be reached."""
    said = promised(replace(KEPT, kept=False, precision_bound=0.94999))
    assert "at least 94.9% of decisions" in said


@pytest.mark.parametrize(("threshold", "found"), [(0.7, 0.7), (0.6, 0.7), (0.5001, 0.7), (0.1, 0.5), (0.9, 0.9)])
def test_the_point_in_force(threshold: float, found: float) -> None:
    """A threshold between two points has what the stricter one has, and perhaps a little more."""
    point = in_force(CURVE, threshold)
    assert point is not None
    assert point.threshold == found


def test_stricter_than_the_curve() -> None:
    """A threshold above all points, or of an empty curve, has none."""
    assert in_force(CURVE, 0.95) is None
    assert in_force([], 0.5) is None
