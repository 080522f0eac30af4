"""What mixtures of points of cost and quality reach, and the area below it."""

import numpy as np
import pytest

from benchmarks.quality.hull import Points, aiq, aiq_gain, cost_for, hull_of, quality_at


def drawn(seed: int) -> Points:
    """A few points on a coarse grid, so that costs, qualities and slopes are often equal."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 8, size=(rng.integers(1, 9), 2)).astype(np.float64)


def slow_quality_at(points: Points, cost: float) -> float:
    """The best of all points and all mixtures of two that cost no more."""
    reached = [quality for own, quality in points if own <= cost]
    for cheap, low in points:
        for dear, high in points:
            if cheap <= cost < dear:
                reached.append(low + (high - low) * (cost - cheap) / (dear - cheap))
    return max(reached, default=float("nan"))


@pytest.mark.parametrize("seed", range(60))
def test_the_hull_is_the_best_of_all_mixtures(seed: int) -> None:
    """At each cost, under the cheapest point and over the dearest too."""
    points = drawn(seed)
    hull = hull_of(points)
    for cost in np.arange(0, 9, 0.25):
        assert quality_at(hull, cost) == pytest.approx(slow_quality_at(points, cost), nan_ok=True)


@pytest.mark.parametrize("seed", range(60))
def test_corners_are_points_and_rise_ever_less(seed: int) -> None:
    """Each corner is one of the points, dearer and better than the one before, by a smaller slope."""
    points = drawn(seed)
    hull = hull_of(points)
    assert {tuple(corner) for corner in hull} <= {tuple(point) for point in points}
    steps = np.diff(hull, axis=0)
    assert (steps > 0).all()
    assert (np.diff(steps[:, 1] / steps[:, 0]) < 0).all()


@pytest.mark.parametrize("seed", range(60))
def test_the_cost_of_a_quality_is_the_least_that_reaches_it(seed: int) -> None:
    """What costs that much is that good, and nothing cheaper is; what nothing reaches costs infinitely much."""
    hull = hull_of(drawn(seed))
    for quality in np.arange(0.5, 8, 0.5):
        cost = cost_for(hull, quality)
        if quality > hull[-1, 1]:
            assert cost == np.inf
        else:
            assert quality_at(hull, cost) >= quality - 1e-9
            assert not quality_at(hull, cost - 1e-6) >= quality


@pytest.mark.parametrize("seed", range(20))
def test_the_area_is_the_mean_over_many_costs(seed: int) -> None:
    """Within the range and beyond the last corner, where the hull goes on level."""
    points = drawn(seed)
    hull = hull_of(points)
    low, high = hull[0, 0], hull[-1, 0] + 1.5
    costs = low + (np.arange(2000) + 0.5) / 2000 * (high - low)
    assert aiq(hull, low, high) == pytest.approx(np.mean([slow_quality_at(points, cost) for cost in costs]), abs=2e-3)


def test_a_gain_is_taken_where_both_have_something() -> None:
    """From the dearer beginning to the dearer end, and none where that is a single cost."""
    cheap, dear = np.array([[1.0, 0.5], [3.0, 0.7]]), np.array([[2.0, 0.6], [4.0, 0.9]])
    assert aiq_gain(cheap, dear) == pytest.approx((0.65 + 0.7) / 2 - 0.75)
    assert aiq_gain(dear, cheap) == pytest.approx(-aiq_gain(cheap, dear))
    assert np.isnan(aiq_gain(dear[:1], dear[:1]))
