"""The two maps from features to chances, on texts whose chances are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.linear_model import LogisticRegression

from fingerpost.build.held_out import Sample
from fingerpost.build.maps import MIN_ROUTE_TEXTS, fit_pick_map, fit_scope_map, similarity_floor
from fingerpost.serve.calibrate import FEATURES, SCOPE_FEATURES, confidence_of, in_scope_of
from fingerpost.types import Calibration
from tests.clouds import PRIOR


def sample_of(
    count: int,
    weights: tuple[float, ...] = (2.0, 1.0, 3.0),
    intercept: float = 0.5,
    offsets: tuple[float, ...] = (0.0,),
    shares: tuple[float, ...] = (1.0,),
    seed: int = 0,
) -> Sample:
    """Texts in scope whose chance of being right is exactly a logistic map's; `shares` of them per best route."""
    random = np.random.default_rng(seed)
    rows = random.uniform(-1, 1, (count, len(FEATURES)))
    best = random.choice(len(shares), count, p=np.array(shares) / sum(shares))
    odds = rows @ np.array(weights) + intercept + np.array(offsets)[best]
    right = random.uniform(size=count) < 1 / (1 + np.exp(-odds))
    ones, zeros = np.ones(count), np.zeros(count, dtype=np.int64)
    return Sample(rows, np.zeros((count, len(SCOPE_FEATURES))), best, ones > 0, right, ones, zeros, rows, best)


def scoped(count: int, weights: tuple[float, ...], intercept: float, seed: int = 0) -> Sample:
    """Texts whose chance of being in scope is exactly a logistic map's."""
    random = np.random.default_rng(seed)
    rows = random.uniform(-1, 1, (count, len(SCOPE_FEATURES)))
    inside = random.uniform(size=count) < 1 / (1 + np.exp(-(rows @ np.array(weights) + intercept)))
    zeros = np.zeros(count, dtype=np.int64)
    picks = np.zeros((count, len(FEATURES)))
    return Sample(picks, rows, zeros, inside, inside, np.ones(count), (~inside).astype(np.int64), picks, zeros)


def test_the_pick_map_finds_the_true_weights() -> None:
    """On many texts the map that made them is found, and it is a well-known implementation's of the same objective."""
    sample = sample_of(20_000)
    found = fit_pick_map(sample, 1, None)
    assert found.weights == pytest.approx((2.0, 1.0, 3.0), abs=0.3)
    assert (found.calibration, found.sample_count) == (Calibration.POOLED, 20_000)
    spread = sample.pick.std(axis=0)
    twin = LogisticRegression(C=1 / 30, tol=1e-10, max_iter=1000).fit(sample.pick / spread, sample.right)
    assert found.weights == pytest.approx(tuple(twin.coef_[0] / spread), rel=0.01)
    assert found.intercept == pytest.approx(twin.intercept_[0], abs=0.02)


def test_the_pick_map_is_calibrated() -> None:
    """On fresh texts of the same kind, confidences and shares of right ones agree in every tenth, in each route."""
    sample, fresh = (sample_of(count, offsets=(0.4, -0.4), shares=(0.5, 0.5), seed=count) for count in (6000, 20_000))
    found = fit_pick_map(sample, 2, None)
    for route in range(2):
        own = fresh.best == route
        confidences = np.array([confidence_of(row, found, route) for row in fresh.pick[own]], dtype=np.float64)
        for part in np.array_split(np.argsort(confidences), 10):
            assert confidences[part].mean() == pytest.approx(fresh.right[own][part].mean(), abs=0.07)


def test_routes_offsets_shrink_where_texts_are_few() -> None:
    """A route with thousands of texts gets its true shift, one with a handful nearly none, one with none exactly 0."""
    truth, shares = (0.4, -0.4, -0.4, 0.0), (10_000.0, 10_000.0, 4.0, 0.0)
    found = fit_pick_map(sample_of(20_000, offsets=truth, shares=shares), 5, None)
    large, low, small, none, beyond = found.route_offsets
    assert large - low == pytest.approx(0.8, abs=0.1)
    assert abs(small) < 0.3
    assert (none, beyond) == (0.0, 0.0)
    assert found.fitted_routes == (0, 1)


@given(st.integers(0, 100))
@settings(deadline=None, max_examples=20)
def test_a_routes_offset_is_where_its_own_texts_and_the_prior_balance(seed: int) -> None:
    """At a route's offset, what its texts miss is what a Gaussian around none pulls back."""
    sample = sample_of(200, offsets=(0.5, -0.5), shares=(0.8, 0.2), seed=seed)
    found = fit_pick_map(sample, 2, None)
    for route, offset in enumerate(found.route_offsets):
        own = sample.best == route
        missed = sum(bool(right) for right in sample.right[own]) - sum(
            confidence_of(row, found, route) or 0.0 for row in sample.pick[own]
        )
        assert missed == pytest.approx(4.0 * offset, abs=1e-3)


