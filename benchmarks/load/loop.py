"""Where one process ends: what a call costs the event loop, and how many embedding threads one loop can feed.

The loop's own time on a processor is counted, so that it does not matter how many cores there are. Vectors that callers
bring pass through the engine without the encoder: they show the loop at its limit beside one embedding thread.
"""

from typing import Any

import grpc

from benchmarks.load.bench import CACHE_BYTES, Bench, route
from benchmarks.load.driver import Target
from benchmarks.load.flood import Flood, flood
from benchmarks.load.saturation import answered_per_s
from benchmarks.load.spread import spread
from benchmarks.load.workload import requests, short
from benchmarks.serving import ServerUnderTest
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub

_IN_FLIGHT = 128
_BODIES = 8
_PATIENT = {"queue_standing_ms": 2_000, "queue_burst_ms": 2_000}  # h2load asks again at once when it is refused


def measure(bench: Bench) -> dict[str, Any]:
    """Per server start: calls a second, and microseconds of the loop and of the engine for each, by kind of call."""
    kinds = {"texts": 0, "vectors": 0, "hits": CACHE_BYTES}
    found: dict[str, Any] = {}
    for kind, cache_bytes in kinds.items():
        starts = [_one_start(bench, kind, cache_bytes) for _ in range(bench.starts)]
        found[kind] = {key: spread([start[key] for start in starts]) for key in starts[0]}
    texts = found["texts"]
    found["threads_fed"] = texts["engine_us"]["median"] / texts["loop_us"]["median"]
    return found


def _one_start(bench: Bench, kind: str, cache_bytes: int) -> dict[str, float]:
    seconds = bench.seconds(2, 5)
    texts = short(bench.sets, _BODIES)
    with bench.serve(embed_threads=1, cache_bytes=cache_bytes, **_PATIENT) as server:
        bodies = _vectors(server, texts) if kind == "vectors" else requests(texts)
        target = route(server, bodies, connections=_IN_FLIGHT // 8)
        flood(Flood(target, 0.5, in_flight=_IN_FLIGHT))
        return _counted(server, target, seconds)


def _counted(server: ServerUnderTest, target: Target, seconds: float) -> dict[str, float]:
    before, loop, engine = server.metrics(), server.family.first_thread_cpu_seconds, server.engine_cpu_seconds
    flood(Flood(target, seconds, in_flight=_IN_FLIGHT))
    loop, engine = server.family.first_thread_cpu_seconds - loop, server.engine_cpu_seconds - engine
    per_s = answered_per_s(server.metrics().since(before), seconds)
    calls = per_s * seconds
    return {
        "per_s": per_s,
        "loop_us": 1e6 * loop / calls,
        "engine_us": 1e6 * engine / calls,
        "loop_share": loop / seconds,
        "engine_share": engine / seconds,
    }


def _vectors(server: ServerUnderTest, texts: list[str]) -> tuple[bytes, ...]:
    """Requests with the vectors that the server itself gives the texts."""
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = RouterServiceStub(channel)
        embeddings = [stub.Route(pb.RouteRequest(text=text, include_embedding=True)).embedding for text in texts]
    return tuple(pb.RouteRequest(embedding=embedding).SerializeToString() for embedding in embeddings)
