"""Search, vote and map against slow, obvious twins."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fingerpost.backends.faiss_flat import FaissFlatEngine
from fingerpost.errors import ErrorReason, InternalError, InvalidRequest
from fingerpost.serve.calibrate import FEATURES, features, judge, sigmoid
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.serve.search import search, unit_vector
from fingerpost.types import (
    OUT_OF_SCOPE,
    Calibration,
    ConfidenceMap,
    Exemplar,
    Found,
    GivenVector,
    Neighbour,
    Vectors,
    VoteParameters,
)
from tests.fakes import decider

seeds = st.integers(0, 2**32 - 1)


def unit_rows(count: int, dim: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


@st.composite
def neighbourhoods(draw: st.DrawFn) -> tuple[list[Neighbour], list[Exemplar]]:
    routes = draw(st.lists(st.integers(OUT_OF_SCOPE, 4), min_size=1, max_size=30))
    similarities = draw(st.lists(st.floats(-1, 0.9375, width=32), min_size=len(routes), max_size=len(routes)))
    exemplars = [Exemplar(f"text {number}", route) for number, route in enumerate(routes)]
    order = sorted(range(len(routes)), key=lambda i: (-similarities[i], i))
    return [Neighbour(i, similarities[i]) for i in order], exemplars


@given(st.integers(0, 40), st.integers(1, 60), seeds)
def test_search_equals_sorting_all_products(size: int, count: int, seed: int) -> None:
    """The index finds what sorting every inner product finds, also with k above its size and with no vectors."""
    vectors, query = unit_rows(size, 8, seed), unit_rows(1, 8, seed + 1)[0]
    engine = FaissFlatEngine()
    found = search(engine.open(engine.build(vectors)), [Exemplar("", 0)] * size, query, count)
    products = (vectors @ query).astype(float)
    expected = sorted(range(size), key=lambda i: -products[i])[:count]
    assert [n.similarity for n in found] == pytest.approx([products[i] for i in expected], abs=1e-5)
    assert len({n.exemplar for n in found}) == min(count, size)


@given(st.integers(0, 30), st.integers(0, 200), st.integers(1, 30), seeds)
def test_a_route_is_always_among_the_neighbours(routed: int, outside: int, count: int, seed: int) -> None:
    """However many out-of-scope texts are nearer, the nearest utterance of a route is found, after the nearest ones."""
    vectors, query = unit_rows(routed + outside, 8, seed), unit_rows(1, 8, seed + 1)[0]
    exemplars = [Exemplar("", 0)] * routed + [Exemplar("", OUT_OF_SCOPE)] * outside
    engine = FaissFlatEngine()
    found = search(engine.open(engine.build(vectors)), exemplars, query, count)
    order = sorted(range(routed + outside), key=lambda i: (-float(vectors[i] @ query), i))
    expected = order[:count]
    if routed and all(i >= routed for i in expected):
        expected.append(next(i for i in order if i < routed))
    products = vectors @ query
    assert [n.similarity for n in found] == pytest.approx([products[i] for i in expected], abs=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_search_refuses_numbers_that_are_not_finite(bad: float) -> None:
    """A vector with NaN or infinity never reaches the engine, which would answer it."""
    engine = FaissFlatEngine()
    index = engine.open(engine.build(unit_rows(3, 8, 0)))
    query = np.full(8, 0.1, dtype=np.float32)
    query[3] = bad
    with pytest.raises(InternalError) as caught:
        search(index, [Exemplar("", 0)] * 3, query, 2)
    assert caught.value.reason == ErrorReason.EMBEDDING_INVALID


def test_search_refuses_another_length() -> None:
    """A vector of another dimension is our own error, not the engine's empty one."""
    engine = FaissFlatEngine()
    with pytest.raises(InternalError):
        search(engine.open(engine.build(unit_rows(3, 8, 0))), [Exemplar("", 0)] * 3, unit_rows(1, 9, 0)[0], 2)


def test_equal_vectors_come_in_the_order_of_their_ids() -> None:
    """Ties are broken the same way on every process."""
    engine = FaissFlatEngine()
    vectors = np.repeat(unit_rows(1, 8, 3), 5, axis=0)
    found = search(engine.open(engine.build(vectors)), [Exemplar("", 0)] * 5, vectors[0], 5)
    assert [0, 1, 2, 3, 4] == [n.exemplar for n in found]


@given(neighbourhoods(), st.floats(0.01, 1))
def test_vote_equals_its_definition(case: tuple[list[Neighbour], list[Exemplar]], temperature: float) -> None:
    """Each route's score is its share of exp((similarity - top) / temperature); the order is total and descending."""
    neighbours, exemplars = case
    scores = score(Found(neighbours), exemplars, VoteParameters(20, temperature))
    weights = {n.exemplar: math.exp((n.similarity - neighbours[0].similarity) / temperature) for n in neighbours}
    for route in scores.routes:
        own = [n for n in neighbours if exemplars[n.exemplar].route == route.route]
        share = sum(weights[n.exemplar] for n in own) / sum(weights.values())
        assert route.score == pytest.approx(share)
        assert route.similarity == max(n.similarity for n in own)
    keys = [(-r.score, -r.similarity, r.route) for r in scores.routes]
    assert keys == sorted(keys)
    assert all(r.route != OUT_OF_SCOPE for r in scores.routes)
    outside = [n.similarity for n in neighbours if exemplars[n.exemplar].route == OUT_OF_SCOPE]
    assert scores.out_of_scope_similarity == max(outside, default=None)