@pytest.mark.parametrize(("texts", "fitted"), [(MIN_ROUTE_TEXTS - 1, ()), (MIN_ROUTE_TEXTS, (0,))])
def test_a_routes_calibration_is_its_own_from_thirty_texts_on(texts: int, fitted: tuple[int, ...]) -> None:
    """A route counts as fitted once thirty held-out texts had it as the best."""
    assert fit_pick_map(sample_of(texts), 1, None).fitted_routes == fitted


@given(st.lists(st.floats(-4, 4), min_size=3, max_size=3), st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_no_feature_lowers_a_chance(weights: list[float], seed: int) -> None:
    """Whatever the truth and with or without shipped maps, no weight is negative and every number is finite."""
    sample = sample_of(150, tuple(weights), seed=seed)
    for prior in (PRIOR, None):
        found = fit_pick_map(sample, 1, prior)
        assert min(found.weights) >= 0.0
        assert all(map(math.isfinite, (*found.weights, found.intercept, found.similarity_floor)))


def test_the_scope_map_finds_the_true_weights() -> None:
    """On many texts of both kinds the map that made them is found."""
    truth = (2.0, 1.0, 0.0, 3.0, 0.5)
    found = fit_scope_map(scoped(30_000, truth, 0.7), 0.3, None)
    assert found is not None
    assert found.weights == pytest.approx(truth, abs=0.2)
    assert found.intercept == pytest.approx(0.7, abs=0.1)
    assert found.out_of_scope_share == 0.3


def test_weights_move_the_scope_map_to_the_expected_share() -> None:
    """Texts weighted as if out-of-scope ones were rarer give the map that the change of the share predicts."""
    sample = scoped(30_000, (2.0, 1.0, 1.0, 2.0, 0.5), 0.0)
    actual, wanted = 1.0 - float(sample.inside.mean()), 0.1
    weights = np.where(sample.inside, (1 - wanted) / (1 - actual), wanted / actual)
    plain = fit_scope_map(sample, actual, None)
    moved = fit_scope_map(
        replace(sample, weights=weights),
        wanted,
        None,
    )
    assert plain is not None
    assert moved is not None
    for row in sample.scope[:50]:
        assert in_scope_of(row, moved) == pytest.approx(in_scope_of(row, plain, wanted), abs=0.03)


def test_without_texts_out_of_scope_there_is_no_scope_map() -> None:
    """What was never seen is not invented."""
    assert fit_scope_map(sample_of(50), 0.15, PRIOR) is None


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_impossible_share_has_log_odds_all_the_same(share: float) -> None:
    """A share of nothing or of everything is kept a thousandth away from it."""
    found = fit_scope_map(scoped(200, (1.0,) * 5, 0.0), share, None)
    assert found is not None
    assert found.out_of_scope_share == pytest.approx(share, abs=0.0011)
    assert 0.0 < found.out_of_scope_share < 1.0


def test_little_data_lean_on_the_shipped_map() -> None:
    """A handful of texts changes the shipped weights hardly, thousands outweigh them."""
    few, many = (fit_pick_map(sample_of(count, seed=3), 1, PRIOR).weights for count in (10, 30_000))
    assert few == pytest.approx(PRIOR.weights, rel=0.35, abs=0.35)
    assert many == pytest.approx((2.0, 1.0, 3.0), abs=0.3)


def test_separable_texts_stay_finite() -> None:
    """Texts that a line separates perfectly, or that are all equal, give finite maps."""
    for rows in (np.repeat([[-1.0, -1, -1], [1.0, 1, 1]], 50, axis=0), np.ones((100, 3))):
        ones, zeros = np.ones(100), np.zeros(100, dtype=np.int64)
        right = np.arange(100) >= 50
        sample = Sample(rows, np.zeros((100, len(SCOPE_FEATURES))), zeros, ones > 0, right, ones, zeros, rows, zeros)
        for prior in (PRIOR, None):
            found = fit_pick_map(sample, 1, prior)
            assert all(map(math.isfinite, (*found.weights, found.intercept, *found.route_offsets)))


def test_the_floor_is_under_nearly_all_right_decisions() -> None:
    """One in a hundred right decisions lies under the similarity floor."""
    sample = sample_of(5000)
    floor = similarity_floor(sample)
    assert float((sample.pick[sample.right, 0] < floor).mean()) == pytest.approx(0.01, abs=0.001)
