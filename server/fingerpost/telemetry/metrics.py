"""Metrics: what the server counts, in the Prometheus format."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from wsgiref.simple_server import WSGIServer

import grpc
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from fingerpost.errors import Overloaded
from fingerpost.guard.decayed import DecayedMean
from fingerpost.rpc.call import Call, ReadHeaders
from fingerpost.serve.cache import Lookup
from fingerpost.serve.pipeline import Answer
from fingerpost.serve.rules import Verdict
from fingerpost.telemetry import names
from fingerpost.telemetry.names import Kind, Metric
from fingerpost.types import Decision, Judgement, ReportRow, Timing

_RECENT_DECISIONS = 1_000
_STALL_SECONDS = 0.2

Sample = tuple[Metric, tuple[str, ...], float]
"""A metric, the values of its labels, and its value."""

Read = Callable[[], Iterable[Sample]]

ReadPid = Callable[[], int | None]


class Metrics:
    """Everything that is counted; with a registry of its own, so that several servers can live in one process."""

    def __init__(self, read_state: Read, engine_pid: ReadPid) -> None:
        """Nothing counted yet.

        Args:
            read_state: Tells, from the endpoint's thread, what the server is like just then.
            engine_pid: Likewise, which process embeds.
        """
        # Without it each has a second sample that says when it began, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        # A process that is gone reads as no samples.
        ProcessCollector(namespace=names.ENGINE_PREFIX, pid=lambda: engine_pid() or 0, registry=self.registry)
        # Finding the child of some labels costs more than counting in it; there are few, and `cache` keeps them.
        self._calls = cache(self._counter(names.CALLS).labels)
        self._call_seconds = cache(self._histogram(names.CALL_SECONDS).labels)
        self._refusals = cache(self._counter(names.REFUSALS).labels)
        self._callers = cache(self._counter(names.CALLERS).labels)
        self._decisions = cache(self._counter(names.DECISIONS).labels)
        self._reasons = cache(self._counter(names.REASONS).labels)
        self._models = cache(self._counter(names.MODELS).labels)
        self._skips = cache(self._counter(names.SKIPS).labels)
        self._rules = cache(self._counter(names.RULES).labels)
        self._logged = cache(self._counter(names.LOGGED).labels)
        self._degraded = cache(self._counter(names.DEGRADED).labels)
        self._similarity = cache(self._histogram(names.SIMILARITY).labels)
        self._margin = cache(self._histogram(names.MARGIN).labels)
        self._confidence = cache(self._histogram(names.CONFIDENCE).labels)
        self._stages = cache(self._histogram(names.STAGE_SECONDS).labels)
        self._reports = cache(self._counter(names.REPORTS).labels)
        self._reported_cost = cache(self._counter(names.REPORTED_COST).labels)
        self._reported_tokens = cache(self._counter(names.REPORTED_TOKENS).labels)
        self._reported_seconds = cache(self._histogram(names.REPORTED_SECONDS).labels)
        self._verdicts = cache(self._counter(names.VERDICTS).labels)
        self._arms = cache(self._counter(names.ARM_DECISIONS).labels)
        self._lookups = cache(self._counter(names.CACHE_LOOKUPS).labels)
        self._budget_alerts = self._counter(names.BUDGET_ALERTS)
        self._alert_deliveries = self._counter(names.ALERT_DELIVERIES)
        self._loop_lag = self._histogram(names.LOOP_LAG)
        self._loop_stalls = self._counter(names.LOOP_STALLS)
        self._covered: dict[str, DecayedMean] = {}  # by catalog, as the next
        self._out_of_scope: dict[str, DecayedMean] = {}
        self.registry.register(_Watched(read_state))
        self.registry.register(_Watched(self._recent))

    def finished(self, call: Call, code: grpc.StatusCode, read_headers: ReadHeaders) -> None:
        """Count a call that is over, and what it decided."""
        self._calls(call.method, code.name).inc()
        self._call_seconds(call.method).observe(time.monotonic() - call.started)
        for error in call.errors:
            if isinstance(error, Overloaded):
                self._refusals(error.metadata["cause"]).inc()
        for answer in call.answers:
            self._decided(answer)

    def refused(self, cause: str) -> None:
        """Count a caller who was not let in."""
        self._callers(cause).inc()

    def logged(self, result: str, count: int) -> None:
        """Count rows of the decision log; from any thread."""
        self._logged(result).inc(count)

    def reported(self, row: ReportRow, model: str) -> None:
        """Count an outcome that somebody reported; `model` is a name of the catalog's, or `other`."""
        report, labels = row.report, (row.catalog, model)
        self._reports(*labels, report.status.value).inc()
        self._reported_cost(*labels).inc(row.cost_usd_micros / 1e6)
        for direction, tokens in (("input", report.input_tokens), ("output", report.output_tokens)):
            if tokens is not None:
                self._reported_tokens(*labels, direction).inc(tokens)
        if report.latency_ms is not None:
            self._reported_seconds(*labels).observe(report.latency_ms / 1000)
        if report.verdict is not None:
            self._verdicts(*labels, report.verdict.value).inc()

    def alerted(self, catalog: str, budget: str, percent: int) -> None:
        """Count an alert of a budget; from any thread."""
        self._budget_alerts.labels(catalog, budget, str(percent)).inc()

    def alert_sent(self, result: str) -> None:
        """Count an attempt to deliver one by what became of it; from any thread."""
        self._alert_deliveries.labels(result).inc()

    def lagged(self, seconds: float) -> None:
        """Note how late the event loop was."""
        self._loop_lag.observe(seconds)
        if seconds > _STALL_SECONDS:
            self._loop_stalls.inc()

    def listen(self, host: str, port: int) -> WSGIServer:
        """Answer GET /metrics from a thread; the caller shuts it down.

        Raises:
            OSError: the address is taken or not of this machine.
        """
        server, _ = start_http_server(port, host, self.registry)
        return server

    def _decided(self, answer: Answer) -> None:
        catalog, decision = answer.snapshot.catalog, answer.decision
        self._decisions(catalog, decision.outcome.value).inc()
        for reason in decision.reasons:
            self._reasons(catalog, reason.value).inc()
        self._models(catalog, decision.model).inc()
        if decision.arm is not None:
            self._arms(catalog, decision.arm.experiment, decision.arm.arm).inc()
        for skip in decision.skipped:
            self._skips(catalog, skip.reason.value).inc()
        for judged in answer.situation.ruling.judged:
            if judged.takes_effect:
                self._rules(catalog, judged.rule.name, "effect").inc()
            if judged.verdict is Verdict.FAILED:
                self._rules(catalog, judged.rule.name, "failed").inc()
        _mean(self._covered, catalog).add(0.0 if decision.degraded else 1.0)
        if decision.degraded:
            self._degraded(catalog, decision.reasons[0].value).inc()
        if answer.judgement is not None:
            self._measured(catalog, decision, answer.judgement)
            self._took(answer.timing, answer.lookup)

    def _measured(self, catalog: str, decision: Decision, judgement: Judgement) -> None:
        for histogram, value in (
            (self._similarity, decision.similarity),
            (self._margin, decision.margin),
            (self._confidence, decision.confidence),
        ):
            if value is not None:
                histogram(catalog).observe(value)
        if judgement.in_scope is not None:
            _mean(self._out_of_scope, catalog).add(1.0 - judgement.in_scope)

    def _took(self, timing: Timing, lookup: Lookup | None) -> None:
        if lookup is not None:
            self._lookups(lookup.value).inc()
        if lookup is not Lookup.HIT:
            self._stages("queue").observe(timing.queue_us / 1e6)
            self._stages("embed").observe(timing.embed_us / 1e6)
            self._stages("search").observe(timing.search_us / 1e6)
        self._stages("decide").observe(timing.decide_us / 1e6)

    def _recent(self) -> Iterator[Sample]:
        for metric, means in ((names.COVERAGE, self._covered), (names.OUT_OF_SCOPE, self._out_of_scope)):
            for catalog, mean in list(means.items()):
                yield metric, (catalog,), mean.value

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.meaning, metric.labels, registry=self.registry, buckets=metric.buckets)


class _Watched(Collector):
    """Metrics that are read when somebody asks."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for metric, labels, value in self._read():
            family = families.get(metric.name)
            if family is None:
                kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
                family = families[metric.name] = kind(metric.name, metric.meaning, labels=metric.labels)
            family.add_metric(labels, value)
        yield from families.values()


def _mean(means: dict[str, DecayedMean], catalog: str) -> DecayedMean:
    mean = means.get(catalog)
    if mean is None:
        mean = means[catalog] = DecayedMean(_RECENT_DECISIONS)
    return mean
