"""10,000 calls at once on 100 connections: each is answered or refused within its deadline."""

from typing import Any

from benchmarks.load.bench import Bench, route
from benchmarks.load.driver import Burst
from benchmarks.load.flood import Flood, flood
from benchmarks.load.workload import requests, short

_CALLS = 10_000
_CONNECTIONS = 100
_BODIES = 4

_PROPER = {"OK", "RESOURCE_EXHAUSTED"}


def measure(bench: Bench) -> dict[str, Any]:
    """By the driver, which sees codes and takes a while to send so much, then by h2load, which sends it at once."""
    texts = short(bench.sets)
    with bench.serve() as server:
        run = bench.generator.run(route(server, requests(texts), connections=_CONNECTIONS), Burst(_CALLS))
    with bench.serve() as server:
        target = route(server, requests(texts[:_BODIES]), connections=_CONNECTIONS)
        before = server.metrics()
        parts = flood(Flood(target, calls=_CALLS))
        counted = server.metrics().since(before).by("fingerpost_calls_total", "code")
    flooded = sum(parts[1:], parts[0])
    return {
        "calls": _CALLS,
        "connections": _CONNECTIONS,
        "driver": run.summary(),
        "improper": sum(len(times) for code, times in run.codes.items() if code not in _PROPER),
        "h2load": {"done": flooded.done, "failed": flooded.failed, "times": flooded.times.summary(), "codes": counted},
    }
