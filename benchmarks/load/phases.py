"""Phases A to G: the ceiling, the knee, steady load, twice and ten times the knee, recovery, and load under faults."""

import time
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

from benchmarks.load.activations import Activating, two_revisions
from benchmarks.load.bench import Bench, route
from benchmarks.load.driver import Closed, Open, Run
from benchmarks.load.flood import Flood, RunningFlood
from benchmarks.load.knee import Step, knee, recovered_after
from benchmarks.load.schedule import Arrivals
from benchmarks.load.watch import MemoryWatch
from benchmarks.load.workload import shared, short
from benchmarks.serving import ServerUnderTest
from fingerpost.client import SERVICE_CONFIG

_CALLERS = (1, 2, 4, 8, 16, 32, 64)
_QUICK_CALLERS = (1, 8)
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
_QUICK_SHARES = {Arrivals.CONSTANT: (0.1, 0.5, 0.7, 0.9, 1.1), Arrivals.POISSON: (0.5, 0.9)}

_SAMPLE_PER_S = 100.0
_SAMPLE_SHARE = 0.2  # of what is offered, at most
_FLOOD_BODIES = 8

_LEAST_KNEE = 0.7
"""Of the ceiling: overload is a multiple of no less, since twice a low knee is no overload."""

_ACTIVATION_SECONDS = 0.6  # the server looks twice a second

_RECOVERED = 1.25
"""Recovered is a p99 of at most this multiple of the one before: less would be the noise of a few hundred calls."""

_CALLS_FOR_P999 = 105_000
_LONGEST_SECONDS = 420.0


def measure(bench: Bench) -> dict[str, Any]:
    """All phases on one server."""
    revisions = two_revisions(bench.small)
    with bench.serve() as server:
        return _Phases(bench, server).run(revisions)


def _knee_of(steps: Sequence[dict[str, Any]]) -> float:
    """As a share of the ceiling; the lowest when none passes."""
    rows = [
        Step(row["share"], row["codes"].get("OK", {}).get("p99_ms", inf), row["ok_share"], row["void"]) for row in steps
    ]
    found = knee(rows)
    return found.rate if found else rows[0].rate


