"""Conversations over a real connection: which turns are read, which parts are not, and what is refused."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest

from fingerpost.client import AsyncClient, Decision, OtherPart, Turn
from fingerpost.serve.plan import Plan
from fingerpost.serve.runtime import Snapshot
from fingerpost.types import ScopeMap
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb
from tests.fakes import DEFAULT_MAP, snapshot
from tests.serving import Refusal, refusal, serving

TEXT_AND_IMAGE = [pb.Part(text="please fix"), pb.Part(other="image"), pb.Part(text="this bug"), pb.Part(other="image")]


def said(text: str = "", *, role: int = pb.ROLE_USER, parts: list[pb.Part] | None = None) -> pb.Turn:
    return pb.Turn(role=role, text=text, parts=parts)  # type: ignore[arg-type]


def talk(*turns: pb.Turn) -> pb.RouteRequest:
    return pb.RouteRequest(conversation=pb.Conversation(turns=turns))


def explain(request: pb.RouteRequest) -> pb.ExplainResponse:
    async def ask() -> pb.ExplainResponse:
        async with serving(snapshot()) as served:
            reply: pb.ExplainResponse = await served.stub.Explain(pb.ExplainRequest(request=request))
            return reply

    return asyncio.run(ask())


def refused(request: pb.RouteRequest, **settings: Any) -> Refusal:
    async def ask() -> Refusal:
        async with serving(snapshot(), **settings) as served:
            return await refusal(served.stub.Route(request))

    return asyncio.run(ask())


def test_an_elliptic_turn_is_joined_and_told() -> None:
    """The previous user turn is read before an elliptic last one, and the reply says so."""
    assistant = said("write a poem", role=pb.ROLE_ASSISTANT)
    reply = explain(talk(said("solve the equation"), said("fix this bug"), assistant, said("and then?")))
    assert reply.embedded_text == "fix this bug\nand then?"
    assert (reply.decision.joined_turns, reply.decision.route) == (True, "code")


def test_a_complete_turn_is_not_joined() -> None:
    """A complete last turn is decided exactly as its text alone."""
    reply = explain(talk(said("solve the equation"), said("please fix this bug")))
    assert (reply.embedded_text, reply.decision.joined_turns) == ("please fix this bug", False)
    assert list(reply.decision.ignored_parts) == []


def test_a_batch_item_may_be_a_conversation() -> None:
    """Items of a batch join their turns and name their parts as single calls do."""
    item = talk(said(parts=TEXT_AND_IMAGE), said("and then?"))

    async def ask() -> pb.RouteBatchResponse:
        async with serving(snapshot()) as served:
            reply: pb.RouteBatchResponse = await served.stub.RouteBatch(pb.RouteBatchRequest(requests=[item]))
            return reply

    response = asyncio.run(ask()).results[0].response
    assert (response.joined_turns, list(response.ignored_parts)) == (True, ["image"])


def test_text_parts_are_read_and_others_named() -> None:
    """The text parts of a turn are one text, and the kinds of the others are named once each."""
    reply = explain(talk(said(parts=[*TEXT_AND_IMAGE, pb.Part(other="audio")])))
    assert reply.embedded_text == "please fix\nthis bug"
    assert list(reply.decision.ignored_parts) == ["image", "audio"]
    assert reply.decision.route == "code"


def test_an_image_alone_leaves_the_word_to_the_turn_before() -> None:
    """When the last user turn has no text, the last one with text decides."""
    image = said(parts=[pb.Part(other="image"), pb.Part(text=" ")])
    reply = explain(talk(said("fix this bug"), said("show me", role=pb.ROLE_ASSISTANT), image))
    assert (reply.embedded_text, reply.decision.joined_turns) == ("fix this bug", False)
    assert list(reply.decision.ignored_parts) == ["image"]


@pytest.mark.parametrize(
    ("turns", "fields", "reason"),
    [
        ([said(parts=[pb.Part(other="image")])], ["[0].parts"], "PROMPT_EMPTY"),
        ([said("\u200b"), said(parts=[pb.Part(other="image")])], ["[1].parts"], "PROMPT_EMPTY"),
        ([said("fix this bug"), said(parts=[pb.Part(text="")])], ["[1].parts"], "PROMPT_EMPTY"),
        ([said("fix this bug"), said()], ["[1].text"], "PROMPT_EMPTY"),
        ([said("x", parts=[pb.Part(text="y")])], ["[0].parts"], "INVALID_FIELD"),
        ([said(parts=[pb.Part(text="x"), pb.Part()])], ["[0].parts[1]"], "INVALID_FIELD"),
        ([said(parts=[pb.Part(text="x"), pb.Part(other="")])], ["[0].parts[1].other"], "INVALID_FIELD"),
        ([said(parts=[pb.Part(text="x"), pb.Part(other="x" * 65)])], ["[0].parts[1].other"], "INVALID_FIELD"),
        ([said(parts=[pb.Part(text="x"), pb.Part(other="a\nb")])], ["[0].parts[1].other"], "INVALID_FIELD"),
        ([said(parts=[pb.Part(text="x"), pb.Part(other="é")])], ["[0].parts[1].other"], "INVALID_FIELD"),
        ([said(parts=[pb.Part(text="x")] * 65)], ["[0].parts"], "INVALID_FIELD"),
        ([said(parts=[pb.Part(text="a\0b")])], ["[0].parts"], "INVALID_FIELD"),
        ([said("a\0b"), said("x")], ["[0].text"], "INVALID_FIELD"),
        ([said("x", role=pb.ROLE_TOOL, parts=[pb.Part()]), said("x")], ["[0].parts", "[0].parts[0]"], "INVALID_FIELD"),
    ],
)
def test_bad_turns(turns: list[pb.Turn], fields: list[str], reason: str) -> None:
    """Each fault of a turn's text and parts is named by its path, and nothing else is."""
    answer = refused(talk(*turns))
    assert (grpc.StatusCode.INVALID_ARGUMENT, reason) == (answer.code, answer.reason)
    assert answer.fields == [f"conversation.turns{field}" for field in fields]


