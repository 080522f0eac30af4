"""More work than there is time for: who is refused, how, and who is not."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from fingerpost.types import Embedded
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb
from tests.fakes import BrokenEmbedder, GatedEmbedder, HandEngine, HashEmbedder, snapshot
from tests.serving import Served, refusal, serving

_PATIENCE_SECONDS = 300.0
"""Deadline of calls that must not run out of time."""


@dataclass
class SlowEmbedder(HashEmbedder):
    """Takes its time, without the processor's."""

    seconds: float = 0.01

    def embed_one(self, text: str) -> Embedded:
        time.sleep(self.seconds)
        return super().embed_one(text)


@dataclass(frozen=True)
class Ended:
    """How a call ended: its code; the cause of a refusal or the first reason of a fallback; when to try again."""

    code: str
    cause: str = ""
    retry_ms: int | None = None


async def ended(served: Served, request: pb.RouteRequest, seconds: float = _PATIENCE_SECONDS) -> Ended:
    try:
        reply = await served.stub.Route(request, timeout=seconds)
    except grpc.aio.AioRpcError as error:
        answer = await refusal(_raised(error))
        return Ended(answer.code.name, answer.metadata.get("cause", ""), answer.retry_ms)
    return Ended("OK", decision_pb2.Reason.Name(reply.reasons[0]) if reply.degraded else "")


