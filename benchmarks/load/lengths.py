"""What longer requests cost: short queries beside prompts as people write them, with one in a hundred far too long."""

from statistics import median
from typing import Any

from benchmarks.load.bench import Bench, route
from benchmarks.load.driver import Closed, Open
from benchmarks.load.workload import prompts, shared, short

_CALLERS = 8


def measure(bench: Bench) -> dict[str, Any]:
    """Each workload on a server of its own: its ceiling, and half of it in an open loop."""
    return {name: _one(bench, texts) for name, texts in _workloads(bench).items()}


def _workloads(bench: Bench) -> dict[str, list[str]]:
    return {"short": short(bench.sets), "prompts": prompts(bench.sets)}


def _one(bench: Bench, texts: list[str]) -> dict[str, Any]:
    with bench.serve() as server:
        target = route(server, shared(texts))
        closed = bench.generator.run(target, Closed(_CALLERS, bench.seconds(2, 15), bench.warmup_seconds))
        load = Open(0.5 * closed.goodput_per_s, bench.seconds(3, 30), bench.warmup_seconds)
        steady = bench.generator.run_valid(target, load)
        waits = server.metrics()
    return {
        "texts": len(texts),
        "bytes_median": median(len(text.encode()) for text in texts),
        "bytes_longest": max(len(text.encode()) for text in texts),
        "callers": _CALLERS,
        "closed": closed.summary(),
        "steady": steady.summary(),
        "loop_lag_p99_at_most_s": waits.bound_at("fingerpost_event_loop_lag_seconds", 0.99),
    }