@pytest.mark.parametrize("turn", [said("x" * 65), said(parts=[pb.Part(text="x" * 32), pb.Part(text="y" * 32)])])
def test_the_limit_of_a_text_holds_for_every_turn(turn: pb.Turn) -> None:
    """A turn over the limit, its text parts counted together, is refused with limit and size wherever it stands."""
    answer = refused(talk(turn, said("fix this bug")), text_bytes=64)
    assert (answer.reason, answer.metadata["limit"], answer.metadata["actual"]) == ("PROMPT_TOO_LARGE", "64", "65")


def test_parts_at_the_limits_are_answered() -> None:
    """As many parts as allowed, and as long a kind, are accepted."""
    parts = [pb.Part(text="fix this bug"), *[pb.Part(other="x" * 64)] * 63]
    assert list(explain(talk(said(parts=parts))).decision.ignored_parts) == ["x" * 64]


def test_the_python_client_sends_parts_and_reads_what_was_ignored() -> None:
    """A turn of the client takes texts and others in order, and its decision tells what was read."""

    async def ask() -> Decision:
        async with serving(snapshot()) as served, AsyncClient(served.address, timeout_seconds=30) as client:
            parts: list[str | OtherPart] = ["fix this", OtherPart("image"), "bug"]
            return await client.route([Turn("user", parts=parts), Turn("assistant", "ok"), Turn("user", "and then?")])

    decision = asyncio.run(ask())
    assert (decision.route, decision.joined_turns, decision.ignored_parts) == ("code", True, ("image",))


def test_info_tells_how_many_parts_a_turn_may_have() -> None:
    """The limit of parts is told with the others."""

    async def ask() -> int:
        async with serving(snapshot(), turn_parts=7) as served:
            return (await served.stub.GetServerInfo(pb.GetServerInfoRequest())).limits.turn_parts  # type: ignore[no-any-return]

    assert asyncio.run(ask()) == 7


def test_a_session_keeps_its_route_where_the_policy_says_so() -> None:
    """Over the wire: sure once, then unsure; another session and a policy without it fall back."""
    plain = snapshot(confidence_map=replace(DEFAULT_MAP, weights=(4.0, 0.0, 0.0), intercept=-1.5))
    policy = replace(plain.decider.policy, sticky_session_seconds=60)
    sticky = replace(plain, plan=Plan.of(replace(plain.decider, policy=policy)))

    async def ask(shown: Snapshot) -> list[pb.RouteResponse]:
        texts = [("fix this bug", "s"), ("this please quickly now", "s"), ("this please quickly now", "t")]
        async with serving(shown) as served:
            return [await served.stub.Route(pb.RouteRequest(text=text, session_id=name)) for text, name in texts]

    for shown, kept in ((plain, ""), (sticky, "code")):
        replies = asyncio.run(ask(shown))
        assert [reply.route for reply in replies] == ["code", kept, ""]
        assert (decision_pb2.REASON_SESSION in replies[1].reasons) == bool(kept)


def test_the_share_follows_the_traffic_where_the_policy_says_so() -> None:
    """After many texts that look out of scope the same text is less likely in scope, and Explain says by how much."""
    plain = snapshot(scope_map=ScopeMap(-4.0, (8.0, 0.0, 0.0, 0.0, 0.0), 0.15))
    policy = replace(plain.decider.policy, adapt_out_of_scope_share=True)
    adapting = replace(plain, plan=Plan.of(replace(plain.decider, policy=policy)))

    async def ask(shown: Snapshot) -> list[pb.ExplainResponse]:
        asked = pb.ExplainRequest(request=pb.RouteRequest(text="fix my function"))
        async with serving(shown) as served:
            before = await served.stub.Explain(asked)
            for number in range(100):
                await served.stub.Route(pb.RouteRequest(text=f"zebra {number}"))
            return [before, await served.stub.Explain(asked)]

    for shown, follows in ((plain, False), (adapting, True)):
        before, after = asyncio.run(ask(shown))
        shares = [feature for feature in after.features if feature.name == "out_of_scope_share"]
        assert (after.decision.confidence < before.decision.confidence) == follows
        assert (after.decision.confidence == before.decision.confidence) == (not follows)
        assert bool(shares) == follows
        assert all(share.value > 0.15 and share.contribution < 0 for share in shares)
