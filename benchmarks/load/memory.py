"""What a server holds after many calls, and what it does when nobody calls."""

import time
from typing import Any

from benchmarks.load.bench import CACHE_BYTES, Bench, route
from benchmarks.load.driver import Closed
from benchmarks.load.flood import Flood, RunningFlood
from benchmarks.load.knee import slope
from benchmarks.load.watch import MemoryWatch
from benchmarks.load.workload import requests, short
from benchmarks.serving import ServerUnderTest

_QUIET_SECONDS = 2.0
_CALLS = 1e5  # that the slope is told for
_BODIES = 4


def measure(bench: Bench) -> dict[str, Any]:
    """Slopes of memory over calls, with the cache off and with every call a hit; CPU afterwards, when all is quiet."""
    found: dict[str, Any] = {}
    with bench.serve() as server:
        found["misses"] = _slope(bench, server)
        found["idle_cpu_share"] = _idle(bench, server)
    if bench.full:
        with bench.serve(cache_bytes=CACHE_BYTES) as server:
            found["hits"] = _slope(bench, server)
    return found


def _slope(bench: Bench, server: ServerUnderTest) -> dict[str, float]:
    """Of resident memory over the calls that the server counted, after a warm-up."""
    target = route(server, requests(short(bench.sets, _BODIES)))
    warm = route(server, requests(short(bench.sets)))
    bench.generator.run(warm, Closed(8, bench.seconds(1, 20)))
    seconds = bench.seconds(3, 90)
    calls: list[float] = []
    sizes: list[float] = []
    with RunningFlood(Flood(target, seconds, in_flight=32)) as running, MemoryWatch(server) as memory:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            calls.append(server.metrics().sum("fingerpost_calls_total"))
            sizes.append(server.family.anonymous_bytes / 1e6)
            time.sleep(0.25)
        running.wait()
    settled = len(calls) // 5  # the flood itself warms up
    return {
        "mb_per_100_000_calls": _CALLS * slope(calls[settled:], sizes[settled:]),
        "calls": calls[-1] - calls[0],
        "highest_mb": memory.highest_mb,
    }


def _idle(bench: Bench, server: ServerUnderTest) -> float:
    """Share of a core, from two seconds after the last call."""
    time.sleep(_QUIET_SECONDS)
    before, started = server.family.cpu_seconds, time.monotonic()
    time.sleep(bench.seconds(2, 20))
    return (server.family.cpu_seconds - before) / (time.monotonic() - started)
