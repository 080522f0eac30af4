"""The decision as a pure function of what was found."""

from dataclasses import replace

import pytest

from fingerpost.serve.decide import decide
from fingerpost.serve.plan import Plan
from fingerpost.serve.situation import Situation
from fingerpost.types import Calibration, Candidate, ConfidenceMap, Decision, Judgement, Outcome, Reason
from tests.fakes import decider

FLOOR = 0.2


def judged(
    *confidences: float | None,
    similarity: float = 0.7,
    scores: tuple[float, ...] = (0.8, 0.1),
    exact: bool = False,
    out_of_scope: float | None = None,
    calibration: Calibration = Calibration.POOLED,
    in_scope: float | None = None,
) -> Judgement:
    candidates = tuple(
        Candidate(route, scores[route], similarity - 0.1 * route, confidence, exact and route == 0)
        for route, confidence in enumerate(confidences)
    )
    return Judgement(candidates, (0.0, 0.0, 0.0), calibration, out_of_scope, in_scope=in_scope)


def decided(judgement: Judgement) -> Decision:
    return decide(judgement, Plan.of(decider()))


def test_sure_enough_is_matched() -> None:
    """A confidence at the threshold takes the route's own model, and the fallback models follow it."""
    decision = decided(judged(0.6, 0.2))
    assert (Outcome.MATCHED, "code", "code", "upstream-code") == (
        decision.outcome,
        decision.route,
        decision.model,
        decision.upstream_model,
    )
    assert decision.reasons == ()
    assert decision.fallback_models == ("big", "middle")
    assert decision.margin == pytest.approx(0.4)
    assert decision.similarity == 0.7


def test_unsure_falls_back() -> None:
    """A confidence under the threshold gives the fallback model, no route, the reason, and the chain to try next."""
    decision = decided(judged(0.59, 0.2))
    assert (Outcome.FALLBACK, None, "big", (Reason.LOW_CONFIDENCE,)) == (
        decision.outcome,
        decision.route,
        decision.model,
        decision.reasons,
    )
    assert (decision.confidence, decision.threshold) == (0.59, 0.6)
    assert decision.fallback_models == ("middle",)
    assert not decision.degraded


def test_two_near_routes_are_ambiguous() -> None:
    """When the second route has at least half of the first one's vote, the fallback says so first."""
    assert decided(judged(0.4, 0.3, scores=(0.5, 0.4))).reasons == (Reason.AMBIGUOUS, Reason.LOW_CONFIDENCE)


@pytest.mark.parametrize(("similarity", "out_of_scope"), [(0.1, None), (0.7, 0.7), (0.7, 0.9)])
def test_far_or_nearer_to_nothing_is_out_of_scope(similarity: float, out_of_scope: float | None) -> None:
    """Under the similarity floor, or no nearer to a route than to an out-of-scope text, is out of scope."""
    reasons = decided(judged(0.1, similarity=similarity, out_of_scope=out_of_scope)).reasons
    assert reasons == (Reason.OUT_OF_SCOPE, Reason.LOW_CONFIDENCE)


@pytest.mark.parametrize(("in_scope", "first"), [(0.59, Reason.OUT_OF_SCOPE), (0.6, Reason.LOW_CONFIDENCE)])
def test_a_text_unlikely_in_scope_is_out_of_it(in_scope: float, first: Reason) -> None:
    """Where the chance that any route fits is itself under the threshold the text is out of scope, however near."""
    reasons = decided(judged(0.3, in_scope=in_scope, similarity=0.9)).reasons
    assert (reasons[0], reasons[-1]) == (first, Reason.LOW_CONFIDENCE)


def test_with_a_chance_of_scope_the_similarity_floor_is_silent() -> None:
    """A text under the floor that is in scope all the same falls back for another reason."""
    judgement = judged(0.5, 0.4, similarity=FLOOR - 0.1, scores=(0.5, 0.4), in_scope=0.95)
    assert decided(judgement).reasons == (Reason.AMBIGUOUS, Reason.LOW_CONFIDENCE)


def test_a_routes_own_threshold_decides() -> None:
    """Each route is held to its own threshold, and the reply tells which that was."""
    base = decider()
    strict = replace(base, routes=(replace(base.routes[0], threshold=0.95), *base.routes[1:]))
    assert (decide(judged(0.9), Plan.of(strict)).outcome, decide(judged(0.9), Plan.of(strict)).threshold) == (
        Outcome.FALLBACK,
        0.95,
    )
    assert decide(judged(0.9), Plan.of(base)).outcome is Outcome.MATCHED


def test_a_fitted_calibration_is_passed_on() -> None:
    """What the judgement says of its calibration stands in the decision, matched or not."""
    for confidence in (0.9, 0.1):
        assert decided(judged(confidence, calibration=Calibration.FITTED)).calibration is Calibration.FITTED


def test_an_utterance_itself_is_taken() -> None:
    """A text that equals an utterance goes to its route even when the confidence is under the threshold."""
    decision = decided(judged(0.3, exact=True))
    assert (Outcome.MATCHED, (Reason.EXACT_MATCH,)) == (decision.outcome, decision.reasons)


@pytest.mark.parametrize(("similarity", "outcome"), [(FLOOR, Outcome.MATCHED), (FLOOR - 0.01, Outcome.FALLBACK)])
def test_without_calibration_the_similarity_decides(similarity: float, outcome: Outcome) -> None:
    """Uncalibrated, the similarity floor decides, no confidence is invented, and the reasons say so."""
    empty = ConfidenceMap(Calibration.NONE, 0.0, (0.0, 0.0, 0.0), 0, FLOOR)
    unsure = judged(None, similarity=similarity, calibration=Calibration.NONE)
    decision = decide(unsure, Plan.of(decider(confidence_map=empty)))
    assert decision.outcome is outcome
    assert (decision.confidence, decision.margin) == (None, None)
    assert Reason.UNCALIBRATED in decision.reasons


def test_nothing_to_compare_with() -> None:
    """An empty index falls back with NO_EXEMPLARS; one that holds out-of-scope texts alone with OUT_OF_SCOPE."""
    assert decided(Judgement((), (), Calibration.POOLED, None)).reasons == (Reason.NO_EXEMPLARS,)
    assert decided(Judgement((), (), Calibration.POOLED, 0.5)).reasons == (Reason.OUT_OF_SCOPE,)


def test_degraded_fallback_names_its_cause() -> None:
    """A fallback without a vector is marked degraded and claims neither confidence nor similarity."""
    decision = decide(None, Plan.of(decider()), Situation(degraded=Reason.ENCODER_UNAVAILABLE))
    assert (decision.outcome, decision.reasons) == (Outcome.FALLBACK, (Reason.ENCODER_UNAVAILABLE,))
    assert decision.degraded
    assert (decision.confidence, decision.similarity, decision.margin) == (None, None, None)
    assert decision.calibration is Calibration.NONE


def test_margin_of_a_single_route_is_its_confidence() -> None:
    """With one candidate nothing is subtracted."""
    assert decided(judged(0.8)).margin == 0.8
