"""Search, vote and map against slow, obvious twins."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.build.linear import train_head, train_linear, widened
from fingerpost.errors import ErrorReason, InternalError, InvalidRequest
from fingerpost.serve.calibrate import FEATURES, SCOPE_FEATURES, features, in_scope_of, judge, sigmoid
from fingerpost.serve.head import read
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.serve.search import Space, find, search, unit_vector
from fingerpost.types import (
    OUT_OF_SCOPE,
    Calibration,
    ConfidenceMap,
    Decider,
    Exemplar,
    Found,
    GivenVector,
    Neighbour,
    Reading,
    ScopeMap,
    VoteParameters,
)
from tests.clouds import clustered, unit_rows
from tests.fakes import decider

seeds = st.integers(0, 2**32 - 1)


@st.composite
def neighbourhoods(draw: st.DrawFn) -> tuple[list[Neighbour], list[Exemplar]]:
    routes = draw(st.lists(st.integers(OUT_OF_SCOPE, 4), min_size=1, max_size=30))
    similarities = draw(st.lists(st.floats(-1, 0.9375, width=32), min_size=len(routes), max_size=len(routes)))
    exemplars = [Exemplar(f"text {number}", route) for number, route in enumerate(routes)]
    order = sorted(range(len(routes)), key=lambda i: (-similarities[i], i))
    return [Neighbour(i, similarities[i]) for i in order], exemplars


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    """What a head of five routes may say."""
    weights = np.array(draw(st.lists(st.floats(0, 1), min_size=5, max_size=5))) + 1e-3
    evidence = st.floats(-50, 50)
    return Reading(weights / weights.sum(), draw(evidence), draw(evidence))


def deciding(confidence_map: ConfidenceMap, scope_map: ScopeMap | None = None) -> Decider:
    """A decider of the five routes that the neighbourhoods have."""
    return decider(tuple(f"r{number}" for number in range(5)), confidence_map, scope_map=scope_map)


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


@given(neighbourhoods(), readings(), st.floats(0, 1), st.dictionaries(st.integers(0, 4), st.floats(-1, 0.9)))
def test_a_score_blends_two_opinions(
    case: tuple[list[Neighbour], list[Exemplar]], reading: Reading, blend: float, proposed: dict[int, float]
) -> None:
    """A route's score is its share of the vote and the head's probability in the given proportion, in [0, 1]."""
    neighbours, exemplars = case
    seen = {exemplars[n.exemplar].route for n in neighbours}
    only_proposed = {route: similarity for route, similarity in proposed.items() if route not in seen}
    plain = {r.route: r for r in score(Found(neighbours), exemplars, DEFAULT_VOTE).routes}
    scores = score(Found(neighbours, reading, only_proposed), exemplars, DEFAULT_VOTE, blend)
    assert {r.route for r in scores.routes} == {*plain, *only_proposed}
    for route in scores.routes:
        votes = plain[route.route].score if route.route in plain else 0.0
        assert route.votes == pytest.approx(votes)
        assert route.score == pytest.approx(blend * votes + (1 - blend) * float(reading.probabilities[route.route]))
        assert 0.0 <= route.score <= 1.0
        expected = plain[route.route].similarity if route.route in plain else only_proposed[route.route]
        assert (route.similarity, route.exact) == (expected, False)
    keys = [(-r.score, -r.similarity, r.route) for r in scores.routes]
    assert keys == sorted(keys)


@given(neighbourhoods(), st.integers(0, 4), readings(), st.floats(0, 1))
def test_an_equal_text_outvotes_everything(
    case: tuple[list[Neighbour], list[Exemplar]], route: int, reading: Reading, blend: float
) -> None:
    """A text equal to an utterance of exactly one route goes there, however many others are near and a head objects."""
    neighbours, exemplars = case
    exemplars = [*exemplars, Exemplar("the text itself", route)]
    found = Found([Neighbour(len(exemplars) - 1, 1.0), *neighbours], reading)
    best = score(found, exemplars, DEFAULT_VOTE, blend).routes[0]
    assert (best.route, best.exact, best.score) == (route, True, 1.0)


@given(st.integers(1, 12), st.integers(0, 60), st.integers(1, 30), seeds)
def test_the_heads_best_routes_are_considered(routes: int, outside: int, count: int, seed: int) -> None:
    """Beside the neighbours' routes those five that the head likes best come with the nearest of their utterances."""
    vectors, exemplars = clustered(routes, 3, outside, seed)
    numbers = np.array([e.route for e in exemplars if e.route != OUT_OF_SCOPE])
    head = train_head(train_linear(vectors[: 3 * routes], numbers, routes, 0.1), vectors[: 3 * routes], numbers)
    engine, query = FaissFlatEngine(), unit_rows(1, vectors.shape[1], seed + 1)[0]
    found = find(Space.of(engine.open(engine.build(vectors)), exemplars, head), query, count)
    assert found.reading is not None
    liked = sorted(range(routes), key=lambda route: -float(read(head, query).probabilities[route]))[:5]
    seen = {exemplars[n.exemplar].route for n in found.neighbours}
    assert set(found.proposed) == set(liked) - seen
    for route, similarity in found.proposed.items():
        assert similarity == pytest.approx(float((vectors[3 * route : 3 * route + 3] @ query).max()), abs=1e-5)


