"""What shares of hits do to a mixture of texts, some of which the exact cache knows."""

from typing import Any

from benchmarks.load.bench import CACHE_BYTES, Bench, route
from benchmarks.load.driver import Closed, Open
from benchmarks.load.workload import mixed, requests, short

_SHARES = (0.0, 0.5, 0.9)
_KNOWN = 200
_CALLERS = 8


def measure(bench: Bench) -> dict[str, Any]:
    """A closed loop, and an open one at half of what that reached, for each share."""
    return {"callers": _CALLERS, "shares": [_share(bench, share) for share in _SHARES]}


def _share(bench: Bench, share: float) -> dict[str, Any]:
    """A server of its own, with the cache on, whose known texts were asked before."""
    known = short(bench.sets, _KNOWN)
    with bench.serve(cache_bytes=CACHE_BYTES) as server:
        warm = route(server, requests(known))
        bench.generator.run(warm, Closed(callers=4, seconds=1, warmup_seconds=0.5))
        texts = mixed(known, share, 200_000 if bench.full else 30_000)
        half = len(texts) // 2
        before = server.metrics()
        closed = bench.generator.run(
            route(server, requests(texts[:half])), Closed(_CALLERS, bench.seconds(1.5, 10), bench.warmup_seconds)
        )
        rate = 0.5 * closed.goodput_per_s
        load = Open(rate, bench.seconds(2, 15), bench.warmup_seconds)
        steady = bench.generator.run_valid(route(server, requests(texts[half:])), load)
        lookups = server.metrics().since(before).by("fingerpost_cache_lookups_total", "result")
    return {
        "asked_share": share,
        "found_share": lookups.get("hit", 0.0) / (sum(lookups.values()) or 1.0),
        "closed": closed.summary(),
        "steady": steady.summary(),
    }