@given(neighbourhoods(), st.randoms(use_true_random=False))
def test_order_of_files_and_lines_changes_nothing(
    case: tuple[list[Neighbour], list[Exemplar]], random: "np.random.Generator"
) -> None:
    """Renumbering the exemplars leaves every route's score as it was."""
    neighbours, exemplars = case
    order = list(range(len(exemplars)))
    random.shuffle(order)
    renumbered = [Exemplar("", 0)] * len(exemplars)
    for old, new in enumerate(order):
        renumbered[new] = exemplars[old]
    moved = sorted(
        (Neighbour(order[n.exemplar], n.similarity) for n in neighbours), key=lambda n: (-n.similarity, n.exemplar)
    )
    before = {r.route: r.score for r in score(Found(neighbours), exemplars, DEFAULT_VOTE).routes}
    after = {r.route: r.score for r in score(Found(moved), renumbered, DEFAULT_VOTE).routes}
    assert before == pytest.approx(after)


@given(neighbourhoods(), st.integers(0, 4))
def test_an_equal_text_outvotes_everything(case: tuple[list[Neighbour], list[Exemplar]], route: int) -> None:
    """A text equal to an utterance of exactly one route goes to that route, however many others are near."""
    neighbours, exemplars = case
    exemplars = [*exemplars, Exemplar("the text itself", route)]
    best = score(Found([Neighbour(len(exemplars) - 1, 1.0), *neighbours]), exemplars, DEFAULT_VOTE).routes[0]
    assert (best.route, best.exact, best.score) == (route, True, 1.0)


@given(
    neighbourhoods(),
    st.floats(-20, 20),
    st.tuples(*[st.floats(-50, 50) for _ in FEATURES]),
)
def test_confidences_are_probabilities_in_descending_order(
    case: tuple[list[Neighbour], list[Exemplar]], intercept: float, weights: tuple[float, ...]
) -> None:
    """Whatever the map, confidences lie in [0, 1], never rise down the ranking, and the best is the plain logistic."""
    scores = score(Found(case[0]), case[1], DEFAULT_VOTE)
    judgement = judge(scores, decider(confidence_map=ConfidenceMap(Calibration.POOLED, intercept, weights, 100, 0.0)))
    confidences = [c.confidence for c in judgement.candidates if c.confidence is not None]
    assert len(confidences) == len(scores.routes)
    assert all(0.0 <= c <= 1.0 for c in confidences)
    assert confidences == sorted(confidences, reverse=True)
    if confidences:
        odds = intercept + float(np.dot(weights, features(scores, 0)))
        assert confidences[0] == pytest.approx(1 / (1 + np.exp(-np.clip(odds, -500, 500))), abs=1e-9)


@given(st.floats(-1e6, 1e6))
def test_sigmoid_never_overflows_and_mirrors(value: float) -> None:
    """The logistic stays in [0, 1] for any number and sigmoid(-x) = 1 - sigmoid(x)."""
    assert 0.0 <= sigmoid(value) <= 1.0
    assert sigmoid(-value) == pytest.approx(1.0 - sigmoid(value))


def test_uncalibrated_invents_no_confidence() -> None:
    """A map without calibration leaves every confidence absent."""
    scores = score(Found([Neighbour(0, 0.9)]), [Exemplar("a", 0)], DEFAULT_VOTE)
    judgement = judge(scores, decider(confidence_map=ConfidenceMap(Calibration.NONE, 9.0, (9.0, 9.0, 9.0), 0, 0.5)))
    assert [None] == [c.confidence for c in judgement.candidates]


@given(st.floats(1e-3, 1e6), seeds)
def test_a_given_vector_is_scaled_to_unit_length(scale: float, seed: int) -> None:
    """Only the direction of a caller's vector counts."""
    row = unit_rows(1, 16, seed)[0]
    unit = unit_vector(GivenVector("d", (row * scale).astype(np.float32)), "d", 16)
    assert unit == pytest.approx(row, abs=1e-5)


@pytest.mark.parametrize(
    ("values", "digest", "reason"),
    [
        ([1.0] * 3, "d", ErrorReason.DIMENSION_MISMATCH),
        ([1.0] * 4, "other", ErrorReason.ENCODER_MISMATCH),
        ([0.0] * 4, "d", ErrorReason.INVALID_FIELD),
        ([1.0, 2.0, float("nan"), 0.0], "d", ErrorReason.INVALID_FIELD),
        ([1.0, 2.0, float("inf"), 0.0], "d", ErrorReason.INVALID_FIELD),
    ],
)
def test_a_given_vector_is_checked(values: list[float], digest: str, reason: ErrorReason) -> None:
    """Another encoder, another length, zeros and numbers that are not finite are refused with their own reason."""
    with pytest.raises(InvalidRequest) as caught:
        unit_vector(GivenVector(digest, np.array(values, dtype=np.float32)), "d", 4)
    assert caught.value.reason == reason
    assert caught.value.fields
