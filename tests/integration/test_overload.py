"""More work than there is time for: who is refused, how, and who is not."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from fingerpost.types import Embedded
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb
from tests.fakes import BrokenEmbedder, GatedEmbedder, HashEmbedder, snapshot
from tests.serving import Served, refusal, serving

pytestmark = pytest.mark.alone


@dataclass
class SlowEmbedder(HashEmbedder):
    """Takes its time, without the processor's."""

    seconds: float = 0.01

    def embed_one(self, text: str) -> Embedded:
        time.sleep(self.seconds)
        return super().embed_one(text)


async def code_of(served: Served, request: pb.RouteRequest, seconds: float = 20) -> tuple[str, str]:
    """How a call ended: its code, and the cause of a refusal or the first reason of a fallback."""
    try:
        reply = await served.stub.Route(request, timeout=seconds)
    except grpc.aio.AioRpcError as error:
        answer = await refusal(_raised(error))
        return answer.code.name, answer.metadata.get("cause", "")
    return "OK", decision_pb2.Reason.Name(reply.reasons[0]) if reply.degraded else ""


async def _raised(error: grpc.aio.AioRpcError) -> None:
    raise error


def test_a_standing_queue_is_refused_beyond_its_time() -> None:
    """At several times what one thread can do, waits stay about at the bound and the rest is refused with push-back."""

    async def run() -> list[tuple[str, str, float]]:
        settings = {"queue_standing_ms": 200, "queue_burst_ms": 400, "default_deadline_ms": 20_000}
        async with serving(snapshot([SlowEmbedder(0.04)]), **settings) as served:

            async def one(number: int) -> tuple[str, str, float]:
                await asyncio.sleep(number * 0.008)  # 125 a second, and one thread does 25
                began = time.monotonic()
                code, cause = await code_of(served, pb.RouteRequest(text=f"text {number}"))
                return code, cause, time.monotonic() - began

            return list(await asyncio.gather(*(one(number) for number in range(300))))

    results = asyncio.run(run())
    assert {code for code, _, _ in results} == {"OK", "RESOURCE_EXHAUSTED"}
    assert {cause for code, cause, _ in results if code != "OK"} == {"queue"}
    late = [took for code, _, took in results[150:] if code == "OK"]  # of 1.2 seconds, in which 30 can be done
    assert len(late) >= 20
    assert sorted(late)[len(late) // 2] < 0.4


def test_a_flood_leaves_the_others_their_answers() -> None:
    """Nine small tenants are all answered while a tenth sends ten times what the server can do."""

    async def run() -> dict[str, list[str]]:
        settings = {"queue_standing_ms": 200, "queue_burst_ms": 400, "in_flight_calls": 10_000}
        async with serving(snapshot([SlowEmbedder(seconds=0.025)]), **settings) as served:
            await served.stub.Route(pb.RouteRequest(text="learn my length"), timeout=20)
            codes: dict[str, list[str]] = {}

            async def one(tenant: str, at: float, number: int) -> None:
                await asyncio.sleep(at)
                request = pb.RouteRequest(text=f"{tenant} {number}", tenant=tenant)
                codes.setdefault(tenant, []).append((await code_of(served, request, seconds=2))[0])

            flood = [one("flood", number / 400, number) for number in range(1000)]  # one thread does 40 a second
            small = [one(f"small-{n % 9}", 0.2 + n / 18, n) for n in range(36)]  # two a second and tenant
            await asyncio.gather(*flood, *small)
            return codes

    codes = asyncio.run(run())
    small = [code for tenant, found in codes.items() if tenant != "flood" for code in found]
    assert len(small) == 36
    assert small.count("OK") >= 0.95 * len(small)
    assert "RESOURCE_EXHAUSTED" in codes["flood"]


def test_too_little_time_for_the_text_gives_the_fallback_at_once() -> None:
    """When the time left is less than such a text has taken, the fallback comes in time, marked degraded."""
    slow = SlowEmbedder(seconds=0.5)

    async def run() -> tuple[tuple[str, str], float, pb.RouteResponse]:
        async with serving(snapshot([slow])) as served:
            await served.stub.Route(pb.RouteRequest(text="learn my length"), timeout=20)
            began = time.monotonic()
            found = await code_of(served, pb.RouteRequest(text="of that length?"), seconds=0.3)
            took = time.monotonic() - began
            reply = await served.stub.Route(pb.RouteRequest(text="of that length!"), timeout=0.3)
            return found, took, reply

    found, took, reply = asyncio.run(run())
    assert found == ("OK", "REASON_DEADLINE_SHORT")
    assert took < 0.3
    assert (reply.degraded, reply.model, reply.route) == (True, "big", "")
    assert not reply.HasField("confidence")
    assert not reply.HasField("similarity")


def test_a_wait_beyond_the_deadline_is_refused() -> None:
    """A call that could not be done in time for the queue before it is refused at once, not left to time out."""

    async def run() -> tuple[tuple[str, str], float]:
        async with serving(snapshot([SlowEmbedder(seconds=0.2)]), queue_burst_ms=5000) as served:
            await served.stub.Route(pb.RouteRequest(text="learn 0"), timeout=20)
            waiting = [asyncio.ensure_future(code_of(served, pb.RouteRequest(text=f"wait {n}"))) for n in range(5)]
            while served.server.admission.in_flight < 5:
                await asyncio.sleep(0.001)
            began = time.monotonic()
            found = await code_of(served, pb.RouteRequest(text="hurry 1"), seconds=0.5)
            took = time.monotonic() - began
            await asyncio.gather(*waiting)
            return found, took

    found, took = asyncio.run(run())
    assert found == ("RESOURCE_EXHAUSTED", "deadline")
    assert took < 0.4


def test_a_batch_comes_in_as_a_whole() -> None:
    """A full batch on an idle server is answered in every item, though its own work is longer than the queue may be."""

    async def run() -> list[bool]:
        async with serving(snapshot([SlowEmbedder()]), queue_burst_ms=100, queue_standing_ms=50) as served:
            items = [pb.RouteRequest(text=f"item {n}") for n in range(100)]
            batch = await served.stub.RouteBatch(pb.RouteBatchRequest(requests=items), timeout=20)
            return [result.HasField("response") and not result.response.degraded for result in batch.results]

    assert asyncio.run(run()) == [True] * 100


def test_a_batch_is_refused_as_a_whole() -> None:
    """While the queue is too long, a batch is RESOURCE_EXHAUSTED with push-back."""
    embedder = GatedEmbedder()

    async def run() -> Any:
        async with serving(snapshot([embedder]), queue_burst_ms=1, queue_standing_ms=1) as served:
            slow = asyncio.ensure_future(served.stub.Route(pb.RouteRequest(text="slow " * 400), timeout=20))
            await asyncio.to_thread(embedder.entered.wait, 10)
            answer = await refusal(served.stub.RouteBatch(pb.RouteBatchRequest(requests=[pb.RouteRequest(text="x")])))
            embedder.gate.set()
            await slow
            return answer

    answer = asyncio.run(run())
    assert (answer.code, answer.metadata["cause"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "queue")
    assert answer.retry_ms


def test_a_broken_encoder_lowers_coverage_and_nothing_else() -> None:
    """Each call gets the fallback, marked, at once."""

    async def run() -> set[tuple[str, str]]:
        async with serving(snapshot([BrokenEmbedder()])) as served:
            return {await code_of(served, pb.RouteRequest(text=f"x {n}")) for n in range(20)}

    assert asyncio.run(run()) == {("OK", "REASON_ENCODER_UNAVAILABLE")}
