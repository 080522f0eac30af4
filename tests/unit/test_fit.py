"""The confidence map and the threshold, on data whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.linear_model import LogisticRegression

from fingerpost.build.fit import (
    MIN_IN_SCOPE,
    Sample,
    choose_threshold,
    collect,
    fit,
    fit_map,
    lowest_holding,
)
from fingerpost.build.priors import PRIORS
from fingerpost.ports import NoProgress
from fingerpost.serve.calibrate import FEATURES, confidence_of, features
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.types import OUT_OF_SCOPE, Calibration, Exemplar, Neighbour, Policy, Vectors

POLICY = Policy("big")


def clustered(
    routes: int, each: int, outside: int, seed: int = 0, spread: float = 0.5
) -> tuple[Vectors, list[Exemplar]]:
    """Texts of each route around a direction of its own, and out-of-scope ones anywhere."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((routes, 16))
    rows = np.repeat(centres, each, axis=0) + spread * random.standard_normal((routes * each, 16))
    rows = np.concatenate([rows, random.standard_normal((outside, 16))])
    exemplars = [Exemplar(f"{r}-{n}", r) for r in range(routes) for n in range(each)]
    exemplars += [Exemplar(f"x-{n}", OUT_OF_SCOPE) for n in range(outside)]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), exemplars


def drawn(count: int, weights: tuple[float, ...], intercept: float, seed: int = 0) -> Sample:
    """Rows whose chance of being right is exactly a logistic map's."""
    random = np.random.default_rng(seed)
    rows = random.uniform(-1, 1, (count, len(FEATURES)))
    right = random.uniform(size=count) < 1 / (1 + np.exp(-(rows @ np.array(weights) + intercept)))
    return Sample(rows, right, np.ones(count), count, int(right.sum()))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(2, 5), st.integers(0, 40))
def test_left_out_texts_are_scored_as_by_a_plain_search(seed: int, routes: int, outside: int) -> None:
    """Each text's features are those of a brute-force search over all the others."""
    vectors, exemplars = clustered(routes, 6, outside, seed)
    sample = collect(vectors, exemplars, DEFAULT_VOTE, 0.15, NoProgress())
    products = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    expected, right = [], []
    for row in range(len(exemplars)):
        others = sorted((i for i in range(len(exemplars)) if i != row), key=lambda i: (-products[row, i], i))
        near = [Neighbour(i, float(products[row, i])) for i in others[: DEFAULT_VOTE.neighbours]]
        routed = [i for i in others if exemplars[i].route != OUT_OF_SCOPE]
        if routed[0] not in others[: DEFAULT_VOTE.neighbours]:
            near.append(Neighbour(routed[0], float(products[row, routed[0]])))
        scores = score(near, exemplars, DEFAULT_VOTE)
        if scores.routes:
            expected.append(features(scores, 0))
            right.append(scores.routes[0].route == exemplars[row].route)
    assert sample.features[: len(expected)] == pytest.approx(np.array(expected), abs=1e-4)
    assert right == sample.right[: len(right)].tolist()


def test_weights_follow_the_expected_share() -> None:
    """However many out-of-scope texts there are, all of them together weigh what the policy expects of them."""
    for outside in (30, 200):
        vectors, exemplars = clustered(4, 20, outside)
        sample = collect(vectors, exemplars, DEFAULT_VOTE, 0.2, NoProgress())
        inside_weight, outside_weight = 80 * sample.weights[0], outside * sample.weights[-1]
        assert outside_weight / (inside_weight + outside_weight) == pytest.approx(0.2)


def test_left_out_routes_stand_in_for_missing_out_of_scope_texts() -> None:
    """With few out-of-scope texts each utterance is scored again without its route, and is then never right."""
    vectors, exemplars = clustered(4, 20, 0)
    sample = collect(vectors, exemplars, DEFAULT_VOTE, 0.2, NoProgress())
    assert len(sample.right) == 160
    assert not sample.right[80:].any()


def test_the_map_agrees_with_scikit_learn() -> None:
    """Without a prior map the fit is ridge logistic regression: the weights are scikit-learn's to three digits."""
    sample = drawn(4000, (3.0, 1.5, 0.5), -0.5)
    ours = fit_map(sample, None)
    spread = sample.features.std(axis=0)
    twin = LogisticRegression(C=1 / 30, tol=1e-10, max_iter=1000).fit(sample.features / spread, sample.right)
    assert ours.weights == pytest.approx(tuple(twin.coef_[0] / spread), rel=1e-2)
    assert ours.intercept == pytest.approx(twin.intercept_[0], abs=1e-2)
    assert ours.calibration is Calibration.POOLED


