"""Verdicts on runs: the knee, recovery, slopes."""

import numpy as np
import pytest

from benchmarks.load.knee import Step, knee, recovered_after, slope
from benchmarks.load.times import Times


def step(rate: float, p99_ms: float, ok_share: float = 1.0, *, void: bool = False) -> Step:
    return Step(rate, p99_ms, ok_share, void)


def test_the_knee_is_the_highest_rate_that_holds() -> None:
    """Of the rates whose p99 at most doubled, with 99.9 % answered, the highest; in whatever order they come."""
    steps = [step(300, 19.9), step(100, 10), step(400, 20.1), step(200, 15), step(500, 12, 0.99)]
    assert knee(steps) == steps[0]


def test_void_steps_say_nothing() -> None:
    """They are neither the base that others are compared with nor the knee."""
    steps = [step(100, 1, void=True), step(200, 10), step(300, 18), step(400, 5, void=True)]
    assert knee(steps) == steps[2]
    assert knee([step(100, 1, void=True)]) is None


def test_there_is_no_knee_where_calls_fail_from_the_start() -> None:
    """A server that refuses at every rate has none."""
    assert knee([step(100, 10, 0.5), step(200, 10, 0.4)]) is None


def second(p99_ms: float, refused: int = 0) -> dict[str, Times]:
    times = {"OK": Times([p99_ms / 1e3] * 50)}
    return times | ({"RESOURCE_EXHAUSTED": Times([0.001] * refused)} if refused else {})


def test_recovery_is_the_first_stretch_in_which_all_is_well() -> None:
    """Three seconds on end without refusals and under the limit; one good second between bad ones is not enough."""
    windows = [second(50), second(5), second(50), second(5, refused=1), second(5), second(5), second(5)]
    assert recovered_after(windows, limit_ms=10) == 4
    assert recovered_after(windows[:6], limit_ms=10) is None


def test_seconds_without_calls_are_no_recovery() -> None:
    """A server that answers nothing has not recovered."""
    assert recovered_after([{}, {}, {}], limit_ms=10) is None


def test_the_slope_is_that_of_the_best_line() -> None:
    """It agrees with numpy's least squares, and is 0 where nothing moved."""
    chance = np.random.default_rng(1)
    xs = chance.uniform(0, 1e5, 200)
    ys = 200 + 3e-6 * xs + chance.normal(0, 0.1, 200)
    assert slope(list(xs), list(ys)) == pytest.approx(np.polyfit(xs, ys, 1)[0], rel=1e-6)
    assert slope([1, 1], [2, 3]) == 0
