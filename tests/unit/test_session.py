"""A session keeps its route where no route is sure enough, and only there."""

from dataclasses import replace

from fingerpost.serve.decide import decide
from fingerpost.serve.plan import Plan
from fingerpost.serve.session import Sessions, route_within
from fingerpost.serve.situation import Situation
from fingerpost.types import Calibration, Candidate, Judgement, Outcome, Reason, RouteQuery
from tests.fakes import decider

PLAN = Plan.of(decider())
QUERY = RouteQuery("r", "default", "fix it", session_id="s")


def judged(first: float, second: float, out_of_scope: float | None = None) -> Judgement:
    candidates = (Candidate(0, 0.8, 0.7, first, False), Candidate(1, 0.1, 0.6, second, False))
    return Judgement(candidates, (0.0, 0.0, 0.0), Calibration.POOLED, out_of_scope)


def test_an_unsure_text_goes_where_the_session_went() -> None:
    """With that route's own numbers, and the reasons why nothing else was taken."""
    decision = decide(judged(0.4, 0.2), PLAN, Situation(session_route="maths"))
    assert (decision.outcome, decision.route, decision.model) == (Outcome.MATCHED, "maths", "maths")
    assert decision.reasons == (Reason.SESSION, Reason.LOW_CONFIDENCE)
    assert (decision.confidence, decision.similarity, decision.margin) == (0.2, 0.6, 0.0)
    assert decision.fallback_models == ("big", "middle")


def test_a_sure_text_leaves_the_session() -> None:
    """The best route is taken as if there were none."""
    assert decide(judged(0.7, 0.2), PLAN, Situation(session_route="maths")) == decide(judged(0.7, 0.2), PLAN)


def test_out_of_scope_or_far_from_the_route_falls_back() -> None:
    """A session keeps nothing that the text does not resemble."""
    outside = judged(0.4, 0.2, out_of_scope=0.75)
    assert decide(outside, PLAN, Situation(session_route="maths")) == decide(outside, PLAN)
    assert decide(judged(0.4, 0.2), PLAN, Situation(session_route="gone")) == decide(judged(0.4, 0.2), PLAN)


def test_the_best_route_may_be_the_sessions() -> None:
    """Then its margin is the real one."""
    decision = decide(judged(0.5, 0.2), PLAN, Situation(session_route="code"))
    assert (decision.route, decision.confidence, decision.margin) == ("code", 0.5, 0.3)


def test_it_is_remembered_by_catalog_tenant_and_session_and_for_a_while() -> None:
    """Nobody gets the route of somebody else, nor an old one."""
    sessions, taken = Sessions(), decide(judged(0.7, 0.2), PLAN)
    sessions.remember(QUERY, taken, now=100.0)
    assert route_within(sessions.last(QUERY), 60, 160.0) == "code"
    assert route_within(sessions.last(QUERY), 60, 160.1) is None
    for other in (replace(QUERY, catalog="x"), replace(QUERY, tenant="x"), replace(QUERY, session_id="x")):
        assert route_within(sessions.last(other), 60, 100.0) is None


def test_fallbacks_and_queries_without_a_session_are_not_remembered() -> None:
    """A fallback in between does not end the session."""
    sessions, taken = Sessions(), decide(judged(0.7, 0.2), PLAN)
    sessions.remember(QUERY, taken, now=1.0)
    sessions.remember(QUERY, decide(judged(0.4, 0.2), PLAN), now=2.0)
    assert route_within(sessions.last(QUERY), 60, 3.0) == "code"
    nameless = replace(QUERY, session_id="")
    sessions.remember(nameless, taken, now=1.0)
    assert route_within(sessions.last(nameless), 60, 1.0) is None


def test_the_longest_unused_session_is_forgotten_first() -> None:
    """Memory is bounded."""
    sessions, taken = Sessions(size=2), decide(judged(0.7, 0.2), PLAN)
    queries = [replace(QUERY, session_id=name) for name in "abc"]
    for query in (*queries[:2], queries[0], queries[2]):
        sessions.remember(query, taken, now=1.0)
    assert [route_within(sessions.last(query), 60, 1.0) for query in queries] == ["code", None, "code"]
