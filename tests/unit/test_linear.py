"""The head's arrays and what serving reads from them, against well-known and slow, obvious twins."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from fingerpost.build.linear import Floats, Numbers, relative_distances, train_head, train_linear, widened
from fingerpost.build.recipe import Part, vote_shares
from fingerpost.serve.head import read
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.types import Found, Head, Neighbour, Vectors
from tests.clouds import DIM, clustered, unit_rows

seeds = st.integers(0, 10_000)
SLOW = settings(deadline=None, max_examples=15)


def uneven(routes: int, seed: int, spread: float = 0.6) -> tuple[Vectors, Numbers]:
    """Routes of which each has more texts than the one before."""
    vectors, exemplars = clustered(routes, 4 * routes, seed=seed, spread=spread)
    numbers = np.array([e.route for e in exemplars])
    kept = np.concatenate([np.flatnonzero(numbers == route)[: 4 * (route + 1)] for route in range(routes)])
    return vectors[kept], numbers[kept]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = grown / grown.sum(axis=1, keepdims=True)
    return shares


def logits_of(head: Floats, vectors: Vectors) -> NDArray[np.float64]:
    logits: NDArray[np.float64] = vectors.astype(np.float64) @ head[:-1] + head[-1]
    return logits


@SLOW
@given(st.integers(2, 5), seeds, st.sampled_from([0.01, 0.1, 1.0]))
def test_the_linear_head_is_balanced_logistic_regression(routes: int, seed: int, penalty: float) -> None:
    """Probabilities equal those of a well-known implementation of the same objective, for routes of any sizes."""
    vectors, numbers = uneven(routes, seed)
    head = train_linear(vectors, numbers, routes, penalty)
    strength = (2 if routes == 2 else 1) / penalty  # scikit-learn has one column for two classes, not two halves
    twin = LogisticRegression(C=strength, class_weight="balanced", tol=1e-8, max_iter=5000)
    expected = twin.fit(vectors, numbers).predict_proba(vectors)
    assert softmax(logits_of(head, vectors)) == pytest.approx(expected, abs=0.01)


@SLOW
@given(st.integers(2, 5), seeds)
def test_training_ends_where_the_loss_is_flat(routes: int, seed: int) -> None:
    """At the end the gradient, computed anew in double precision, is a thousandth of what it was at the start."""
    vectors, numbers = uneven(routes, seed)
    weights = len(numbers) / routes / np.bincount(numbers)[numbers]
    penalties = np.append(np.full(DIM, 0.1), 0.1e-3)[:, None]

    def steepest(parameters: NDArray[np.float64]) -> float:
        missed = softmax(logits_of(parameters.astype(np.float32), vectors)) - np.eye(routes)[numbers]
        design = np.column_stack([vectors, np.ones(len(vectors))]).astype(np.float64)
        return float(np.abs(design.T @ (weights[:, None] * missed) + penalties * parameters).max())

    head = train_linear(vectors, numbers, routes, 0.1).astype(np.float64)
    assert steepest(head) <= 1.1e-3 * steepest(np.zeros_like(head))


@SLOW
@given(seeds)
def test_where_training_begins_changes_nothing(seed: int) -> None:
    """The loss has one lowest point: from elsewhere the same probabilities are reached."""
    vectors, numbers = uneven(3, seed)
    start = np.random.default_rng(seed).standard_normal((DIM + 1, 3)).astype(np.float32)
    one, other = (train_linear(vectors, numbers, 3, 0.1, begin) for begin in (None, start))
    assert softmax(logits_of(one, vectors)) == pytest.approx(softmax(logits_of(other, vectors)), abs=0.01)


@SLOW
@given(seeds, st.integers(2, 6))
def test_repeating_a_routes_utterances_changes_almost_nothing(seed: int, times: int) -> None:
    """However often one route's utterances are written, it weighs what the others weigh."""
    vectors, exemplars = clustered(3, 8, seed=seed)
    numbers = np.array([e.route for e in exemplars])
    repeated = np.concatenate([np.arange(24), *[np.arange(8)] * (times - 1)])
    plain = train_linear(vectors, numbers, 3, 0.1)
    # The objective is a sum over rows: the penalty grows with their number, as a reindex's share of rows does.
    again = train_linear(vectors[repeated], numbers[repeated], 3, 0.1 * len(repeated) / 24)
    assert softmax(logits_of(again, vectors)) == pytest.approx(softmax(logits_of(plain, vectors)), abs=0.02)