@pytest.mark.parametrize("empty", [0, 2, 3])
def test_a_route_without_utterances_is_not_considered(empty: int) -> None:
    """A route that the head knows and that has no utterance is never among the candidates."""
    vectors, exemplars = clustered(4, 3)
    kept = [n for n, e in enumerate(exemplars) if e.route != empty]
    vectors, exemplars = vectors[kept], [exemplars[n] for n in kept]
    present, numbers = np.unique([e.route for e in exemplars], return_inverse=True)
    head = widened(train_head(train_linear(vectors, numbers, 3, 0.1), vectors, numbers), present, 4)
    engine = FaissFlatEngine()
    for vector in vectors:
        found = find(Space.of(engine.open(engine.build(vectors)), exemplars, head), vector, 1)
        assert {*found.proposed, exemplars[found.neighbours[0].exemplar].route} == set(present.tolist())


weights_of = st.tuples(*[st.floats(-50, 50) for _ in FEATURES])
scope_maps = st.builds(
    ScopeMap, st.floats(-20, 20), st.tuples(*[st.floats(-5, 5) for _ in SCOPE_FEATURES]), st.floats(0.001, 0.999)
)


@given(
    neighbourhoods(), readings(), st.floats(-20, 20), weights_of, st.tuples(*[st.floats(-3, 3)] * 5), st.floats(0, 1)
)
def test_confidences_are_probabilities_in_descending_order(
    case: tuple[list[Neighbour], list[Exemplar]],
    reading: Reading,
    intercept: float,
    weights: tuple[float, ...],
    offsets: tuple[float, ...],
    blend: float,
) -> None:
    """Whatever the map, confidences lie in [0, 1], never rise down the ranking, and the best is the plain logistic."""
    scores = score(Found(case[0], reading), case[1], DEFAULT_VOTE, blend)
    judgement = judge(scores, deciding(ConfidenceMap(Calibration.POOLED, intercept, weights, 100, 0.0, offsets)))
    confidences = [c.confidence for c in judgement.candidates if c.confidence is not None]
    assert len(confidences) == len(scores.routes)
    assert all(0.0 <= c <= 1.0 for c in confidences)
    assert confidences == sorted(confidences, reverse=True)
    if confidences:
        odds = intercept + float(np.dot(weights, features(scores, 0))) + offsets[scores.routes[0].route]
        assert confidences[0] == pytest.approx(1 / (1 + np.exp(-np.clip(odds, -500, 500))), abs=1e-9)


