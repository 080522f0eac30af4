"""Good calls, deadlines, cancellation, overload and broken engines, over a real connection."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from fingerpost.serve.decision_id import MAX_DIGITS, MIN_DIGITS
from fingerpost.serve.plan import Plan
from fingerpost.types import Activation, Policy
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb
from tests.fakes import DIGEST, DIM, BrokenEmbedder, GatedEmbedder, HashEmbedder, decider, snapshot
from tests.serving import Served, health_stub, refusal, serving

FULL = pb.RouteRequest(
    text="please fix this bug", alternatives_count=5, include_matches=True, include_embedding=True, request_id="r-1"
)


def route(request: pb.RouteRequest, *snapshots: Any) -> pb.RouteResponse:
    async def ask() -> pb.RouteResponse:
        async with serving(*(snapshots or (snapshot(),))) as served:
            reply: pb.RouteResponse = await served.stub.Route(request)
            return reply

    return asyncio.run(ask())


def test_a_full_reply() -> None:
    """A decided request has its model, confidence, similarity, calibration, revision, ids and timings."""
    reply = route(FULL)
    assert (reply.outcome, reply.route, reply.model, reply.upstream_model) == (
        decision_pb2.OUTCOME_MATCHED,
        "code",
        "code",
        "upstream-code",
    )
    assert reply.threshold <= reply.confidence <= 1
    assert reply.HasField("similarity")
    assert reply.HasField("margin")
    assert (reply.calibration, reply.revision, reply.catalog) == (3, "r" * 64, "default")
    assert (reply.request_id, MIN_DIGITS <= len(reply.decision_id) <= MAX_DIGITS) == ("r-1", True)
    assert list(reply.fallback_models) == ["big", "middle"]
    assert ["code", "maths"] == [a.route for a in reply.alternatives]
    assert (reply.matches[0].text, reply.matches[0].route) == ("fix this bug", "code")
    similarities = [m.similarity for m in reply.matches]
    assert similarities == sorted(similarities, reverse=True)
    assert (reply.embedding.encoder_digest, len(reply.embedding.values)) == (DIGEST, DIM)
    assert 0 < reply.timing.embed_us <= reply.timing.total_us
    assert [False] * 3 == [reply.cached, reply.truncated, reply.degraded]


def test_a_plain_reply_is_lean() -> None:
    """What was not asked for is not sent; a missing request id is made, and decision ids differ."""
    first, second = route(pb.RouteRequest(text="fix this bug")), route(pb.RouteRequest(text="fix this bug"))
    assert (len(first.alternatives), len(first.matches), first.HasField("embedding")) == (0, 0, False)
    assert first.request_id
    assert first.request_id != second.request_id
    assert first.decision_id != second.decision_id
    assert [decision_pb2.REASON_EXACT_MATCH] == list(first.reasons)


def test_a_conversation_is_decided_by_its_last_user_turn() -> None:
    """Earlier turns and the assistant's last word do not decide."""
    turns = [
        pb.Turn(role=pb.ROLE_USER, text="solve the equation"),
        pb.Turn(role=pb.ROLE_ASSISTANT, text="x = 2"),
        pb.Turn(role=pb.ROLE_USER, text="fix this bug"),
        pb.Turn(role=pb.ROLE_ASSISTANT, text=""),
    ]
    assert route(pb.RouteRequest(conversation=pb.Conversation(turns=turns))).route == "code"


def test_a_vector_decides_as_its_text_would() -> None:
    """The vector that a reply returned, sent back at any scale, gets the same decision without embedding.

    But for texts of several readings, of which a vector is the first.
    """
    by_text = route(pb.RouteRequest(text="fix this bug now", include_embedding=True, alternatives_count=5))
    values = [7.5 * v for v in by_text.embedding.values]
    request = pb.RouteRequest(embedding=pb.Embedding(encoder_digest=DIGEST, values=values), alternatives_count=5)
    by_vector = route(request)
    assert (by_text.route, by_text.model, by_text.outcome) == (by_vector.route, by_vector.model, by_vector.outcome)
    assert abs(by_text.confidence - by_vector.confidence) < 1e-5
    assert by_vector.timing.embed_us <= by_text.timing.embed_us


