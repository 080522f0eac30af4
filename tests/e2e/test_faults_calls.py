"""Calls that are given up, come all at once, or have little time: each ends as documented, and nothing stays behind."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.processes import ServerProcess, stopped
from tests.serving import health_stub
from tests.watched import METRICS, OWN_CONNECTION, ROUTE, Watched, until

Serve = Callable[..., ServerProcess]

_CAPACITY = 4

_ITEMS = 10

_OWN = 10  # descriptors and threads that the library opens and closes for itself, far fewer than calls

_PUSHBACK = "grpc-retry-pushback-ms"


@pytest.fixture(scope="module")
def small(published: Path) -> Iterator[Watched]:
    """A server that decides few requests at a time."""
    with ServerProcess(published, in_flight_calls=_CAPACITY, cache_bytes=0, **METRICS) as server:
        yield Watched(server)


async def _cancelled(address: str, calls: int, seed: int) -> Counter[str]:
    """Codes of calls that are cancelled at random points, twice as many at a time as the server decides."""
    chance = random.Random(seed)  # noqa: S311
    codes: Counter[str] = Counter()

    async def caller(stub: Any, health: Any) -> None:
        for number in range(calls // (2 * _CAPACITY)):
            if number % 10:
                call = stub.Route(pb.RouteRequest(text=f"given up {seed} {chance.random()}"), timeout=30)
            else:
                call = health.Watch(health_pb2.HealthCheckRequest(), timeout=30)
            await asyncio.sleep(chance.random() * 0.02)
            call.cancel()
            codes[(await call.code()).name] += 1

    async with grpc.aio.insecure_channel(address, OWN_CONNECTION) as channel:
        callers = [caller(RouterServiceStub(channel), health_stub(channel)) for _ in range(2 * _CAPACITY)]
        await asyncio.gather(*callers)
    return codes


def test_cancelled_at_random_points(small: Watched) -> None:
    """After 1,500 calls and streams that were cancelled at any point, every place is free and a call is answered."""
    before = small.metric("fingerpost_calls_total", code="CANCELLED", method=ROUTE)
    codes = asyncio.run(_cancelled(small.address, 1_500, seed=1))
    assert codes["CANCELLED"] >= 500
    assert set(codes) <= {"CANCELLED", "OK", "RESOURCE_EXHAUSTED"}
    until(lambda: small.left == (0, 0), 30)
    begun = small.metric("fingerpost_calls_total", code="CANCELLED", method=ROUTE) - before
    assert begun >= 50  # the others were given up before the server knew of them, or refused
    replies = [small.ask(f"after all of them {number}") for number in range(_CAPACITY)]
    assert not any(reply.degraded for reply in replies)


def test_cancelled_calls_leave_no_memory(small: Watched) -> None:
    """Two thousand more of them take no memory, descriptor or thread that stays."""
    asyncio.run(_cancelled(small.address, 1_000, seed=2))
    before, descriptors, threads = small.family.anonymous_bytes, small.family.descriptors, small.family.threads
    asyncio.run(_cancelled(small.address, 2_000, seed=3))
    until(lambda: small.left == (0, 0), 30)
    until(lambda: small.family.descriptors <= descriptors + _OWN, 30)
    assert small.family.threads <= threads + _OWN
    assert small.family.anonymous_bytes - before < 15_000_000


async def _at_once(address: str, calls: int, connections: int) -> list[tuple[str, bool]]:
    """Code, and whether a time to retry after was named, of calls that are sent at the same moment."""
    channels = [grpc.aio.insecure_channel(address, OWN_CONNECTION) for _ in range(connections)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))

    async def one(number: int) -> tuple[str, bool]:
        stub: Any = RouterServiceStub(channels[number % connections])
        call = stub.Route(pb.RouteRequest(text=f"one of many {number}"), timeout=_CROWD_SECONDS)
        code = await call.code()
        told = int(dict(await call.trailing_metadata()).get(_PUSHBACK, 0)) > 0
        return code.name, told

    try:
        return list(await asyncio.gather(*(one(number) for number in range(calls))))
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


_CROWD_SECONDS = 60.0


def test_two_thousand_calls_at_once(published: Path, serve: Serve) -> None:
    """On 20 connections at the same moment each is answered, or refused with a time to retry after, in its time."""
    watched = Watched(serve(published, cache_bytes=0, in_flight_calls=1_000, **METRICS))
    ended = asyncio.run(_at_once(watched.address, 2_000, 20))
    codes = Counter(code for code, _ in ended)
    assert set(codes) == {"OK", "RESOURCE_EXHAUSTED"}
    assert codes["OK"] >= 50
    assert all(told for code, told in ended if code == "RESOURCE_EXHAUSTED")
    until(lambda: watched.left == (0, 0), 30)
    counted = watched.metric("fingerpost_calls_total", method=ROUTE)
    assert counted <= 2_000  # the library itself refuses what is beyond twice the capacity
    assert not watched.ask("and afterwards").degraded


def _long_batch(items: int) -> pb.RouteBatchRequest:
    """Each takes an embedding thread tens of milliseconds."""
    texts = [f"number {number} " + "of many words that differ " * 60 for number in range(items)]
    return pb.RouteBatchRequest(requests=[pb.RouteRequest(text=text) for text in texts])


def test_a_deadline_holds_in_every_method(published: Path, serve: Serve) -> None:
    """Behind work that does not end a call with little time ends and is never embedded; one with time is answered."""
    watched = Watched(serve(published, embed_threads=1, queue_burst_ms=60_000, cache_bytes=0, **METRICS))
    with watched.channel() as channel:
        stub: Any = RouterServiceStub(channel)
        stub.Route(pb.RouteRequest(text="number 0 " + "of many words that differ " * 60))  # what such a text takes
        with stopped(watched.server):
            batch = stub.RouteBatch.future(_long_batch(_ITEMS), timeout=60)
            until(lambda: watched.left[1] >= _ITEMS // 2, 30)
            patient = stub.Route.future(pb.RouteRequest(text="I have time"), timeout=60)
            hasty = pb.RouteRequest(text="I am in a hurry")
            for call, request in (
                (stub.Route, hasty),
                (stub.RouteBatch, pb.RouteBatchRequest(requests=[hasty, hasty])),
                (stub.Explain, pb.ExplainRequest(request=hasty)),
            ):
                with pytest.raises(grpc.RpcError) as refused:
                    call(request, timeout=0.4)
                assert refused.value.code().name in {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
        assert not patient.result().degraded
        batch.result()
    until(lambda: watched.left == (0, 0), 30)
    assert watched.metric("fingerpost_stage_seconds_count", stage="embed") == 1 + _ITEMS + 1


def test_grace_has_an_end(data: Path, serve: Serve) -> None:
    """A call that outlasts the grace after SIGTERM is ended, with a code that is retried, and the process exits."""
    watched = Watched(serve(data, drain_grace_ms=300, queue_burst_ms=60_000, embed_threads=1, **METRICS))
    with watched.channel() as channel, stopped(watched.server):
        batch: Any = RouterServiceStub(channel).RouteBatch.future(_long_batch(_ITEMS), timeout=60)
        until(lambda: watched.left[1] >= _ITEMS // 2, 30)
        watched.server.terminate()
        assert batch.code().name in {"UNAVAILABLE", "CANCELLED"}
    assert watched.server.wait(30) == 0