async def _raised(error: grpc.aio.AioRpcError) -> None:
    raise error


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it; the time limit of the test is the end."""
    while not holds():
        await asyncio.sleep(0.001)


class Crowd:
    """Calls that are sent to a server whose thread works by hand."""

    def __init__(self, served: Served, engine: HandEngine) -> None:
        self._served = served
        self._engine = engine
        self.calls: list[asyncio.Task[Ended]] = []

    async def send(self, text: str, tenant: str = "", seconds: float = _PATIENCE_SECONDS) -> asyncio.Task[Ended]:
        """One call more, which has been refused, answered or let in when this comes back."""
        request = pb.RouteRequest(text=text, tenant=tenant)
        call = asyncio.ensure_future(ended(self._served, request, seconds))
        self.calls.append(call)
        await self._settled()
        return call

    async def work(self) -> None:
        """Let the thread do one text; who waits for it has the answer when this comes back."""
        before = self.ended
        await until(lambda: len(self._engine.sent) > 0)
        self._engine.work()
        await until(lambda: self.ended > before)
        await self._settled()

    async def finish(self) -> list[Ended]:
        """Do all that was let in."""
        while self.waiting:
            await self.work()
        return [await call for call in self.calls]

    @property
    def waiting(self) -> int:
        """Calls that the server let in and has not answered."""
        return self._served.server.admission.in_flight

    @property
    def ended(self) -> int:
        return sum(call.done() for call in self.calls)

    async def _settled(self) -> None:
        await until(lambda: self.ended + self.waiting == len(self.calls))


def test_a_standing_queue_is_refused_beyond_its_time() -> None:
    """At five times what one thread can do, waits stay at the bound and the rest is refused with push-back."""
    engine = HandEngine(0.03)

    async def run() -> list[Ended]:
        settings = {"queue_standing_ms": 200, "queue_burst_ms": 400}
        async with serving(snapshot(), engine=engine, **settings) as served:
            crowd = Crowd(served, engine)
            await crowd.send("learn 000")
            await crowd.work()
            for number in range(10):
                await crowd.send(f"fill {number:03}")
            await asyncio.sleep(0.5)  # longer than a burst may wait: from now on the queue is a standing one
            await crowd.work()
            while crowd.waiting > 6:  # as many as make 200 ms of work
                await crowd.work()
            for turn in range(40):
                for number in range(5):
                    await crowd.send(f"text {turn:02}{number}")
                    assert crowd.waiting == 7  # the last of them found six before it, 180 ms; the next finds too many
                await crowd.work()
            return await crowd.finish()

    _, *results = asyncio.run(run())
    text = results[10:]
    assert [end.code for end in text] == ["OK", *["RESOURCE_EXHAUSTED"] * 4] * 40  # what was done makes room for one
    refused = [end for end in results if end.code != "OK"]
    assert {end.cause for end in refused} == {"queue"}
    assert all(end.retry_ms for end in refused)


def test_a_flood_leaves_the_others_their_answers() -> None:
    """Nine small tenants are all answered, each soon, while a tenth sends ten times what the server can do."""
    engine = HandEngine(0.025)

    async def run() -> tuple[list[Ended], list[int], list[Ended]]:
        settings = {"queue_standing_ms": 200, "queue_burst_ms": 400, "in_flight_calls": 10_000}
        async with serving(snapshot(), engine=engine, **settings) as served:
            crowd = Crowd(served, engine)
            await crowd.send("learn 000")
            await crowd.work()
            sent: list[tuple[int, asyncio.Task[Ended]]] = []
            texts: dict[asyncio.Task[Ended], int] = {}  # done before the answer came
            flood = []
            for turn in range(80):  # of 25 ms
                flood += [await crowd.send(f"text {turn:02}{number}", "flood") for number in range(10)]
                if turn >= 8 and turn % 2 == 0:  # each of the nine about twice a second
                    tenant = f"small-{turn // 2 % 9}"
                    sent.append((turn, await crowd.send(f"small {turn:03}", tenant)))
                await crowd.work()
                texts |= {call: turn for _, call in sent if call.done() and call not in texts}
            await crowd.finish()
            waits = [texts.get(call, 80) - turn for turn, call in sent]
            return [await call for _, call in sent], waits, [await call for call in flood]

    small, waits, flood = asyncio.run(run())
    assert [end.code for end in small] == ["OK"] * 36
    assert max(waits) <= 10  # turns, of which each waiting tenant gets one
    assert {end.code for end in flood} == {"OK", "RESOURCE_EXHAUSTED"}


def test_too_little_time_for_the_text_gives_the_fallback_at_once() -> None:
    """When the time left is less than such a text has taken, the fallback comes at once, marked degraded."""
    engine = HandEngine(3_600.0)

    async def run() -> tuple[Ended, pb.RouteResponse]:
        async with serving(snapshot(), engine=engine) as served:
            crowd = Crowd(served, engine)
            await crowd.send("learn my length")
            await crowd.work()
            found = await ended(served, pb.RouteRequest(text="of that length?"), seconds=120)
            reply = await served.stub.Route(pb.RouteRequest(text="of that length!"), timeout=120)
            return found, reply

    found, reply = asyncio.run(run())
    assert (found.code, found.cause) == ("OK", "REASON_DEADLINE_SHORT")
    assert not engine.sent  # nobody waited for the thread
    assert (reply.degraded, reply.model, reply.route) == (True, "big", "")
    assert not reply.HasField("confidence")
    assert not reply.HasField("similarity")


def test_a_wait_beyond_the_deadline_is_refused() -> None:
    """A call that could not be done in time for the queue before it is refused at once, not left to time out."""
    engine = HandEngine(10.0)

    async def run() -> Ended:
        async with serving(snapshot(), engine=engine) as served:
            crowd = Crowd(served, engine)
            await crowd.send("learn 0")
            await crowd.work()
            for number in range(5):
                await crowd.send(f"wait {number}")
            hurry = await crowd.send("hurry 1", seconds=55)
            assert crowd.waiting == 5
            await crowd.finish()
            return await hurry

    found = asyncio.run(run())
    assert (found.code, found.cause) == ("RESOURCE_EXHAUSTED", "deadline")


def test_a_batch_comes_in_as_a_whole() -> None:
    """A full batch on an idle server is answered in every item, though its own work is longer than the queue may be."""

    async def run() -> list[bool]:
        async with serving(snapshot([SlowEmbedder()]), queue_burst_ms=100, queue_standing_ms=50) as served:
            items = [pb.RouteRequest(text=f"item {n}") for n in range(100)]
            batch = await served.stub.RouteBatch(pb.RouteBatchRequest(requests=items), timeout=_PATIENCE_SECONDS)
            return [result.HasField("response") and not result.response.degraded for result in batch.results]

    assert asyncio.run(run()) == [True] * 100


def test_a_batch_is_refused_as_a_whole() -> None:
    """While the queue is too long, a batch is RESOURCE_EXHAUSTED with push-back."""
    embedder = GatedEmbedder()

    async def run() -> Any:
        async with serving(snapshot([embedder]), queue_burst_ms=1, queue_standing_ms=1) as served:
            slow = asyncio.ensure_future(
                served.stub.Route(pb.RouteRequest(text="slow " * 400), timeout=_PATIENCE_SECONDS)
            )
            await asyncio.to_thread(embedder.entered.wait)
            answer = await refusal(served.stub.RouteBatch(pb.RouteBatchRequest(requests=[pb.RouteRequest(text="x")])))
            embedder.gate.set()
            await slow
            return answer

    answer = asyncio.run(run())
    assert (answer.code, answer.metadata["cause"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "queue")
    assert answer.retry_ms


def test_a_broken_encoder_lowers_coverage_and_nothing_else() -> None:
    """Each call gets the fallback, marked, at once."""

    async def run() -> set[Ended]:
        async with serving(snapshot([BrokenEmbedder()])) as served:
            return {await ended(served, pb.RouteRequest(text=f"x {n}")) for n in range(20)}

    assert asyncio.run(run()) == {Ended("OK", "REASON_ENCODER_UNAVAILABLE")}