def inverse_covariance(rows: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
    """The textbook's, of rows around their mean, three tenths of it their average spread in every direction."""
    covariance = np.zeros((DIM, DIM))
    for row in rows:
        covariance += np.outer(row, row) / freedom
    inverse: NDArray[np.float64] = np.linalg.inv(0.7 * covariance + 0.3 * np.trace(covariance) / DIM * np.eye(DIM))
    return inverse


@SLOW
@given(st.integers(2, 5), seeds)
def test_a_reading_equals_the_definitions(routes: int, seed: int) -> None:
    """Probabilities, energy and each route's distance are those of the textbook formulas, written out."""
    vectors, numbers = uneven(routes, seed)
    head = train_head(train_linear(vectors, numbers, routes, 0.1), vectors, numbers)
    precise = vectors.astype(np.float64)
    means = [precise[numbers == route].mean(axis=0) for route in range(routes)]
    within = inverse_covariance(precise - np.array(means)[numbers], len(precise) - routes)
    overall = inverse_covariance(precise - precise.mean(axis=0), len(precise) - 1)
    for vector in (*vectors[::5], *unit_rows(3, DIM, seed)):
        reading = read(head, vector)
        logits = [float(vector @ head.linear[:-1, k] + head.linear[-1, k]) for k in range(routes)]
        total = sum(map(math.exp, logits))
        assert reading.probabilities == pytest.approx([math.exp(one) / total for one in logits], abs=1e-5)
        assert reading.energy == pytest.approx(math.log(total / routes), abs=1e-4)
        far = vector - precise.mean(axis=0)
        relative = [float((vector - m) @ within @ (vector - m) - far @ overall @ far) / DIM for m in means]
        assert reading.closeness == pytest.approx(-min(relative), rel=1e-3, abs=1e-3)
        products = [float(vector @ head.metric @ vector + vector @ d[:-1] + d[-1]) for d in head.distances.T]
        assert products == pytest.approx(relative, rel=1e-3, abs=1e-3)


def test_distances_are_finite_without_any_spread() -> None:
    """One text a route, or equal texts, leave a head with finite numbers."""
    equal = np.repeat(unit_rows(1, DIM, 0), 4, axis=0)
    for numbers in (np.array([0, 0, 1, 1]), np.arange(4)):
        assert all(np.isfinite(array).all() for array in relative_distances(equal, numbers, len(set(numbers))))


@SLOW
@given(seeds, st.floats(0, 1e6), st.lists(st.floats(-1, 1, width=32), min_size=DIM, max_size=DIM))
def test_a_reading_of_any_unit_vector_is_finite(seed: int, steepness: float, values: list[float]) -> None:
    """However large the logits, probabilities sum to 1 and the evidence is finite."""
    vectors, numbers = uneven(3, seed)
    head = train_head(train_linear(vectors, numbers, 3, 0.1) * np.float32(steepness), vectors, numbers)
    norm = float(np.linalg.norm(values))
    vector = np.array(values) / norm if norm > 1e-6 else np.eye(DIM)[0]
    reading = read(head, vector.astype(np.float32))
    assert float(reading.probabilities.sum()) == pytest.approx(1.0)
    assert (reading.probabilities >= 0).all()
    assert math.isfinite(reading.energy)
    assert math.isfinite(reading.closeness)


@pytest.mark.parametrize("present", [[0, 2], [1, 2, 3], [0], [4]])
def test_a_route_without_utterances_changes_no_reading(present: list[int]) -> None:
    """A head widened by empty routes gives the others the same probabilities and evidence, and the empty ones none."""
    vectors, exemplars = clustered(len(present), 6)
    numbers = np.array([e.route for e in exemplars])
    narrow = train_head(train_linear(vectors, numbers, len(present), 0.1), vectors, numbers)
    wide = widened(narrow, np.array(present), 5)
    assert (wide.linear.shape, wide.distances.shape) == ((DIM + 1, 5), (DIM + 1, 5))
    for vector in vectors[::4]:
        expected, found = read(narrow, vector), read(wide, vector)
        assert found.probabilities[present] == pytest.approx(expected.probabilities, abs=1e-6)
        assert float(np.delete(found.probabilities, present).sum()) == 0.0
        assert (found.energy, found.closeness) == pytest.approx((expected.energy, expected.closeness), abs=1e-5)


def test_a_full_head_stays_as_it_is() -> None:
    """Where every route has utterances nothing is widened."""
    head = Head(*(np.ones(shape, dtype=np.float32) for shape in ((3, 2), (2, 2), (3, 2))))
    assert widened(head, np.arange(2), 2) is head


@SLOW
@given(st.integers(1, 5), st.integers(1, 12), seeds)
def test_vote_shares_are_the_servers(routes: int, each: int, seed: int) -> None:
    """The vote for many texts at once equals the one that serving takes for each."""
    vectors, exemplars = clustered(routes, each, seed=seed)
    numbers = np.array([e.route for e in exemplars])
    part = Part(vectors, numbers, vectors[:0], numbers[:0], np.arange(routes), 1.0)
    queries = unit_rows(6, DIM, seed + 1)
    for query, shares in zip(queries, vote_shares(queries, part, DEFAULT_VOTE), strict=True):
        products = (vectors @ query).tolist()
        order = sorted(range(len(products)), key=lambda i: (-products[i], i))[: DEFAULT_VOTE.neighbours]
        found = score(Found([Neighbour(i, products[i]) for i in order]), exemplars, DEFAULT_VOTE)
        assert {r.route: r.score for r in found.routes} == pytest.approx(
            {k: share for k, share in enumerate(shares.tolist()) if share}, abs=1e-5
        )
