"""Everything that is learned from the texts, on clouds of vectors: what is fitted, what is shipped, and bad input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.build.fit import MIN_IN_SCOPE, Fit, route_promise
from fingerpost.build.maps import MIN_ROUTE_TEXTS
from fingerpost.serve.calibrate import judge
from fingerpost.serve.decide import decide
from fingerpost.serve.plan import Plan
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.serve.search import Space, find
from fingerpost.types import (
    OUT_OF_SCOPE,
    Calibration,
    Decider,
    Decision,
    Exemplar,
    Head,
    Judgement,
    Model,
    Policy,
    RoutePolicy,
    Scorer,
    Vector,
    Vectors,
)
from tests.clouds import DIM, POLICY, PRIOR, clustered, learned, unit_rows


def head_of(fitted: Fit) -> Head | None:
    return fitted.trained.head if fitted.trained else None


def decided(
    fitted: Fit, vectors: Vectors, exemplars: list[Exemplar], query: Vector, routes_count: int
) -> tuple[Judgement, Decision]:
    """What serving decides for a vector with what was learned."""
    engine = FaissFlatEngine()
    decider = Decider(
        routes=tuple(RoutePolicy(f"r{n}", "", "big", fitted.threshold, False) for n in range(routes_count)),
        models={"big": Model("big", "big")},
        policy=POLICY,
        vote=DEFAULT_VOTE,
        confidence_map=fitted.maps.pick,
        threshold=fitted.threshold,
        blend=fitted.recipe.blend,
        scope_map=fitted.maps.scope,
    )
    found = find(
        Space.of(engine.open(engine.build(vectors)), exemplars, head_of(fitted)), query, DEFAULT_VOTE.neighbours
    )
    judgement = judge(score(found, exemplars, DEFAULT_VOTE, decider.blend), decider)
    return judgement, decide(judgement, Plan.of(decider))


def numbers_of(fitted: Fit) -> list[float]:
    """Every number that was learned."""
    pick, scope, head = fitted.maps.pick, fitted.maps.scope, head_of(fitted)
    numbers = [fitted.threshold, fitted.recipe.blend, pick.intercept, *pick.weights, *pick.route_offsets]
    numbers += [scope.intercept, *scope.weights] if scope else []
    arrays = (head.linear, head.metric, head.distances) if head else ()
    return numbers + [float(number) for array in arrays for number in array.ravel()]


@pytest.mark.parametrize(
    ("each", "known", "calibration"),
    [
        (MIN_IN_SCOPE // 5 - 1, True, Calibration.PRIOR),
        (MIN_IN_SCOPE // 5 - 1, False, Calibration.NONE),
        (MIN_IN_SCOPE // 5, True, Calibration.POOLED),
        (MIN_IN_SCOPE // 5, False, Calibration.POOLED),
    ],
)
def test_the_catalogs_own_maps_from_fifty_texts_on(each: int, known: bool, calibration: Calibration) -> None:
    """Under 50 utterances the encoder's maps serve where there are any; from 50 on the catalog fits its own."""
    fitted = learned(*clustered(5, each, spread=1.2), prior=PRIOR if known else None)
    assert fitted.maps.pick.calibration is calibration
    assert fitted.maps.pick.sample_count == 5 * each
    if calibration is Calibration.PRIOR:
        assert (fitted.maps.pick.weights, fitted.threshold) == (PRIOR.weights, PRIOR.threshold)
        assert (fitted.promise, fitted.graded) == (None, None)
    if calibration is Calibration.NONE:
        assert (fitted.maps.scope, fitted.threshold, fitted.maps.pick.similarity_floor) == (None, 1.0, 1.0)
    if calibration is Calibration.POOLED:
        assert fitted.maps.scope is not None
        assert fitted.promise is not None
        assert fitted.threshold == fitted.promise.threshold