def test_the_map_is_calibrated() -> None:
    """On fresh rows of the same kind, confidences and shares of right ones agree in every tenth."""
    fresh = drawn(20_000, (3.0, 1.5, 0.5), -0.5, seed=1)
    confidence_map = fit_map(drawn(4000, (3.0, 1.5, 0.5), -0.5), None)
    confidences = np.array([confidence_of(row, confidence_map) for row in fresh.features])
    for part in np.array_split(np.argsort(confidences), 10):
        assert confidences[part].mean() == pytest.approx(fresh.right[part].mean(), abs=0.05)


def test_no_feature_lowers_a_confidence() -> None:
    """A feature that the data speak against gets weight 0, never a negative one."""
    assert fit_map(drawn(2000, (-3.0, 2.0, 1.0), 0.0), None).weights[0] == 0.0


def test_separable_data_stay_finite() -> None:
    """Texts that a line separates perfectly give a finite map."""
    rows = np.repeat([[-1.0, -1, -1], [1.0, 1, 1]], 50, axis=0)
    sample = Sample(rows, rows[:, 0] > 0, np.ones(100), 100, 50)
    confidence_map = fit_map(sample, None)
    assert np.isfinite([confidence_map.intercept, *confidence_map.weights]).all()


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.sampled_from([0.5, 0.8, 0.95]))
def test_threshold_keeps_the_target(rows: list[tuple[float, bool]], target: float) -> None:
    """Of the texts at or above the chosen value at least the target rate were right, and at least 20 rest under it."""
    values = np.array([value for value, _ in rows])
    right = np.array([good for _, good in rows])
    sample = Sample(np.zeros((len(rows), 3)), right, np.ones(len(rows)), len(rows), int(right.sum()))
    chosen = lowest_holding(values, sample, target)
    if chosen is not None:
        order = np.argsort(-values, kind="stable")
        share = np.cumsum(right[order]) / np.arange(1, len(rows) + 1)
        last = max(i for i in range(len(rows)) if share[i] >= target and i >= 19)
        assert chosen <= values[order][last] < chosen + 0.001


def test_an_unreachable_target_is_the_threshold_itself() -> None:
    """When no confidence reaches the target precision, only decisions at that confidence are taken."""
    sample = replace(drawn(200, (1.0, 1.0, 1.0), 0.0), right=np.zeros(200, dtype=bool))
    assert choose_threshold(sample, fit_map(drawn(200, (1.0, 1.0, 1.0), 0.0), None), 0.9) == 0.9


def test_little_data_use_the_shipped_map() -> None:
    """Under 50 utterances the encoder's own map and threshold are used, and the revision says PRIOR."""
    vectors, exemplars = clustered(4, 5, 0)
    prior = PRIORS["minilm"]
    fitted = fit(vectors, exemplars, DEFAULT_VOTE, POLICY, prior, NoProgress())
    assert fitted.confidence_map.calibration is Calibration.PRIOR
    assert (fitted.confidence_map.weights, fitted.threshold) == (prior.weights, prior.threshold)
    assert fitted.confidence_map.sample_count == 20 < MIN_IN_SCOPE


@pytest.mark.parametrize(("routes", "known"), [(1, True), (2, True), (4, False)])
def test_too_little_for_any_map(routes: int, known: bool) -> None:
    """With one or two routes, or an encoder without a shipped map, nothing is calibrated and nothing invented."""
    vectors, exemplars = clustered(routes, 5, 0)
    prior = PRIORS["minilm"] if known else None
    fitted = fit(vectors, exemplars, DEFAULT_VOTE, POLICY, prior, NoProgress())
    assert fitted.confidence_map.calibration is Calibration.NONE
    assert fitted.confidence_map.similarity_floor == (prior.similarity_alone if prior else 1.0)


def test_enough_data_fit_their_own_map() -> None:
    """From 50 utterances on the catalog's own texts fit the map, with or without a shipped one."""
    vectors, exemplars = clustered(6, 20, 40, spread=0.9)
    for prior in (PRIORS["minilm"], None):
        fitted = fit(vectors, exemplars, DEFAULT_VOTE, POLICY, prior, NoProgress())
        assert fitted.confidence_map.calibration is Calibration.POOLED
        assert 0 < fitted.threshold <= 1
        assert fitted.left_out_accuracy is not None
        assert fitted.left_out_accuracy > 0.6


def test_an_empty_catalog_is_fitted_too() -> None:
    """No exemplars at all: no map, no accuracy, no failure."""
    fitted = fit(np.empty((0, 16), np.float32), [], DEFAULT_VOTE, POLICY, PRIORS["minilm"], NoProgress())
    assert (fitted.confidence_map.calibration, fitted.left_out_accuracy) == (Calibration.NONE, None)