def test_explain_tells_how() -> None:
    """An explanation has a sentence, features whose contributions make the confidence, neighbours and the text."""

    async def ask() -> pb.ExplainResponse:
        async with serving(snapshot()) as served:
            reply: pb.ExplainResponse = await served.stub.Explain(pb.ExplainRequest(request=FULL))
            return reply

    reply = asyncio.run(ask())
    odds = -4.0 + sum(feature.contribution for feature in reply.features)
    assert abs(reply.decision.confidence - 1 / (1 + np.exp(-odds))) < 1e-9
    assert ["similarity", "agreement", "gap"] == [feature.name for feature in reply.features]
    assert "Route code" in reply.summary
    assert "fix this bug" in reply.summary
    assert (reply.embedded_text, reply.token_count) == ("please fix this bug", 6)
    assert reply.decision.matches
    assert reply.request_id == "r-1"


def test_info_lists_catalogs_and_limits() -> None:
    """GetServerInfo tells each catalog's revision and encoder and every limit."""

    async def ask() -> pb.GetServerInfoResponse:
        async with serving(snapshot(), snapshot(catalog="team-a")) as served:
            reply: pb.GetServerInfoResponse = await served.stub.GetServerInfo(pb.GetServerInfoRequest())
            return reply

    info = asyncio.run(ask())
    assert ["default", "team-a"] == [catalog.name for catalog in info.catalogs]
    assert (info.catalogs[0].encoder.dimensions, info.catalogs[0].exemplars_count) == (DIM, 5)
    assert (info.limits.text_bytes, info.limits.batch_items) == (1_048_576, 256)
    assert info.start_time.seconds > 0


def test_catalogs_decide_apart() -> None:
    """Each catalog has routes of its own, and a reply names the one that decided."""
    other = snapshot(catalog="team-a", routes={"poems": ["fix this bug"]})
    reply = route(pb.RouteRequest(text="fix this bug", catalog="team-a"), snapshot(), other)
    assert (reply.route, reply.catalog) == ("poems", "team-a")


def test_batch_equals_single_calls() -> None:
    """Apart from ids and times, a batch answers exactly as single calls do."""
    texts = [f"{verb} this {noun} number {n}" for n in range(8) for verb in ("fix", "solve") for noun in ("bug", "sum")]

    async def ask() -> tuple[list[pb.RouteResponse], list[pb.RouteResponse]]:
        async with serving(snapshot([HashEmbedder(), HashEmbedder()])) as served:
            requests = [pb.RouteRequest(text=t, alternatives_count=3, include_embedding=True) for t in texts]
            batch = await served.stub.RouteBatch(pb.RouteBatchRequest(requests=requests, request_id="b"))
            singles = [await served.stub.Route(request) for request in requests]
            return [result.response for result in batch.results], singles

    batch, singles = asyncio.run(ask())
    assert [f"b-{n}" for n in range(len(texts))] == [reply.request_id for reply in batch]
    for reply in (*batch, *singles):
        for field in ("decision_id", "request_id", "timing"):
            reply.ClearField(field)
    assert [b.SerializeToString(deterministic=True) for b in batch] == [
        s.SerializeToString(deterministic=True) for s in singles
    ]


def test_a_deadline_that_has_passed() -> None:
    """A call whose time is over on arrival is DEADLINE_EXCEEDED and is never embedded."""
    embedder = GatedEmbedder()

    async def ask() -> grpc.StatusCode:
        async with serving(snapshot([embedder])) as served:
            return (await refusal(served.stub.Route(pb.RouteRequest(text="x"), timeout=-1))).code

    assert asyncio.run(ask()) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert embedder.seen == []


def test_a_deadline_that_passes_in_the_queue() -> None:
    """A call that waits behind a slow one until its time is over is dropped before embedding."""
    embedder = GatedEmbedder()

    async def ask() -> grpc.StatusCode:
        async with serving(snapshot([embedder])) as served:
            slow = asyncio.ensure_future(served.stub.Route(pb.RouteRequest(text="slow"), timeout=20))
            await asyncio.to_thread(embedder.entered.wait, 10)
            late = await refusal(served.stub.Route(pb.RouteRequest(text="late"), timeout=0.1))
            await asyncio.sleep(0.1)
            embedder.gate.set()
            await slow
            return late.code

    assert asyncio.run(ask()) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert embedder.seen == ["slow"]


