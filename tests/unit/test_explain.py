"""One decision in words: what is said is true of the decision, and of the one that would have been."""

import asyncio
import math
import re
import time
from dataclasses import replace

import pytest

from fingerpost.serve.cache import ResultCache
from fingerpost.serve.calibrate import FOREIGN_LOG_ODDS, judge
from fingerpost.serve.decision_id import DecisionIds
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.explain import summarise
from fingerpost.serve.pipeline import Answer, Pipeline
from fingerpost.serve.plan import Plan
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.score import score
from fingerpost.types import Calibration, ConfidenceMap, Outcome, Reason, RouteQuery, ScopeMap
from tests.fakes import DEFAULT_MAP, BrokenEmbedder, ThreadEngine, guards, snapshot

SCOPE = ScopeMap(-2.0, (4.0, 0.5, 1.0, 0.0, 0.0), 0.15)
TEXTS = [
    "fix this bug",
    "please fix this bug",
    "fix it",
    "solve it",
    "add my code",
    "review these numbers",
    "solve the function",
    "water the plants",
    "nothing of the kind at all",
]


def answered(text: str, shown: Snapshot) -> Answer:
    async def ask() -> Answer:
        runtime, engine, uncached = Runtime(), ThreadEngine(1), ResultCache(0, 1, time.monotonic)
        queue = EmbedQueue(engine.lanes)
        runtime.swap(shown)
        await engine.start()
        try:
            pipeline = Pipeline(runtime, queue, uncached, guards(), DecisionIds())
            return await pipeline.route(RouteQuery("r", "default", text), time.monotonic() + 20)
        finally:
            queue.close()
            await engine.close()

    return asyncio.run(ask())


def held_to(threshold: float, shown: Snapshot) -> Snapshot:
    """The same catalog with another threshold for every route."""
    routes = tuple(replace(route, threshold=threshold) for route in shown.decider.routes)
    return replace(shown, plan=Plan.of(replace(shown.decider, routes=routes, threshold=threshold)))


@pytest.mark.parametrize("scope", [None, SCOPE], ids=["one map", "two maps"])
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.8, 0.99])
def test_the_other_decision_would_have_been(threshold: float, scope: ScopeMap | None) -> None:
    """With the threshold that the sentence names the decision is the other one, for the route that it names."""
    shown = held_to(threshold, snapshot(out_of_scope=["water my plants"], scope_map=scope))
    for text in TEXTS:
        answer = answered(text, shown)
        summary = summarise(answer)
        lower = re.search(r"It would have been accepted as (\w+) at (0\.\d\d)\.", summary)
        higher = re.search(r"It would have fallen back with a threshold above (\d\.\d\d)\.", summary)
        exact = Reason.EXACT_MATCH in answer.decision.reasons
        assert bool(lower) == (answer.decision.outcome is Outcome.FALLBACK)
        assert bool(higher) == (answer.decision.outcome is Outcome.MATCHED and not exact)
        if lower:
            other = answered(text, held_to(float(lower[2]), shown)).decision
            assert (other.outcome, other.route) == (Outcome.MATCHED, lower[1])
            assert float(lower[2]) <= threshold
        if higher:
            assert answered(text, held_to(float(higher[1]) + 1e-9, shown)).decision.outcome is Outcome.FALLBACK
            assert float(higher[1]) >= threshold


def test_every_confidence_is_told() -> None:
    """The sentence holds the confidence, the threshold and, with two maps, the chance that any route fits."""
    answer = answered("quickly fix this bug", snapshot(scope_map=SCOPE))
    judgement, decision, summary = answer.judgement, answer.decision, summarise(answer)
    assert judgement is not None
    assert judgement.in_scope is not None
    assert f"has confidence {decision.confidence:.2f}" in summary
    assert f"the threshold {decision.threshold:.2f}" in summary
    assert f"The text fits any route with chance {judgement.in_scope:.2f}." in summary
    assert 'Nearest utterance: "fix this bug" (code, similarity' in summary


def test_a_shipped_map_is_named() -> None:
    """A confidence that rests on the encoder's map alone says so."""
    prior = replace(DEFAULT_MAP, calibration=Calibration.PRIOR)
    assert "(by the encoder's shipped map)" in summarise(answered("fix it", snapshot(confidence_map=prior)))
    assert "shipped" not in summarise(answered("fix it", snapshot()))


def test_without_calibration_the_similarity_is_told() -> None:
    """An uncalibrated decision tells the similarity that it takes, and no threshold that would have changed it."""
    none = ConfidenceMap(Calibration.NONE, 0.0, (0.0, 0.0, 0.0), 0, 0.83)
    summary = summarise(answered("fix it", snapshot(confidence_map=none)))
    assert "it is taken from similarity 0.83 on." in summary
    assert "would have" not in summary


def test_an_empty_catalog_and_a_broken_encoder_are_told() -> None:
    """Where nothing was found there is nothing to compare, and the reason stands alone."""
    empty = summarise(answered("x", snapshot(routes={"code": []})))
    assert empty == "Fallback to model big: the catalog has no utterances."
    broken = summarise(answered("x", snapshot([BrokenEmbedder()])))
    assert broken == "Fallback to model big: the encoder gave no vector."


def test_a_misspelled_text_says_how_it_was_read() -> None:
    """And only a misspelled one does."""
    shown = snapshot()
    assert 'Read as "review my function".' in summarise(answered("review my funtcion", shown))
    assert "Read as" not in summarise(answered("review my function", shown))


def test_a_foreign_text_is_less_likely_in_scope() -> None:
    """By two in the log-odds, whatever the rest; and the explanation says so."""
    shown = snapshot(
        routes={"greet": ["hello please", "hello weather"], "pay": ["please invoice", "invoice"]}, scope_map=SCOPE
    )
    answer = answered("quelle heure est-il invoice", shown)
    assert answer.retrieval is not None
    assert answer.found is not None
    assert answer.judgement is not None
    assert answer.judgement.in_scope is not None
    assert answer.retrieval.foreign
    assert "another language" in summarise(answer)
    scores = score(answer.found, shown.exemplars, shown.decider.vote, shown.decider.blend)
    plain = judge(scores, shown.decider).in_scope
    assert plain is not None
    odds = [math.log(chance / (1 - chance)) for chance in (answer.judgement.in_scope, plain)]
    assert odds[0] - odds[1] == pytest.approx(FOREIGN_LOG_ODDS)
    assert "another language" not in summarise(answered("hello invoice", shown))


def test_the_surer_of_two_readings_decides() -> None:
    """With and without its courtesies the text goes where the plain text goes, with no less confidence."""
    shown = snapshot()
    plain, polite = (answered(text, shown) for text in ("fix my bug", "hi, could you fix my bug please"))
    assert polite.retrieval is not None
    assert len(polite.retrieval.found) == 2
    assert plain.retrieval is not None
    assert len(plain.retrieval.found) == 1
    assert polite.decision.route == plain.decision.route == "code"
    assert polite.decision.confidence is not None
    assert plain.decision.confidence is not None
    assert polite.decision.confidence >= plain.decision.confidence


def test_an_utterance_with_courtesies_goes_to_its_own_route() -> None:
    """Though what is left without them is an utterance of another route."""
    shown = snapshot(routes={"code": ["fix this bug", "write a function"], "help": ["please fix this bug", "help me"]})
    for text, route in (("please fix this bug", "help"), ("fix this bug", "code"), ("hi, fix this bug", "code")):
        answer = answered(text, shown)
        assert answer.decision.route == route
        assert Reason.EXACT_MATCH in answer.decision.reasons
