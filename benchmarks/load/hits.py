"""The exact cache: a hit beside the empty call."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import grpc

from benchmarks.load.bench import CACHE_BYTES, Bench, route
from benchmarks.load.driver import Target
from benchmarks.load.flood import Flood, flood
from benchmarks.load.spread import spread
from benchmarks.load.workload import EMPTY, HEALTH, ROUTE, requests, short
from benchmarks.serving import ServerUnderTest

_IN_FLIGHT = 128


def measure(bench: Bench) -> dict[str, Any]:
    """Hits against empty calls by the same generators in turns, per server start."""
    starts = [_one_start(bench) for _ in range(bench.starts)]
    return {"in_flight": _IN_FLIGHT, **{key: spread([start[key] for start in starts]) for key in starts[0]}}


def _one_start(bench: Bench) -> dict[str, float]:
    body = requests(short(bench.sets, 1))
    with bench.serve(cache_bytes=CACHE_BYTES) as server:
        hit_ms, empty_ms = _in_turns(server, body[0], bench.count(300, 2_000))
        seconds = bench.seconds(1.5, 5)
        rates = {}
        for name, target in (("empty", Target(server.address, HEALTH, (EMPTY,))), ("hit", route(server, body))):
            flood(Flood(target, 0.5, in_flight=_IN_FLIGHT))
            [flooded] = flood(Flood(target, seconds, in_flight=_IN_FLIGHT))
            rates[name] = flooded.per_s
    return {
        "p50_ratio": hit_ms / empty_ms,
        "hit_ms": hit_ms,
        "empty_ms": empty_ms,
        "throughput_ratio": rates["hit"] / rates["empty"],
        "hit_per_s": rates["hit"],
        "empty_per_s": rates["empty"],
    }


def _in_turns(server: ServerUnderTest, body: bytes, calls: int) -> tuple[float, float]:
    """Medians in milliseconds of one caller that asks for one and the other; bytes in, bytes out."""
    with grpc.insecure_channel(server.address) as channel:
        hit: Any = channel.unary_unary(ROUTE)
        empty: Any = channel.unary_unary(HEALTH)
        for _ in range(100):
            hit(body), empty(EMPTY)
        times = [(_seconds(lambda: hit(body)), _seconds(lambda: empty(EMPTY))) for _ in range(calls)]
    return median(one for one, _ in times) * 1e3, median(one for _, one in times) * 1e3


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