@given(neighbourhoods(), readings(), st.floats(-20, 20), weights_of, scope_maps, st.floats(0, 1))
def test_a_confidence_is_the_product_of_two_chances(
    case: tuple[list[Neighbour], list[Exemplar]],
    reading: Reading,
    intercept: float,
    weights: tuple[float, ...],
    scope_map: ScopeMap,
    blend: float,
) -> None:
    """With a scope map the best confidence is the chance of being in scope times that of the route, never above it."""
    scores = score(Found(case[0], reading), case[1], DEFAULT_VOTE, blend)
    confidence_map = ConfidenceMap(Calibration.POOLED, intercept, weights, 100, 0.0)
    pick, whole = judge(scores, deciding(confidence_map)), judge(scores, deciding(confidence_map, scope_map))
    confidences = [c.confidence for c in whole.candidates if c.confidence is not None]
    assert confidences == sorted(confidences, reverse=True)
    assert len(confidences) == len(scores.routes)
    if not scores.routes:
        assert (whole.in_scope, whole.scope_features) == (None, ())
        return
    assert whole.in_scope is not None
    odds = scope_map.intercept + float(np.dot(scope_map.weights, whole.scope_features))
    assert whole.in_scope == pytest.approx(1 / (1 + np.exp(-np.clip(odds, -500, 500))), abs=1e-9)
    assert confidences[0] == pytest.approx((pick.candidates[0].confidence or 0.0) * whole.in_scope)
    best = scores.routes[0]
    assert whole.scope_features[0] == max(r.similarity for r in scores.routes)
    assert whole.scope_features[2:] == (best.votes, reading.energy, reading.closeness)


@given(
    st.lists(st.floats(-5, 5), min_size=len(SCOPE_FEATURES), max_size=len(SCOPE_FEATURES)),
    scope_maps,
    st.floats(0.001, 0.999),
)
def test_another_share_moves_the_chance_by_bayes_rule(values: list[float], scope_map: ScopeMap, share: float) -> None:
    """The expected share itself changes nothing; another one re-weights both kinds, as Saerens et al. (2002) do."""
    plain = in_scope_of(values, scope_map)
    assert in_scope_of(values, scope_map, scope_map.out_of_scope_share) == plain
    old = scope_map.out_of_scope_share
    inside, outside = plain * (1 - share) / (1 - old), (1 - plain) * share / old
    moved = in_scope_of(values, scope_map, share)
    assert moved == pytest.approx(inside / (inside + outside) if inside + outside else 0.0, abs=1e-6)
    assert (moved - plain) * (old - share) >= -1e-12


@given(neighbourhoods(), readings(), st.sets(st.integers(0, 4)))
def test_a_route_with_texts_enough_says_so(
    case: tuple[list[Neighbour], list[Exemplar]], reading: Reading, fitted: set[int]
) -> None:
    """The calibration told is FITTED where the best route has its own, and the map's elsewhere."""
    scores = score(Found(case[0], reading), case[1], DEFAULT_VOTE, 0.3)
    one = ConfidenceMap(Calibration.POOLED, 0.0, (1.0, 1.0, 1.0), 100, 0.0, (), tuple(sorted(fitted)))
    best = scores.routes[0].route if scores.routes else None
    expected = Calibration.FITTED if best in fitted else Calibration.POOLED
    assert judge(scores, deciding(one)).calibration is expected


@given(st.floats(-1e6, 1e6))
def test_sigmoid_never_overflows_and_mirrors(value: float) -> None:
    """The logistic stays in [0, 1] for any number and sigmoid(-x) = 1 - sigmoid(x)."""
    assert 0.0 <= sigmoid(value) <= 1.0
    assert sigmoid(-value) == pytest.approx(1.0 - sigmoid(value))


def test_uncalibrated_invents_no_confidence() -> None:
    """A map without calibration leaves every confidence absent."""
    scores = score(Found([Neighbour(0, 0.9)]), [Exemplar("a", 0)], DEFAULT_VOTE)
    none = ConfidenceMap(Calibration.NONE, 9.0, (9.0, 9.0, 9.0), 0, 0.5)
    for scope_map in (None, ScopeMap(0.0, (1.0,) * len(SCOPE_FEATURES), 0.15)):
        judgement = judge(scores, deciding(none, scope_map))
        assert [None] == [c.confidence for c in judgement.candidates]
        assert judgement.in_scope is None


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