def test_the_default_deadline() -> None:
    """A call without a deadline gets the default one, told in the trailing metadata, with reason and stage."""
    embedder = GatedEmbedder()

    async def ask() -> Any:
        async with serving(snapshot([embedder]), default_deadline_ms=100) as served:
            started = time.monotonic()
            answer = await refusal(served.stub.Route(pb.RouteRequest(text="slow")))
            took = time.monotonic() - started
            embedder.gate.set()
            call = served.stub.Route(pb.RouteRequest(text="quick"))
            await call
            return answer, took, dict(await call.trailing_metadata())

    answer, took, trailing = asyncio.run(ask())
    assert (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED") == (answer.code, answer.reason)
    assert answer.metadata["stage"] == "handler"
    assert took >= 0.1
    assert answer.trailing["x-fingerpost-default-deadline-ms"] == "100"
    assert trailing["x-fingerpost-default-deadline-ms"] == "100"


def test_a_cancelled_call_is_never_embedded() -> None:
    """A call that its client gives up while it is queued costs nothing, and its place is free again."""
    embedder = GatedEmbedder()

    async def ask() -> int:
        async with serving(snapshot([embedder])) as served:
            slow = asyncio.ensure_future(served.stub.Route(pb.RouteRequest(text="slow"), timeout=20))
            await asyncio.to_thread(embedder.entered.wait, 10)
            given_up = [served.stub.Route(pb.RouteRequest(text=f"given up {n}"), timeout=20) for n in range(50)]
            while len(served.server.queue) < 50:
                await asyncio.sleep(0.01)
            for call in given_up:
                call.cancel()
            while served.server.admission.in_flight > 1:
                await asyncio.sleep(0.01)
            embedder.gate.set()
            await slow
            await served.stub.Route(pb.RouteRequest(text="after"))
            return served.server.admission.in_flight

    assert asyncio.run(ask()) == 0
    assert embedder.seen == ["slow", "after"]


def test_overload_is_refused_at_once() -> None:
    """Above the limit in flight a call is RESOURCE_EXHAUSTED with push-back, and after it calls are answered again."""
    embedder = GatedEmbedder()

    async def ask() -> Any:
        async with serving(snapshot([embedder]), in_flight_calls=3) as served:
            slow = [
                asyncio.ensure_future(served.stub.Route(pb.RouteRequest(text=f"slow {n}"), timeout=20))
                for n in range(3)
            ]
            while served.server.admission.in_flight < 3:
                await asyncio.sleep(0.01)
            answer = await refusal(served.stub.Route(pb.RouteRequest(text="too much")))
            batch = pb.RouteBatchRequest(requests=[pb.RouteRequest(text="too much")] * 2)
            batched = await refusal(served.stub.RouteBatch(batch))
            embedder.gate.set()
            await asyncio.gather(*slow)
            await served.stub.RouteBatch(batch)
            return answer, batched

    for answer in asyncio.run(ask()):
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED") == (answer.code, answer.reason)
        assert int(answer.trailing["grpc-retry-pushback-ms"]) == answer.retry_ms > 0
    assert "too much" not in embedder.seen[:3]


def test_short_texts_pass_long_ones() -> None:
    """In the queue a short text goes before a long one that came at the same time."""
    embedder = GatedEmbedder()

    async def ask() -> None:
        async with serving(snapshot([embedder])) as served:
            calls = [asyncio.ensure_future(served.stub.Route(pb.RouteRequest(text="first"), timeout=20))]
            await asyncio.to_thread(embedder.entered.wait, 10)
            for text in ("long " * 2000, "short"):
                calls.append(asyncio.ensure_future(served.stub.Route(pb.RouteRequest(text=text), timeout=20)))
                while len(served.server.queue) < len(calls) - 1:
                    await asyncio.sleep(0.001)
            embedder.gate.set()
            await asyncio.gather(*calls)

    asyncio.run(ask())
    assert ["first", "short", "long"] == [text.split()[0] for text in embedder.seen]


def test_a_broken_encoder_degrades() -> None:
    """When the encoder itself fails the fallback answers, marked degraded, and nothing of the failure leaks."""
    embedder = BrokenEmbedder()
    reply = route(FULL, snapshot([embedder]))
    assert (reply.outcome, reply.model, reply.degraded) == (decision_pb2.OUTCOME_FALLBACK, "big", True)
    assert [decision_pb2.REASON_ENCODER_UNAVAILABLE] == list(reply.reasons)
    assert not reply.HasField("confidence")
    assert not reply.HasField("similarity")
    assert b"canary" not in reply.SerializeToString()
    assert embedder.calls == 1


def test_a_fault_of_ours_tells_nothing() -> None:
    """A bug is INTERNAL with a fixed text and the request id; the exception's own text stays inside."""
    broken = replace(snapshot(), plan=Plan.of(replace(decider(), policy=Policy("canary-secret-model"))))

    async def ask() -> Any:
        async with serving(broken) as served:
            return await refusal(served.stub.Route(pb.RouteRequest(text="nothing like it", request_id="r-9")))

    answer = asyncio.run(ask())
    assert (grpc.StatusCode.INTERNAL, "INTERNAL", "r-9") == (
        answer.code,
        answer.reason,
        answer.metadata["request_id"],
    )
    assert "canary" not in f"{answer}"


def test_health_follows_what_is_active() -> None:
    """NOT_SERVING until a revision is active, but live; then SERVING overall, by service and by catalog, no other."""

    async def status(served: Served, service: str) -> int:
        stub = health_stub(served.channel)
        reply = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        return int(reply.status)

    async def ask() -> None:
        async with serving() as served:
            names = ("", "fingerpost.v1.RouterService")
            assert [2, 2, 1] == [await status(served, name) for name in (*names, "live")]
            served.activations.snapshots["default"] = snapshot()
            async with asyncio.timeout(5):
                while await status(served, "") != 1:
                    await asyncio.sleep(0.01)
            assert [1, 1, 1] == [await status(served, name) for name in (*names, "catalog:default")]
            unknown = health_stub(served.channel).Check(health_pb2.HealthCheckRequest(service="nope"))
            assert (await refusal(unknown)).code is grpc.StatusCode.NOT_FOUND

    asyncio.run(ask())


def test_health_can_be_watched() -> None:
    """Watch tells the state at once and each change of it, until its caller goes."""

    async def ask() -> list[int]:
        async with serving() as served:
            watching = health_stub(served.channel).Watch(health_pb2.HealthCheckRequest(), timeout=10)
            told = [(await watching.read()).status]
            served.activations.snapshots["default"] = snapshot()
            told.append((await watching.read()).status)
            watching.cancel()
            return told

    assert asyncio.run(ask()) == [2, 1]


def test_health_is_watched_until_the_drain() -> None:
    """A watcher hears SERVING, NOT_SERVING when the server drains, and the end; of an unknown name SERVICE_UNKNOWN."""

    async def ask() -> tuple[list[int], int]:
        async with serving(snapshot(), drain_wait_ms=200) as served:
            stub = health_stub(served.channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest(service="fingerpost.v1.RouterService"))
            unknown = stub.Watch(health_pb2.HealthCheckRequest(service="nope"))
            heard = [(await watch.read()).status]
            other = (await unknown.read()).status
            await served.server.health.stop()
            heard.append((await watch.read()).status)
            unknown.cancel()
            served.server.health.end()
            assert await watch.read() is grpc.aio.EOF
        return heard, other

    serving_, not_serving, unknown = 1, 2, 3
    assert asyncio.run(ask()) == ([serving_, not_serving], unknown)


def test_whatever_a_revision_raises_the_last_good_one_stays() -> None:
    """A revision that cannot be opened for a reason nobody foresaw is refused and counted, and polling goes on."""

    async def ask() -> tuple[str, int, str]:
        async with serving(snapshot()) as served:
            good = served.activations.snapshots["default"]
            served.activations.snapshots["default"] = replace(good, activation=Activation("default", "b" * 64, 2))
            served.activations.broken = RuntimeError("engine lost")
            async with asyncio.timeout(5):
                while not served.server.runtime.refused_reloads.get("default"):
                    await asyncio.sleep(0.01)
            during = (await served.stub.Route(pb.RouteRequest(text="fix this bug"))).revision
            refused = served.server.runtime.refused_reloads["default"]
            served.activations.broken = None
            served.activations.snapshots["default"] = replace(good, activation=Activation("default", "c" * 64, 3))
            async with asyncio.timeout(5):
                while served.server.runtime.snapshots["default"].revision != "c" * 64:
                    await asyncio.sleep(0.01)
            return during, refused, (await served.stub.Route(pb.RouteRequest(text="fix this bug"))).revision

    assert asyncio.run(ask()) == ("r" * 64, 1, "c" * 64)


def test_reflection_describes_the_service() -> None:
    """A client without stubs learns the services and the messages from the server."""

    async def ask() -> None:
        async with serving(snapshot()) as served:
            await asyncio.to_thread(describe, served.address)

    def describe(address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            names = database.get_services()
            assert {"fingerpost.v1.RouterService", "grpc.health.v1.Health"} <= set(names)
            file = database.FindFileContainingSymbol("fingerpost.v1.RouteRequest")
            assert file.package == "fingerpost.v1"

    asyncio.run(ask())


def test_short_connection_age_hurts_no_call() -> None:
    """Connections that the server closes for their age cost no call: each is answered."""

    async def ask() -> int:
        async with serving(snapshot(), connection_age_ms=200) as served:
            answered = 0
            until = time.monotonic() + 1.5
            while time.monotonic() < until or answered <= 50:
                answered += bool((await served.stub.Route(pb.RouteRequest(text="fix this bug"))).model)
            return answered

    assert asyncio.run(ask()) > 50