@pytest.mark.parametrize(
    ("routes", "outside", "calibration"),
    [
        (2, 0, Calibration.NONE),
        (3, 0, Calibration.NONE),
        (2, 5, Calibration.NONE),
        (3, 1, Calibration.PRIOR),
        (4, 0, Calibration.PRIOR),
    ],
)
def test_few_kinds_of_text_take_the_similarity_alone(routes: int, outside: int, calibration: Calibration) -> None:
    """With fewer than four kinds of text, out of scope counted as one, a score says too little for the shipped map."""
    confidence_map = learned(*clustered(routes, 8, outside)).maps.pick
    assert confidence_map.calibration is calibration
    if calibration is Calibration.NONE:
        assert confidence_map.similarity_floor == PRIOR.similarity_alone


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("routes", [2, 6])
def test_routes_that_are_never_confused_are_calibrated_too(routes: int, known: bool) -> None:
    """Where every held-out text was right the catalog's maps tell what is in scope, and texts near by are matched."""
    vectors, exemplars = clustered(routes, 50, spread=0.3)
    fitted = learned(vectors, exemplars, PRIOR if known else None)
    assert fitted.left_out_accuracy == 1.0
    assert fitted.maps.pick.calibration is Calibration.POOLED
    near = vectors[0] + 0.1 * unit_rows(1, DIM, 6)[0]
    _, decision = decided(fitted, vectors, exemplars, near / np.float32(np.linalg.norm(near)), routes)
    assert decision.route == "r0"
    assert decision.confidence is not None
    assert 0.9 < decision.confidence < 1.0


def test_a_route_with_texts_enough_is_fitted() -> None:
    """A route that was the best for thirty held-out texts has a calibration of its own, a smaller one the pool's."""
    vectors, exemplars = clustered(4, 2 * MIN_ROUTE_TEXTS, spread=1.2)
    kept = [n for n, e in enumerate(exemplars) if e.route or n < 8]
    vectors, exemplars = vectors[kept], [exemplars[n] for n in kept]
    fitted = learned(vectors, exemplars)
    assert fitted.maps.pick.fitted_routes == (1, 2, 3)
    calibrations = {decided(fitted, vectors, exemplars, row, 4)[0].calibration for row in vectors[:8]}
    assert calibrations == {Calibration.POOLED}
    assert decided(fitted, vectors, exemplars, vectors[-1], 4)[0].calibration is Calibration.FITTED


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 10_000), st.sampled_from([0, 40]), st.sampled_from(Scorer))
def test_learned_maps_rise_and_thresholds_are_chances(seed: int, outside: int, scorer: Scorer) -> None:
    """No weight lowers a chance, the threshold is one, and every number is finite, with every scorer."""
    fitted = learned(*clustered(5, 12, outside, seed, spread=1.2), policy=Policy("big", scorer=scorer))
    assert fitted.maps.scope is not None
    assert min((*fitted.maps.pick.weights, *fitted.maps.scope.weights)) >= 0.0
    assert 0.0 <= fitted.threshold <= 1.0
    assert np.isfinite(numbers_of(fitted)).all()
    assert fitted.left_out_accuracy is not None
    assert fitted.left_out_accuracy > 0.3
    blends = {Scorer.VOTE: {1.0}, Scorer.LINEAR: {0.0}}
    assert fitted.recipe.blend in blends.get(scorer, {fitted.recipe.blend})


def test_a_held_out_confidence_is_about_right() -> None:
    """Of fresh texts of the same clouds, about as many are right as the confidences say."""
    rows, labels = clustered(6, 80, 0, spread=1.4)
    own = [n for n in range(len(labels)) if n % 80 < 40]
    vectors, exemplars = rows[own], [labels[n] for n in own]
    fitted = learned(vectors, exemplars, policy=Policy("big", out_of_scope_share=0.0))
    fresh = [n for n in range(len(labels)) if n % 80 >= 40]
    answers = [decided(fitted, vectors, exemplars, rows[n], 6)[0].candidates[0] for n in fresh]
    right = [answer.route == labels[n].route for answer, n in zip(answers, fresh, strict=True)]
    expected = [answer.confidence or 0.0 for answer in answers]
    assert sum(expected) / len(expected) == pytest.approx(sum(right) / len(right), abs=0.08)


def gap(routes: int, each: int, missing: int) -> tuple[Vectors, list[Exemplar]]:
    """Clouds of which one route has no utterance."""
    vectors, exemplars = clustered(routes, each, spread=1.2)
    kept = [n for n, e in enumerate(exemplars) if e.route != missing]
    return vectors[kept], [exemplars[n] for n in kept]


@pytest.mark.parametrize("each", [4, 20])
@pytest.mark.parametrize("missing", [0, 2, 4])
def test_a_route_without_utterances_leaves_the_others_as_they_are(each: int, missing: int) -> None:
    """Wherever an empty route stands, the head has its column, and texts go to the routes that they belong to."""
    vectors, exemplars = gap(5, each, missing)
    fitted = learned(vectors, exemplars, routes_count=5)
    head = head_of(fitted)
    assert head is not None
    assert head.linear.shape == head.distances.shape == (DIM + 1, 5)
    assert len(fitted.maps.pick.route_offsets) in (0, 5)
    nudged = vectors + 0.05 * unit_rows(len(vectors), DIM, 3)
    nudged = (nudged / np.linalg.norm(nudged, axis=1, keepdims=True)).astype(np.float32)
    best = [decided(fitted, vectors, exemplars, row, 5)[0].candidates[0].route for row in nudged]
    assert np.mean(np.array(best) == [e.route for e in exemplars]) > 0.9
    assert missing not in best


