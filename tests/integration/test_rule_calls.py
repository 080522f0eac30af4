"""Rules, requirements, sessions and limits over the wire."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from prometheus_client import generate_latest

from fingerpost.bootstrap.planning import plan_of
from fingerpost.serve.plan import Plan
from fingerpost.serve.runtime import Snapshot
from fingerpost.types import Demands, EscalationLimit, Model, RoutePolicy, Selection, SelectionMode
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb
from tests.fakes import BrokenEmbedder, HashEmbedder, snapshot
from tests.rules import AFTER, rule, ruled
from tests.serving import refusal, serving

RULE = decision_pb2.OUTCOME_RULE
GERMAN = "wie wird das Wetter morgen in Berlin"


class CountingEmbedder(HashEmbedder):
    """Counts what it embeds."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed_one(self, text: str) -> Any:
        self.texts.append(text)
        return super().embed_one(text)


def asked(shown: Snapshot, *requests: pb.RouteRequest, **settings: Any) -> list[pb.RouteResponse]:
    async def ask() -> list[pb.RouteResponse]:
        async with serving(shown, **settings) as served:
            return [await served.stub.Route(request) for request in requests]

    return asyncio.run(ask())


def explained(shown: Snapshot, request: pb.RouteRequest) -> pb.ExplainResponse:
    async def ask() -> pb.ExplainResponse:
        async with serving(shown) as served:
            reply: pb.ExplainResponse = await served.stub.Explain(pb.ExplainRequest(request=request))
            return reply

    return asyncio.run(ask())


def test_a_rule_before_similarity_needs_no_encoder() -> None:
    """The route is the rule's, nothing is embedded, and no confidence is made up."""
    embedder = CountingEmbedder()
    shown = ruled(rule("traces", 'text.contains("Traceback")', route="code"), base=snapshot([embedder]))
    [reply] = asked(shown, pb.RouteRequest(text="Traceback (most recent call last)"))
    assert (reply.outcome, reply.route, reply.model, list(reply.rules)) == (RULE, "code", "code", ["traces"])
    assert not reply.HasField("confidence")
    assert not reply.HasField("similarity")
    assert not reply.degraded
    assert embedder.texts == []
    assert list(reply.fallback_models) == ["big", "middle"]


def test_what_only_similarity_knows_is_still_told_when_asked_for() -> None:
    """Matches of a request that a rule decides cost the encoder, and are there."""
    embedder = CountingEmbedder()
    shown = ruled(rule("traces", 'text.contains("bug")', route="maths"), base=snapshot([embedder]))
    [reply] = asked(shown, pb.RouteRequest(text="fix this bug", include_matches=True, alternatives_count=2))
    assert (reply.outcome, reply.route, len(embedder.texts)) == (RULE, "maths", 1)
    assert reply.matches[0].text == "fix this bug"
    assert reply.alternatives[0].route == "code"


def test_the_first_that_holds_is_followed() -> None:
    """The next one is looked at only when the first goes on; then the first still says where."""
    first = rule("first", "tokens > 0", model="middle")
    second = rule("second", "tokens > 0", model="big", demands=Demands(forbidden=frozenset({"middle"})))
    [alone] = asked(ruled(first, second), pb.RouteRequest(text="fix this bug"))
    assert (alone.model, list(alone.rules)) == ("middle", ["first"])
    [both] = asked(ruled(replace(first, goes_on=True), second), pb.RouteRequest(text="fix this bug"))
    assert (list(both.rules), both.model) == (["first", "second"], "big")
    assert both.skipped_models[0] == pb.SkippedModel(model="middle", reason=decision_pb2.SKIP_REASON_FORBIDDEN)


def test_a_rule_after_similarity_reads_the_scores() -> None:
    """Route and confidence of the best route; the route stays when only the model is set."""
    shown = ruled(rule("long-code", 'route == "code" && confidence > 0.5', AFTER, model="big"))
    code, maths = asked(shown, pb.RouteRequest(text="fix this bug"), pb.RouteRequest(text="add these numbers"))
    assert (code.outcome, code.route, code.model, list(code.rules)) == (RULE, "code", "big", ["long-code"])
    assert code.confidence > 0.5
    assert (maths.outcome, maths.model, list(maths.rules)) == (decision_pb2.OUTCOME_MATCHED, "maths", [])


