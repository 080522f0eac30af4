"""Histograms of latencies."""

import pickle

import numpy as np
import pytest

from benchmarks.load.times import Times

SECONDS = np.random.default_rng(1).lognormal(-6, 1, 20_000)


@pytest.mark.parametrize("percentile", [50, 90, 99, 99.9])
def test_percentiles_are_those_of_the_calls(percentile: float) -> None:
    """They agree with numpy's to the histogram's three digits."""
    found = Times(SECONDS).at(percentile)
    assert found == pytest.approx(np.percentile(SECONDS, percentile) * 1e3, rel=0.005)


def test_merging_is_as_if_all_had_been_kept_together() -> None:
    """Percentiles of merged histograms are those of all calls, which their averages are not."""
    fast, slow = Times([0.001] * 99), Times([1.0])
    assert fast.merge(slow).at(50) == pytest.approx(1.0, rel=0.001)
    assert fast.at(99.9) == pytest.approx(1000.0, rel=0.001)
    assert len(fast) == 100


def test_a_histogram_crosses_processes() -> None:
    """Pickled and read again it has the same calls."""
    times = Times(SECONDS)
    again: Times = pickle.loads(pickle.dumps(times))  # noqa: S301  our own
    assert again.summary() == times.summary()


def test_the_far_tail_needs_many_calls() -> None:
    """p99.9 is told of 100,000 calls and more, and never of fewer; without calls there is nothing but their count."""
    few, many = Times([0.001] * 99_999), Times([0.001] * 100_000)
    assert "p99_9_ms" not in few.summary()
    assert many.summary()["p99_9_ms"] == pytest.approx(1.0, rel=0.001)
    assert Times().summary() == {"count": 0}
    assert Times().at(50) is None