ODD: dict[str, tuple[Vectors, list[Exemplar], int]] = {
    "nothing at all": (unit_rows(0, DIM, 0), [], 0),
    "routes without utterances": (unit_rows(0, DIM, 0), [], 3),
    "out-of-scope texts alone": (unit_rows(40, DIM, 0), [Exemplar(f"x-{n}", OUT_OF_SCOPE) for n in range(40)], 1),
    "one utterance": (*clustered(1, 1), 1),
    "one route": (*clustered(1, 80), 1),
    "one route and texts out of scope": (*clustered(1, 80, 50), 1),
    "two routes": (*clustered(2, 40, spread=1.2), 2),
    "one utterance a route": (*clustered(7, 1), 7),
    "two utterances a route": (*clustered(30, 2), 30),
    "more routes than neighbours": (*clustered(40, 2, spread=1.2), 40),
    "equal vectors": (np.repeat(unit_rows(1, DIM, 0), 80, axis=0), clustered(4, 20)[1], 4),
    "equal vectors within routes": (np.repeat(unit_rows(4, DIM, 0), 20, axis=0), clustered(4, 20)[1], 4),
    "equal vectors across routes": (np.tile(unit_rows(20, DIM, 0), (4, 1)), clustered(4, 20)[1], 4),
    "out-of-scope texts equal to utterances": (
        np.concatenate([clustered(4, 15)[0], clustered(4, 15)[0][:40]]),
        clustered(4, 15, 40)[1],
        4,
    ),
}


@pytest.mark.parametrize("known", [True, False], ids=["known encoder", "unknown encoder"])
@pytest.mark.parametrize(("vectors", "exemplars", "count"), ODD.values(), ids=ODD.keys())
def test_no_input_leaves_a_number_that_is_none(
    vectors: Vectors, exemplars: list[Exemplar], count: int, known: bool
) -> None:
    """Whatever there is to learn from, all that is learned and decided is finite or absent."""
    fitted = learned(vectors, exemplars, PRIOR if known else None, routes_count=count)
    assert np.isfinite(numbers_of(fitted)).all()
    assert (fitted.trained is None) == all(e.route == OUT_OF_SCOPE for e in exemplars)
    for query in (*vectors[:: max(1, len(vectors) // 4)], *unit_rows(3, DIM, 8)):
        judgement, decision = decided(fitted, vectors, exemplars, query, count)
        told = [decision.confidence, decision.margin, decision.similarity, judgement.in_scope, decision.threshold]
        told += [value for c in judgement.candidates for value in (c.confidence, c.score, c.similarity)]
        told += [*judgement.features, *judgement.scope_features]
        assert all(math.isfinite(value) for value in told if value is not None)
        confidences = [c.confidence for c in judgement.candidates if c.confidence is not None]
        assert confidences == sorted(confidences, reverse=True)
        assert all(0.0 <= c <= 1.0 for c in confidences)
        assert (decision.confidence is None) == (not confidences)


def test_the_same_texts_learn_the_same() -> None:
    """A fit repeated gives equal arrays, maps and promises."""
    source = clustered(5, 14, 40, spread=1.0)
    one, other = learned(*source), learned(*source)
    assert numbers_of(one) == numbers_of(other)
    assert (one.maps, one.promise) == (other.maps, other.promise)


def test_a_routes_own_target_rests_on_its_own_texts_or_on_all() -> None:
    """A route's promise counts decisions for that route alone where they prove it, and else those of all routes."""
    vectors, exemplars = clustered(4, 150, spread=1.0)
    kept = [n for n, e in enumerate(exemplars) if e.route or n < 10]
    fitted = learned(vectors[kept], [exemplars[n] for n in kept], policy=Policy("big", out_of_scope_share=0.02))
    assert fitted.promise is not None
    small, large = (route_promise(fitted, route, 0.6) for route in (0, 3))
    assert small is not None
    assert large is not None
    assert large.kept
    assert large.accepted <= int((fitted.sample.best == 3).sum())
    assert small.accepted > int((fitted.sample.best == 0).sum())
    assert small.target_precision == large.target_precision == 0.6
    assert route_promise(learned(*clustered(4, 3)), 0, 0.6) is None