@pytest.mark.parametrize(
    ("when", "request_of"),
    [
        ('metadata.tier == "gold"', lambda yes: {"metadata": {"tier": "gold" if yes else "tin"}}),
        ('tenant == "acme"', lambda yes: {"tenant": "acme" if yes else "other"}),
        ("tokens > 100", lambda yes: {"requirements": pb.Requirements(input_tokens=200 if yes else 3)}),
        ('language == "de"', lambda yes: {"text": GERMAN if yes else "how are you today my friend"}),
        ('text.lower().contains("hello")', lambda yes: {"text": "HELLO there" if yes else "good morning"}),
        ("time > timestamp('2020-01-01T00:00:00Z')", lambda yes: {"text": "x"} if yes else None),
        (r"text.matches('^\\d+$')", lambda yes: {"text": "12345" if yes else "12a45"}),
    ],
)
def test_rules_read_the_facts_of_a_request(when: str, request_of: Callable[[bool], Any]) -> None:
    """Each fact, where the rule holds and where it does not."""
    shown = ruled(rule("r", when, model="middle"))
    for yes in (True, False):
        given = request_of(yes)
        if given is None:
            continue
        [reply] = asked(shown, pb.RouteRequest(**{"text": "fix this bug", **given}))
        assert (list(reply.rules) == ["r"], reply.model == "middle") == (yes, yes)


def test_turns_and_tokens_are_of_the_whole_conversation() -> None:
    """Not of the turn that decides."""
    turns = [pb.Turn(role=pb.ROLE_ASSISTANT, text="x" * 4000), pb.Turn(role=pb.ROLE_USER, text="fix this bug")]
    shown = ruled(rule("r", "turns == 2 && tokens > 1000", model="middle"))
    [reply] = asked(shown, pb.RouteRequest(conversation=pb.Conversation(turns=turns)))
    assert reply.model == "middle"


LOCAL = rule("local", 'metadata.class == "secret"', demands=Demands(allowed=(frozenset({"middle"}),)), final=True)


@pytest.mark.parametrize(
    ("metadata", "stays", "unjudged"),
    [({"class": "secret"}, True, False), ({"class": "open"}, False, False), ({}, True, True)],
)
def test_what_is_final_holds_when_it_cannot_be_judged(metadata: dict[str, str], stays: bool, unjudged: bool) -> None:
    """A missing class is taken for a secret one, and the reply says that this was not known."""
    route_wins = rule("r", "true", route="maths")
    for shown in (ruled(LOCAL), ruled(route_wins, LOCAL)):
        [reply] = asked(shown, pb.RouteRequest(text="fix this bug", metadata=metadata))
        tried = [reply.model, *reply.fallback_models]
        assert (tried == ["middle"]) == stays
        assert (decision_pb2.REASON_RULE_UNJUDGED in reply.reasons) == unjudged


def test_what_is_final_stands_when_the_encoder_is_down() -> None:
    """A rule that needs the route, which nobody can tell now, is taken as strictly as it can be."""
    medical = rule("medical", 'route == "code"', AFTER, final=True, demands=Demands(allowed=(frozenset({"middle"}),)))
    shown = ruled(medical, base=snapshot([BrokenEmbedder()]))
    [reply] = asked(shown, pb.RouteRequest(text="anything at all"))
    assert (reply.degraded, reply.model, list(reply.fallback_models)) == (True, "middle", [])
    assert list(reply.reasons)[:2] == [decision_pb2.REASON_ENCODER_UNAVAILABLE, decision_pb2.REASON_RULE_UNJUDGED]


def test_a_rule_that_fails_is_passed_over_and_counted() -> None:
    """An ordinary rule without a value does nothing; Explain says why."""
    shown = ruled(rule("old", "int(metadata.age) > 30", model="middle"))
    request = pb.RouteRequest(text="fix this bug", metadata={"age": "unknown"})
    [reply] = asked(shown, request)
    assert (reply.model, list(reply.rules), list(reply.reasons)) == ("code", [], [decision_pb2.REASON_EXACT_MATCH])
    [trace] = explained(shown, request).rules
    assert trace.verdict == pb.RULE_VERDICT_FAILED
    assert (trace.took_effect, trace.error) == (False, "a value cannot be converted")
    assert "unknown" not in trace.error


