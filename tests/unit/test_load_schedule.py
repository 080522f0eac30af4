"""When calls of an open loop are due."""

import numpy as np
import pytest

from benchmarks.load.schedule import Arrivals, due_times

RATE, SECONDS = 400.0, 50.0


def test_even_arrivals_are_evenly_apart() -> None:
    """Each second has as many calls as the rate says, all gaps being equal."""
    due = due_times(Arrivals.CONSTANT, 8, 2, seed=1)
    assert due.tolist() == [number / 8 for number in range(16)]


def test_random_arrivals_are_a_poisson_process() -> None:
    """The rate holds, and gaps have the mean and the spread of an exponential distribution."""
    due = due_times(Arrivals.POISSON, RATE, SECONDS, seed=1)
    gaps = np.diff(due)
    assert len(due) == pytest.approx(RATE * SECONDS, rel=0.05)
    assert gaps.mean() == pytest.approx(1 / RATE, rel=0.05)
    assert gaps.std() == pytest.approx(1 / RATE, rel=0.05)
    assert (gaps > 1 / RATE).mean() == pytest.approx(np.exp(-1), abs=0.02)


@pytest.mark.parametrize("arrivals", Arrivals)
def test_times_ascend_within_the_run(arrivals: Arrivals) -> None:
    """No call is due before the start, after the end, or before the one in front of it."""
    due = due_times(arrivals, RATE, SECONDS, seed=1)
    assert 0 <= due[0]
    assert due[-1] < SECONDS
    assert (np.diff(due) >= 0).all()


def test_a_seed_settles_the_times() -> None:
    """The same seed gives the same times, another one others."""
    first, again, other = (due_times(Arrivals.POISSON, RATE, SECONDS, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[:100], other[:100])
