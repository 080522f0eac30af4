"""Simulate: a day of requests through the real pipeline, guards and ledger; only time and the models are made up.

Time is the simulation's: it jumps from one event to the next, and everything that counts seconds counts these.
Decisions, reservations, reports and their settlement go through the code that serves, in one process, over SQLite.
"""

import asyncio
import heapq
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.day.world import DAY, GOOD_FITS, HOUR, LOOKED_AT, OUTPUT_LIMIT, Arrival, arrivals, call
from fingerpost.backends.engine.process import EngineProcess
from fingerpost.bootstrap.controls import FolderControls
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.keeping import Keeping, KeptReports, KeptTreasury
from fingerpost.bootstrap.serving import SnapshotOpener
from fingerpost.errors import Overloaded, Unavailable
from fingerpost.ports import Progress
from fingerpost.serve.cache import ResultCache
from fingerpost.serve.decision_id import DecisionIds
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.guards import Guards
from fingerpost.serve.lab import Breach
from fingerpost.serve.pipeline import Answer, Pipeline
from fingerpost.serve.reports import Recorder
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.spending import Spending
from fingerpost.types import (
    Attempt,
    BreakerPosition,
    CallStatus,
    Demands,
    Report,
    RouteQuery,
    Standing,
    Verdict,
)

START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
TICK = 20.0  # seconds between looks at breakers and reports
ROUND = 60.0  # between rounds of the purses
SAMPLE = 600.0  # between looks at the ledger
_ATTEMPTS = 3


class Clock:
    """The simulation's time."""

    def __init__(self) -> None:
        self.second = 0.0

    def calendar(self) -> float:
        """Seconds since the epoch."""
        return START + self.second

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return 1_000.0 + self.second


@dataclass(slots=True)
class Found:
    """What the day showed."""

    requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    models: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by hour
    refused: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by hour
    downgraded: Counter[int] = field(default_factory=Counter)  # by hour
    breakers: dict[str, list[list[float]]] = field(default_factory=lambda: defaultdict(list))  # [from, until], hours
    failed_calls: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by hour
    budgets: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    breaches: list[dict[str, Any]] = field(default_factory=list)
    reserved: int = 0  # micro-dollars that replies told
    reported: int = 0  # that reports told
    unreported: int = 0  # reserved of decisions of which no report came