def test_a_vector_has_no_text_for_rules_to_read() -> None:
    """An ordinary rule does nothing, a final one is taken strictly."""
    vector = HashEmbedder().embed_one("fix this bug").vector
    given = pb.Embedding(encoder_digest=snapshot().encoder.digest, values=vector.tolist())
    for final, model in ((False, "code"), (True, "middle")):
        shown = ruled(rule("r", 'text.contains("bug")', model="middle", final=final))
        [reply] = asked(shown, pb.RouteRequest(embedding=given))
        assert reply.model == model


def test_requirements_pass_models_over() -> None:
    """Each with its reason; what cannot be answered at all is an error that tells why of each."""
    models = (Model("code", "up", context_window_tokens=100), Model("big", "up-big", capabilities=("vision",)))
    shown = ruled(models=models)
    [reply] = asked(shown, pb.RouteRequest(text="fix this bug", requirements=pb.Requirements(input_tokens=101)))
    assert (reply.route, reply.model) == ("code", "big")
    assert reply.skipped_models[0] == pb.SkippedModel(model="code", reason=decision_pb2.SKIP_REASON_CONTEXT_WINDOW)
    assert decision_pb2.REASON_MODEL_PASSED_OVER in reply.reasons

    async def refuse() -> Any:
        async with serving(shown) as served:
            required = pb.Requirements(capabilities=["audio"])
            return await refusal(served.stub.Route(pb.RouteRequest(text="fix this bug", requirements=required)))

    answer = asyncio.run(refuse())
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_MODEL_FITS")
    assert answer.metadata["code"] == "CAPABILITY"


def test_a_picture_needs_a_model_that_sees() -> None:
    """Where any model of the catalog is said to; else nobody is passed over."""
    turn = pb.Turn(role=pb.ROLE_USER, parts=[pb.Part(text="fix this bug"), pb.Part(other="image")])
    request = pb.RouteRequest(conversation=pb.Conversation(turns=[turn]))
    [blind] = asked(ruled(), request)
    assert blind.model == "code"
    [seen] = asked(ruled(models=(Model("middle", "m", capabilities=("vision",)),)), request)
    assert (seen.route, seen.model) == ("code", "middle")


