"""The exact cache as callers meet it."""

import asyncio
from dataclasses import replace
from typing import Any

from fingerpost.serve.plan import Plan
from fingerpost.types import Activation, Policy
from fingerpost.v1 import router_service_pb2 as pb
from tests.fakes import BrokenEmbedder, GatedEmbedder, snapshot
from tests.serving import Served, refusal, serving

CACHED: dict[str, Any] = {"cache_bytes": 10**6}


def asked(text: str, **fields: Any) -> pb.RouteRequest:
    return pb.RouteRequest(text=text, alternatives_count=3, include_matches=True, include_embedding=True, **fields)


def plain(reply: pb.RouteResponse) -> bytes:
    """A reply without what differs from call to call."""
    for field in ("decision_id", "request_id", "timing", "cached"):
        reply.ClearField(field)
    return reply.SerializeToString(deterministic=True)


def test_a_hit_is_the_same_answer_under_an_id_of_its_own() -> None:
    """The second call embeds nothing, says so, and differs in ids and times alone."""
    embedder = GatedEmbedder()
    embedder.gate.set()

    async def ask() -> list[pb.RouteResponse]:
        async with serving(snapshot([embedder]), **CACHED) as served:
            return [await served.stub.Route(asked("fix this bug now")) for _ in range(2)]

    first, second = asyncio.run(ask())
    assert embedder.seen == ["fix this bug now"]
    assert (first.cached, second.cached) == (False, True)
    assert first.decision_id != second.decision_id
    assert (second.timing.embed_us, second.timing.search_us, second.timing.queue_us) == (0, 0, 0)
    assert plain(first) == plain(second)


def test_off_means_off() -> None:
    """With no bytes to keep anything in, each call is embedded."""
    embedder = GatedEmbedder()
    embedder.gate.set()

    async def ask() -> list[bool]:
        async with serving(snapshot([embedder]), cache_bytes=0) as served:
            return [(await served.stub.Route(asked("twice"))).cached for _ in range(2)]

    assert asyncio.run(ask()) == [False, False]
    assert embedder.seen == ["twice", "twice"]


def test_equal_texts_at_once_are_embedded_once() -> None:
    """Callers that ask the same while it is under way wait for one vector; none is a hit, all are answered alike."""
    embedder = GatedEmbedder()

    async def ask() -> list[pb.RouteResponse]:
        async with serving(snapshot([embedder]), **CACHED) as served:
            calls = [asyncio.ensure_future(served.stub.Route(asked("same"), timeout=20)) for _ in range(50)]
            while served.server.admission.in_flight < 50:
                await asyncio.sleep(0.01)
            embedder.gate.set()
            return list(await asyncio.gather(*calls))

    replies = asyncio.run(ask())
    assert embedder.seen == ["same"]
    assert not any(reply.cached for reply in replies)
    assert len({reply.decision_id for reply in replies}) == 50
    assert len({plain(reply) for reply in replies}) == 1


def test_one_that_gives_up_leaves_the_others_their_answer() -> None:
    """The caller whose text was queued first goes away; who joined is answered; when all go, nothing is embedded."""
    embedder = GatedEmbedder()

    async def ask() -> str:
        async with serving(snapshot([embedder]), **CACHED) as served:
            busy = asyncio.ensure_future(served.stub.Route(asked("busy"), timeout=20))
            await asyncio.to_thread(embedder.entered.wait, 10)
            texts = ["shared", "shared", "left", "left"]
            calls = [served.stub.Route(asked(text), timeout=20) for text in texts]
            while served.server.admission.in_flight < 5:
                await asyncio.sleep(0.01)
            for place in (0, 2, 3):
                calls[place].cancel()
            while served.server.admission.in_flight > 2:
                await asyncio.sleep(0.01)
            embedder.gate.set()
            await busy
            return str((await calls[1]).model)

    assert asyncio.run(ask())
    assert embedder.seen == ["busy", "shared"]


def test_a_longer_deadline_than_the_first_callers() -> None:
    """Who joins with more time gets the answer, though the first caller's time ran out in the queue."""
    embedder = GatedEmbedder()

    async def ask() -> tuple[str, str]:
        async with serving(snapshot([embedder]), **CACHED) as served:
            busy = asyncio.ensure_future(served.stub.Route(asked("busy"), timeout=20))
            await asyncio.to_thread(embedder.entered.wait, 10)
            short = asyncio.ensure_future(refusal(served.stub.Route(asked("same"), timeout=0.3)))
            while len(served.server.queue) < 1 and not short.done():
                await asyncio.sleep(0.01)
            patient = asyncio.ensure_future(served.stub.Route(asked("same"), timeout=20))
            code = (await short).code
            embedder.gate.set()
            await busy
            return code.name, (await patient).model

    code, model = asyncio.run(ask())
    assert (code, bool(model)) == ("DEADLINE_EXCEEDED", True)


def test_an_activation_empties_the_cache() -> None:
    """After a swap the same text is embedded anew, and the reply names the new revision."""
    embedder = GatedEmbedder()
    embedder.gate.set()

    async def ask(served: Served) -> pb.RouteResponse:
        reply: pb.RouteResponse = await served.stub.Route(asked("again"))
        return reply

    async def run() -> list[pb.RouteResponse]:
        before = snapshot([embedder])
        async with serving(before, **CACHED) as served:
            replies = [await ask(served), await ask(served)]
            after = replace(before, activation=Activation("default", "n" * 64, 2))
            served.activations.snapshots["default"] = after
            while served.server.runtime.get("default") is not after:
                await asyncio.sleep(0.01)
            return [*replies, await ask(served), await ask(served)]

    replies = asyncio.run(run())
    assert [reply.cached for reply in replies] == [False, True, False, True]
    assert [reply.revision[0] for reply in replies] == ["r", "r", "n", "n"]


def test_catalogs_share_nothing() -> None:
    """The same text in another catalog is another question."""

    async def ask() -> list[tuple[str, bool]]:
        other = snapshot(catalog="team-a", routes={"poems": ["fix this bug"]})
        async with serving(snapshot(), other, **CACHED) as served:
            calls = [await served.stub.Route(asked("fix this bug", catalog=c)) for c in ("", "team-a", "", "team-a")]
            return [(reply.route, reply.cached) for reply in calls]

    assert asyncio.run(ask()) == [("code", False), ("poems", False), ("code", True), ("poems", True)]


def test_failures_are_not_kept() -> None:
    """A fallback for a broken encoder is made anew each time."""
    broken = BrokenEmbedder()

    async def ask() -> list[bool]:
        async with serving(snapshot([broken]), **CACHED) as served:
            return [(await served.stub.Route(asked("x"))).degraded for _ in range(3)]

    assert asyncio.run(ask()) == [True, True, True]
    assert broken.calls == 3


def test_the_decision_is_made_on_each_call() -> None:
    """A session's route, which lives beside the pure result, counts on a hit too."""
    shown = snapshot()
    policy = Policy("big", ("middle",), sticky_session_seconds=60)
    shown = replace(shown, plan=Plan.of(replace(shown.decider, policy=policy)))

    async def ask() -> list[pb.RouteResponse]:
        async with serving(shown, **CACHED) as served:
            vague = asked("bug numbers function", session_id="s")
            replies = [await served.stub.Route(vague)]
            replies.append(await served.stub.Route(asked("fix this bug", session_id="s")))
            return [*replies, await served.stub.Route(vague)]

    before, _, after = asyncio.run(ask())
    assert after.cached
    assert (before.route, after.route) == ("", "code")
