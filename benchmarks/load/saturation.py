"""Saturation: calls a second with 128 in flight and no cache, beside what as many embedding threads reach alone."""

from collections.abc import Sequence
from random import Random
from typing import Any

from benchmarks.encoder_alone import encoder_alone
from benchmarks.load.bench import Bench, route
from benchmarks.load.driver import Closed
from benchmarks.load.flood import Flood, Flooded, flood
from benchmarks.load.spread import spread
from benchmarks.load.workload import requests, short
from benchmarks.serving import Metrics

_IN_FLIGHT = 128
_BODIES = 8  # one h2load process each
_UNBOUNDED_MS = 2_000  # with the default bound most of 128 calls are refused, and h2load asks again at once


def measure(bench: Bench) -> dict[str, Any]:
    """Per server start and number of threads: ratios, with the queue as long as it may be and as it is by default."""
    patient = {"queue_standing_ms": _UNBOUNDED_MS, "queue_burst_ms": _UNBOUNDED_MS}
    cases: dict[str, dict[str, int]] = {
        "one_thread": {"embed_threads": 1, **patient},
        "two_threads": {"embed_threads": 2, **patient},
        "default_queue": {"embed_threads": 1},
    }
    found: dict[str, Any] = {"in_flight": _IN_FLIGHT, "bodies": _BODIES, "cases": {}}
    for name, settings in list(cases.items())[: None if bench.full else 1]:
        starts = [_one_start(bench, settings) for _ in range(bench.starts)]
        found["cases"][name] = {
            "settings": settings,
            **{key: spread([start[key] for start in starts]) for key in starts[0]},
        }
    return found


def _one_start(bench: Bench, settings: dict[str, int]) -> dict[str, float]:
    seconds = bench.seconds(2, 5)
    texts = short(bench.sets, _BODIES)
    with encoder_alone(bench.small.encoder) as alone, bench.serve(**settings) as server:
        target = route(server, requests(texts), connections=_IN_FLIGHT // 8)
        bench.generator.run(target, Closed(callers=4, seconds=0.5, warmup_seconds=0.5))
        before = server.metrics()
        flooded = flood(Flood(target, seconds, in_flight=_IN_FLIGHT))
        counted = server.metrics().since(before)
        threads = settings["embed_threads"]
        floor = alone.texts_per_second(_as_served(texts, flooded), threads, seconds)
    served = answered_per_s(counted, seconds)
    return {
        "ratio": served / floor,
        "served_per_s": served,
        "refused_per_s": counted.sum("fingerpost_calls_total", code="RESOURCE_EXHAUSTED") / seconds,
        "in_process_per_s": floor,
    }


def answered_per_s(counted: Metrics, seconds: float) -> float:
    """By the server's own count, since h2load does not see gRPC codes."""
    return counted.sum("fingerpost_calls_total", code="OK") / seconds


def _as_served(texts: Sequence[str], flooded: Sequence[Flooded]) -> list[str]:
    """Each text as often as it was sent, in a mixed order."""
    order = [text for text, part in zip(texts, flooded, strict=True) for _ in range(part.done)]
    Random(1).shuffle(order)  # noqa: S311  a fixed order
    return order