@pytest.mark.parametrize(
    ("requirements", "field"),
    [
        (pb.Requirements(capabilities=[""]), "requirements.capabilities"),
        (pb.Requirements(regions=["x"] * 17), "requirements.regions"),
        (pb.Requirements(languages=["x" * 65]), "requirements.languages"),
        (pb.Requirements(input_tokens=-1), "requirements.input_tokens"),
        (pb.Requirements(output_tokens=2**63 - 1), "requirements.output_tokens"),
    ],
)
@pytest.mark.fault("I17")
def test_wrong_requirements_are_named(requirements: pb.Requirements, field: str) -> None:
    """INVALID_ARGUMENT with the field."""

    async def ask() -> Any:
        async with serving(snapshot()) as served:
            return await refusal(served.stub.Route(pb.RouteRequest(text="fix this bug", requirements=requirements)))

    answer = asyncio.run(ask())
    assert (answer.code, answer.reason, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", [field])


def test_a_session_keeps_its_model() -> None:
    """Over calls: the first is chosen, and a better one must gain more than the margin."""
    models = (
        Model("code", "c", input_price_usd_micros=100, output_price_usd_micros=0, context_window_tokens=100),
        Model("middle", "m", input_price_usd_micros=90, output_price_usd_micros=0, context_window_tokens=50),
    )
    base = ruled(models=models)
    route = replace(
        base.decider.routes[0],
        models=("code", "middle"),
        selection=Selection(SelectionMode.CHEAPEST, switch_margin=0.2),
    )
    shown = ruled(base=replace(base, plan=_with_route(base, route)))
    long, short = (pb.Requirements(input_tokens=count) for count in (80, 40))
    request = [pb.RouteRequest(text="fix this bug", session_id="s", requirements=one) for one in (long, short)]
    kept = asked(shown, *request)
    assert [reply.model for reply in kept] == ["code", "code"]
    assert decision_pb2.REASON_SESSION_MODEL in kept[1].reasons
    request[1].session_id = "other"
    assert [reply.model for reply in asked(shown, *request)] == ["code", "middle"]


def _with_route(base: Snapshot, route: RoutePolicy) -> Plan:
    return plan_of(replace(base.decider, routes=(route, *base.decider.routes[1:])))


def test_a_wave_of_unsure_requests_leaves_the_strong_tier_alone() -> None:
    """A fifth of a hundred goes there, the rest to the chain; sure requests are answered as ever."""
    strong = Model("big", "up-big", tier="strong")
    shown = ruled(models=(strong,), escalation=EscalationLimit(0.2, 60, 10))
    replies = asked(shown, *[pb.RouteRequest(text=f"nothing like number {n}") for n in range(100)])
    models = [reply.model for reply in replies]
    assert 15 <= models.count("big") <= 20 + 9
    assert set(models) == {"big", "middle"}
    limited = next(reply for reply in replies if reply.model == "middle")
    assert decision_pb2.REASON_ESCALATION_LIMIT in limited.reasons
    assert list(limited.fallback_models) == []


def test_explain_shows_rules_and_models_in_order() -> None:
    """Every rule with its verdict, every model with its place, its cost and what stands against it."""
    models = (
        Model("code", "c", input_price_usd_micros=1_000_000, output_price_usd_micros=2_000_000, latency_p50_ms=300),
        Model("maths", "m", capabilities=("vision",)),
    )
    shown = ruled(
        rule("poems", 'text.contains("poem")', model="big"),
        rule("no-sight", "tokens > 0", demands=Demands(forbidden_capabilities=frozenset({"vision"}))),
        rule("never-reached", "true", model="big"),
        rule("sure", "confidence > 2.0", AFTER, route="maths"),
        models=models,
    )
    told = explained(shown, pb.RouteRequest(text="fix this bug", requirements=pb.Requirements(input_tokens=1_000)))
    assert [(one.name, one.verdict, one.took_effect) for one in told.rules] == [
        ("poems", pb.RULE_VERDICT_RULED_OUT, False),
        ("no-sight", pb.RULE_VERDICT_HOLDS, True),
        ("sure", pb.RULE_VERDICT_DOES_NOT_HOLD, False),
    ]
    assert told.rules[1].actions == "must not have vision"
    assert [(one.model, one.place) for one in told.models] == [("code", 1), ("big", 2), ("middle", 3), ("maths", 0)]
    assert told.models[0].cost_usd_micros == pytest.approx(1_000 + 600)
    assert told.models[0].latency_p50_ms == 300
    assert not told.models[1].HasField("cost_usd_micros")
    assert told.models[3].skip_reason == decision_pb2.SKIP_REASON_FORBIDDEN
    assert "Rules that took effect: no-sight." in told.summary


def test_metrics_count_rules_models_and_skips() -> None:
    """What took effect and what had no value, by name; models by name; skips by reason."""
    shown = ruled(
        rule("old", "int(metadata.age) > 30", model="middle"),
        rule("no-code", "tokens > 0", demands=Demands(forbidden=frozenset({"code"}))),
    )

    async def scrape() -> str:
        async with serving(shown) as served:
            for age in ("40", "unknown"):
                await served.stub.Route(pb.RouteRequest(text="fix this bug", metadata={"age": age}))
            return generate_latest(served.server.watch.metrics.registry).decode()

    lines = asyncio.run(scrape()).splitlines()
    for sample in (
        'rules_total{catalog="default",result="effect",rule="old"} 1.0',
        'rules_total{catalog="default",result="failed",rule="old"} 1.0',
        'rules_total{catalog="default",result="effect",rule="no-code"} 1.0',
        'models_total{catalog="default",model="middle"} 1.0',
        'models_total{catalog="default",model="big"} 1.0',
        'skipped_models_total{catalog="default",reason="FORBIDDEN"} 1.0',
    ):
        assert f"fingerpost_{sample}" in lines