class _Phases:
    """One server, one phase after the other; what a later one needs of an earlier one is kept."""

    def __init__(self, bench: Bench, server: ServerUnderTest) -> None:
        self._bench = bench
        self._server = server
        texts = short(bench.sets)
        self._target = route(server, shared(texts))
        self._few = route(server, shared(texts[:_FLOOD_BODIES]))

    def run(self, revisions: tuple[str, str]) -> dict[str, Any]:
        a = self._closed_loop()
        self._ceiling = ceiling = max(row["goodput_per_s"] for row in a)
        b = {arrivals: self._steps(arrivals) for arrivals in Arrivals}
        knees = {arrivals: _knee_of(steps) for arrivals, steps in b.items()}
        # Random arrivals queue for each other long before the server is busy; what it can do, even ones tell.
        share = knees[Arrivals.CONSTANT]
        self._knee = share * ceiling
        found = {"ceiling_per_s": ceiling, "knee_per_s": self._knee, "knee_share": share, "knee_shares": knees}
        found |= {"a": a, "b": b}
        found["knee"] = self._steady(1.0, self._bench.seconds(3, 30))
        found["half"] = self._steady(0.5, self._bench.seconds(3, 30))
        long_enough = min(_LONGEST_SECONDS, _CALLS_FOR_P999 / (0.8 * self._knee))
        found["c"] = self._steady(0.8, self._bench.seconds(4, long_enough))
        found["d"] = self._overload(2, self._bench.seconds(3, 60))
        found["e"] = self._overload(10, self._bench.seconds(3, 45))
        found["f"] = self._recovery(found["half"])
        found["g"] = self._activations(revisions)
        return found

    def _closed_loop(self) -> list[dict[str, Any]]:
        rows = []
        for callers in _CALLERS if self._bench.full else _QUICK_CALLERS:
            run = self._bench.generator.run(
                self._target, Closed(callers, self._bench.seconds(1.5, 10), self._bench.warmup_seconds)
            )
            rows.append({"callers": callers, **run.summary()})
        return rows

    def _steps(self, arrivals: Arrivals) -> list[dict[str, Any]]:
        rows = []
        for seed, share in enumerate(_SHARES if self._bench.full else _QUICK_SHARES[arrivals]):
            load = Open(share * self._ceiling, self._bench.seconds(2, 10), self._bench.warmup_seconds, arrivals, seed)
            run = self._bench.generator.run_valid(self._target, load)
            rows.append({"share": share, **run.summary()})
        return rows

    def _steady(self, share: float, seconds: float) -> dict[str, Any]:
        """At a share of the knee."""
        load = Open(share * self._knee, seconds, self._bench.warmup_seconds, seed=round(100 * share))
        return self._watched(lambda: self._bench.generator.run_valid(self._target, load))

    def _overload(self, multiple: float, seconds: float) -> dict[str, Any]:
        """A flood and a sample of it: the sample's codes and times stand for all, the server counts what was done."""
        generator, rate = self._bench.generator, multiple * max(self._knee, _LEAST_KNEE * self._ceiling)
        sample = Open(min(_SAMPLE_PER_S, _SAMPLE_SHARE * rate), seconds, 0.0, seed=round(multiple))
        with RunningFlood(Flood(self._few, seconds + 3, rate=rate - sample.rate)) as running:
            generator.run(self._few, replace(sample, seconds=1.0))  # until the flood is at its height
            found = self._watched(lambda: generator.run(self._few, sample))
            flooded = running.wait()
        late = found["goodput_per_s"] / (found["ok_share"] * found["achieved_per_s"] or 1.0)
        # A fallback because time was short is an answer, but none that the full path made.
        answered = found["server"]["calls_per_s"].get("OK", 0.0) - found["server"]["degraded_per_s"]
        return {
            **found,
            "offered_per_s": rate,
            "sample_per_s": sample.rate,
            "flood_achieved_per_s": sum(part.per_s for part in flooded),
            "flood_failed": sum(part.failed for part in flooded),
            "goodput_per_s": answered * late,
        }

    def _recovery(self, before: dict[str, Any]) -> dict[str, Any]:
        load = Open(0.5 * self._knee, self._bench.seconds(6, 40), warmup_seconds=0.0, seed=50)
        runs: list[Run] = []

        def go() -> Run:
            runs.append(self._bench.generator.run(self._target, load))
            return runs[-1]

        found = self._watched(go)
        limit = _RECOVERED * before["codes"]["OK"]["p99_ms"]
        waiting = self._server.metrics()
        return {
            **found,
            "limit_ms": limit,
            "recovered_after_s": recovered_after(runs[0].windows, limit),
            "memory_before_mb": before["server"]["memory_mb"]["last"],
            "left_in_flight": waiting.sum("fingerpost_in_flight_requests"),
            "left_in_queue": waiting.sum("fingerpost_queue_jobs"),
        }

    def _activations(self, revisions: tuple[str, str]) -> dict[str, Any]:
        seconds = self._bench.seconds(5, 1_001 * _ACTIVATION_SECONDS)
        target = replace(self._target, service_config=SERVICE_CONFIG)
        load = Open(0.8 * self._knee, seconds, 0.0, seed=80)
        before, found_before = self._server.metrics(), self._server.family.anonymous_bytes / 1e6
        with Activating(self._bench.small, revisions, _ACTIVATION_SECONDS) as activating:
            found = self._watched(lambda: self._bench.generator.run(target, load))
        counted = self._server.metrics().since(before)
        time.sleep(self._bench.seconds(1, 10))
        return {
            **found,
            "memory_before_mb": found_before,
            "memory_afterwards_mb": self._server.family.anonymous_bytes / 1e6,
            "activations": activating.count,
            "swaps": counted.sum("fingerpost_active_generation"),
            "refused_reloads": counted.sum("fingerpost_refused_reloads_total"),
            "failed_calls": sum(row["count"] for code, row in found["codes"].items() if code != "OK"),
        }

    def _watched(self, go: Any) -> dict[str, Any]:  # noqa: ANN401
        """A run's summary with what the server counted meanwhile."""
        before, cpu, started = self._server.metrics(), self._server.family.cpu_seconds, time.monotonic()
        with MemoryWatch(self._server) as memory:
            run: Run = go()
        seconds = time.monotonic() - started
        counted = self._server.metrics().since(before)
        return {
            **run.summary(),
            "server": {
                "calls_per_s": {
                    code: count / counted.time for code, count in counted.by("fingerpost_calls_total", "code").items()
                },
                "refusals_per_s": {
                    cause: count / counted.time
                    for cause, count in counted.by("fingerpost_refusals_total", "cause").items()
                },
                "degraded_per_s": counted.sum("fingerpost_degraded_total") / counted.time,
                "loop_lag_p99_at_most_s": counted.bound_at("fingerpost_event_loop_lag_seconds", 0.99),
                "cpu_cores": (self._server.family.cpu_seconds - cpu) / seconds,
                "memory_mb": {"highest": memory.highest_mb, "last": memory.last_mb},
            },
        }
