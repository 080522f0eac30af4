"""The exact cache: a hit beside the empty call, and what shares of hits do to a mixture."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import grpc

from benchmarks.load.bench import Bench, route
from benchmarks.load.driver import Closed, Open, Target
from benchmarks.load.flood import Flood, flood
from benchmarks.load.spread import spread
from benchmarks.load.workload import EMPTY, HEALTH, ROUTE, mixed, requests, short
from benchmarks.serving import ServerUnderTest

_CACHE_BYTES = 67_108_864
_IN_FLIGHT = 128
_SHARES = (0.0, 0.5, 0.9)
_KNOWN = 200
_CALLERS = 8


def measure(bench: Bench) -> dict[str, Any]:
    """Hits against empty calls by the same generators in turns, per server start; then the shares."""
    starts = [_one_start(bench) for _ in range(bench.starts)]
    hit = {key: spread([start[key] for start in starts]) for key in starts[0]}
    return {"in_flight": _IN_FLIGHT, "hit": hit, "shares": [_share(bench, share) for share in _SHARES]}


def _one_start(bench: Bench) -> dict[str, float]:
    body = requests(short(bench.sets, 1))
    with bench.serve(cache_bytes=_CACHE_BYTES) as server:
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


def _share(bench: Bench, share: float) -> dict[str, Any]:
    """A server of its own, with the cache on, whose known texts were asked before."""
    known = short(bench.sets, _KNOWN)
    with bench.serve(cache_bytes=_CACHE_BYTES) as server:
        warm = route(server, requests(known))
        bench.generator.run(warm, Closed(callers=4, seconds=1, warmup_seconds=0.5))
        texts = mixed(known, share, 200_000 if bench.full else 30_000)
        half = len(texts) // 2
        before = server.metrics()
        closed = bench.generator.run(
            route(server, requests(texts[:half])), Closed(_CALLERS, bench.seconds(1.5, 20), bench.warmup_seconds)
        )
        rate = 0.5 * closed.goodput_per_s
        load = Open(rate, bench.seconds(2, 30), bench.warmup_seconds)
        steady = bench.generator.run_valid(route(server, requests(texts[half:])), load)
        lookups = server.metrics().since(before).by("fingerpost_cache_lookups_total", "result")
    return {
        "asked_share": share,
        "found_share": lookups.get("hit", 0.0) / (sum(lookups.values()) or 1.0),
        "callers": _CALLERS,
        "closed": closed.summary(),
        "steady": steady.summary(),
    }