class Day:
    """One simulation."""

    def __init__(self, data: DataFolder, catalog: str, clock: Clock, random: Random) -> None:
        self.data = data
        self.catalog = catalog
        self.clock = clock
        self.random = random
        self.found = Found()
        self.keeping = Keeping(data)
        self.treasury = KeptTreasury(self.keeping)
        self.runtime = Runtime(self._swapped)
        self.cache = ResultCache(1 << 28, 10**9, time.monotonic)
        self.guards = Guards(Spending(self.treasury, clock.calendar), self._breached, clock.monotonic)
        self.ids = DecisionIds()
        self.recorder = Recorder(
            self.runtime, self.guards, self.ids, KeptReports(self.keeping), None, 3_600, self._breached
        )
        own = [sys.executable, "-m", "fingerpost.bootstrap.engine", str(data.root), "text"]
        self.engine = EngineProcess(1, lambda passed: [*own, *map(str, passed)])
        self._due: list[tuple[float, int, Report, str]] = []
        self._open: dict[str, float] = {}  # when a breaker opened

    async def run(self, count: int, texts: Sequence[str], bar: Progress) -> Found:
        await self.engine.start()
        queue = EmbedQueue(self.engine.lanes)
        pipeline = Pipeline(
            self.runtime, queue, self.cache, self.guards, self.ids,
            lambda: datetime.fromtimestamp(self.clock.calendar(), tz=UTC),
        )  # fmt: skip
        snapshot = await SnapshotOpener(self.data, self.engine).open(self.data.active(self.catalog))
        self.runtime.swap(snapshot)
        try:
            bar.step("simulating", count)
            await self._simulate(count, texts, pipeline, snapshot, bar)
        finally:
            await self.guards.spending.close()
            queue.close()
            await self.engine.close()
        self._sample(DAY)
        self.keeping.close()
        return self.found

    async def _simulate(
        self, count: int, texts: Sequence[str], pipeline: Pipeline, snapshot: Snapshot, bar: Progress
    ) -> None:
        next_tick, next_round, next_sample = TICK, ROUND, 0.0
        for arrival in arrivals(count, texts, self.random):
            while next_tick <= arrival.second:
                self.clock.second = next_tick
                await self._tick()
                if next_tick >= next_round:
                    await self._round()
                    next_round += ROUND
                if next_tick >= next_sample:
                    self._sample(next_tick)
                    next_sample += SAMPLE
                next_tick += TICK
            self.clock.second = arrival.second
            await self._request(arrival, pipeline, snapshot)
            bar.advance()
        self.clock.second = DAY
        await self._tick()
        await self._round()

    async def _request(self, arrival: Arrival, pipeline: Pipeline, snapshot: Snapshot) -> None:
        found, hour = self.found, int(arrival.second // HOUR)
        found.requests += 1
        query = RouteQuery(
            request_id=f"r{arrival.number}",
            catalog=self.catalog,
            wanted=arrival.text,
            tenant=arrival.tenant,
            session_id=arrival.session,
            demands=Demands(input_tokens=len(arrival.text) // 4 + 200, output_tokens=OUTPUT_LIMIT),
            repeatable=True,
        )
        try:
            answer = await pipeline.route(query, time.monotonic() + 30)
        except (Overloaded, Unavailable) as error:
            found.refused[hour][str(error.reason)] += 1
            return
        decision = answer.decision
        found.outcomes[decision.outcome.value] += 1
        found.models[hour][decision.model] += 1
        found.downgraded[hour] += any(reason.value == "BUDGET_EXHAUSTED" for reason in decision.reasons)
        found.reserved += answer.decided.reserved_usd_micros or 0
        self._call(arrival, answer, snapshot)

    def _call(self, arrival: Arrival, answer: Answer, snapshot: Snapshot) -> None:
        """What a caller does with a decision: calls its model, else the next ones, and reports when it is done."""
        decision, second = answer.decision, arrival.second
        attempts: list[Attempt] = []
        for model in (decision.model, *decision.fallback_models)[:_ATTEMPTS]:
            done = call(model, second, self.random)
            second += done.latency_ms / 1000
            if done.status is CallStatus.OK:
                break
            self.found.failed_calls[int(arrival.second // HOUR)][model] += 1
            attempts.append(Attempt(model, done.status, done.latency_ms, done.retry_after_ms))
        if self.random.random() < 0.005:  # callers that never report
            self.found.unreported += answer.decided.reserved_usd_micros or 0
            return
        inventory = snapshot.plan.inventory
        tokens = answer.query.demands.input_tokens
        cost = inventory.cost_usd_micros(inventory.number[model], tokens, done.output_tokens)
        ok = done.status is CallStatus.OK
        verdict = None
        if ok and self.random.random() < LOOKED_AT:
            good = self.random.random() < GOOD_FITS.get(model, 0.9)
            verdict = Verdict.GOOD_FIT if good else Verdict.UNDERPOWERED
        report = Report(
            decision_id=answer.decision_id,
            model=model,
            status=done.status,
            input_tokens=tokens,
            output_tokens=done.output_tokens,
            cost_usd_micros=round(cost) if ok else 0,
            latency_ms=done.latency_ms,
            verdict=verdict,
            retry_after_ms=done.retry_after_ms,
            failed_attempts=tuple(attempts if ok else attempts[:-1]),
        )
        self.found.reported += report.cost_usd_micros or 0
        heapq.heappush(self._due, (second, arrival.number, report, arrival.tenant))

    async def _tick(self) -> None:
        """Reports that are due arrive; breakers are looked at."""
        due = []
        while self._due and self._due[0][0] <= self.clock.second:
            due.append(heapq.heappop(self._due))
        await asyncio.gather(*(self.recorder.record(report, tenant, "caller") for _, _, report, tenant in due))
        hour = self.clock.second / HOUR
        for guards in self.guards.known():
            for model, position in guards.breakers.positions(self.clock.monotonic()).items():
                is_open = position is not BreakerPosition.CLOSED
                if is_open and model not in self._open:
                    self._open[model] = hour
                    self.found.breakers[model].append([hour, hour])
                elif is_open:
                    self.found.breakers[model][-1][1] = hour
                else:
                    self._open.pop(model, None)

    async def _round(self) -> None:
        await self.guards.spending.round()
        for alert in self.treasury.notice((50, 80, 100), int(self.clock.calendar() * 1e6)):
            self.found.alerts.append(
                {
                    "hour": round(self.clock.second / HOUR, 3),
                    "budget": alert.key.budget,
                    "holder": alert.key.holder,
                    "percent": alert.percent,
                }
            )

    def _sample(self, second: float) -> None:
        """How accounts of running windows stand; a hard one that is over its limit ends the simulation."""
        for one in self.treasury.standings(self.catalog, since_s=int(START + second) - 1):
            if one.hard and one.used_usd_micros + one.sliced_usd_micros > one.limit_usd_micros:
                raise AssertionError(f"overspent: {one}")
            self.found.budgets.append(_sampled(one, second))

    def _swapped(self, snapshot: Snapshot) -> None:
        self.cache.activate(snapshot.catalog, (snapshot.revision, *snapshot.others))
        self.guards.of(snapshot)

    def _breached(self, catalog: str, breach: Breach) -> None:
        self.found.breaches.append(
            {
                "hour": round(self.clock.second / HOUR, 3),
                "experiment": breach.experiment,
                "arm": breach.arm,
                "why": breach.why,
            }
        )
        FolderControls(self.data).stop_arm(catalog, breach.experiment, breach.arm, breach.why, f"{breach.arm}-stopped")


def _sampled(one: Standing, second: float) -> dict[str, Any]:
    return {
        "hour": round(second / HOUR, 3),
        "budget": one.key.budget,
        "holder": one.key.holder,
        "window_hour": round((one.key.start_s - START) / HOUR, 3),
        "limit": one.limit_usd_micros,
        "reported": one.reported_usd_micros,
        "reserved": one.reserved_usd_micros,
        "sliced": one.sliced_usd_micros,
    }


def texts_of(routes: Path) -> list[str]:
    """Utterances and tests of a route folder, those of no route among them."""
    from fingerpost.build.load import load

    catalog = load(routes).catalog
    found = [text.text for route in catalog.routes for text in (*route.utterances, *route.tests)]
    return found + [text.text for text in (*catalog.out_of_scope, *catalog.out_of_scope_tests)]
