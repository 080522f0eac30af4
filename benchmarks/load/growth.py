"""From 1,500 to 15,000 utterances: how much longer a call takes, how long a server starts, what it weighs."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import grpc

from benchmarks.load.bench import Bench
from benchmarks.load.spread import spread
from benchmarks.load.workload import ROUTE, requests, short
from benchmarks.serving import ServerUnderTest

_WARMUP = 50  # calls


def measure(bench: Bench) -> dict[str, Any]:
    """Two servers side by side take turns with the same texts, per start."""
    starts = [_one_start(bench) for _ in range(bench.starts)]
    return {key: spread([start[key] for start in starts]) for key in starts[0]}


def _one_start(bench: Bench) -> dict[str, float]:
    bodies = requests(short(bench.sets, bench.count(100, 400)))
    with bench.serve(bench.small) as small, bench.serve(bench.large) as large:
        small_ms, large_ms = _in_turns((small, large), bodies)
        return {
            "p50_ratio": large_ms / small_ms,
            "small_ms": small_ms,
            "large_ms": large_ms,
            "small_start_s": small.start_seconds,
            "large_start_s": large.start_seconds,
            "small_memory_mb": small.family.memory_bytes / 1e6,
            "large_memory_mb": large.family.memory_bytes / 1e6,
        }


def _in_turns(servers: Sequence[ServerUnderTest], bodies: Sequence[bytes]) -> list[float]:
    """Median milliseconds of each server, for one caller that asks one after the other."""
    channels = [grpc.insecure_channel(server.address) for server in servers]
    calls: list[Any] = [channel.unary_unary(ROUTE) for channel in channels]
    times: list[list[float]] = [[] for _ in servers]
    for number, body in enumerate([*bodies[:_WARMUP], *bodies]):
        for call, own in zip(calls, times, strict=True):
            started = time.perf_counter()
            call(body)
            if number >= _WARMUP:
                own.append(time.perf_counter() - started)
    for channel in channels:
        channel.close()
    return [median(own) * 1e3 for own in times]
