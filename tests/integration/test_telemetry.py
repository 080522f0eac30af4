"""What operators see: every metric of the table and no other, spans in the caller's trace, and never a prompt."""

import asyncio
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from fingerpost.errors import ErrorReason, FailedPrecondition, InvalidRequest
from fingerpost.serve.calibrate import SCOPE_FEATURES
from fingerpost.serve.plan import Plan
from fingerpost.settings import read_settings
from fingerpost.telemetry import names
from fingerpost.telemetry.lag import watch_lag
from fingerpost.telemetry.watch import Watch
from fingerpost.types import Expected, ScopeMap
from fingerpost.v1 import router_service_pb2 as pb
from tests.fakes import BrokenEmbedder, snapshot
from tests.serving import Served, health_stub, refusal, serving

METRICS: dict[str, Any] = {"metrics_listen": "127.0.0.1:0"}
CANARY = "canary-7f3a"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

LABELS = {metric.name.removesuffix("_total"): metric.labels for metric in names.METRICS}

Scraped = dict[str, dict[tuple[str, ...], float]]


def scraped(address: str) -> tuple[str, Scraped]:
    """The page, and each sample's value by name and label values."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as reply:
        page = reply.read().decode()
    values: Scraped = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            order = (*LABELS.get(family.name, ()), "le")
            key = tuple(sample.labels[label] for label in dict.fromkeys(order) if label in sample.labels)
            values.setdefault(sample.name, {})[key] = sample.value
    return page, values


def with_expected() -> Any:
    """A catalog whose revision tells what to expect."""
    scope_map = ScopeMap(0.0, (1.0,) * len(SCOPE_FEATURES), 0.2)
    shown = snapshot(out_of_scope=["water the plants"], scope_map=scope_map)
    shares = tuple(number / 11 for number in range(1, 12))
    return replace(shown, plan=Plan.of(replace(shown.decider, expected=Expected(shares, shares, shares))))


def after(calls: Any, *snapshots: Any, **settings: Any) -> tuple[str, Scraped]:
    """What the metrics say after some calls."""

    async def run() -> tuple[str, Scraped]:
        async with serving(*(snapshots or (with_expected(),)), **METRICS, **settings) as served:
            await calls(served)
            return await asyncio.to_thread(scraped, served.server.watch.address)

    return asyncio.run(run())


async def many(served: Served) -> None:
    """Hits and misses, a fallback, a refused text, an overload and an unknown method."""
    for text in ("fix this bug", "fix this bug", "nothing of the kind", f"{CANARY} secret"):
        await served.stub.Route(pb.RouteRequest(text=text))
    await refusal(served.stub.Route(pb.RouteRequest(text=" ")))
    items = [pb.RouteRequest(text=f"item {number}") for number in range(3)]
    await served.stub.RouteBatch(pb.RouteBatchRequest(requests=items))
    await refusal(served.stub.RouteBatch(pb.RouteBatchRequest(requests=items * 10)))
    unknown: Any = served.channel.unary_unary("/fingerpost.v1.RouterService/Nope")
    await refusal(unknown(b""))


def test_names_are_those_of_the_table() -> None:
    """After calls of every kind each metric of the table is there with its labels, and no other of ours is."""
    page, _ = after(many, cache_bytes=10**6, in_flight_calls=20)
    families = {family.name: family for family in text_string_to_metric_families(page)}
    ours = {name for name in families if name.startswith("fingerpost_")}
    quiet = {names.DEGRADED, names.LOOP_STALLS, names.REFUSED_RELOADS}  # nothing of the kind happened
    quiet |= {names.BUDGET_USED, names.BUDGET_LIMIT, names.ARM_STOPPED, names.SHADOWS}  # of policies that have them
    quiet |= {names.LEDGER_AGE, names.LEDGER_STALE, names.LEDGER_FAILURES, names.SHARED_ARTEFACTS}  # of replicas alone
    wanted = {metric.name.removesuffix("_total") for metric in names.METRICS}
    assert ours <= wanted
    assert wanted - {metric.name.removesuffix("_total") for metric in quiet} <= ours
    for metric in names.METRICS:
        family = families.get(metric.name.removesuffix("_total"))
        if family is not None and family.samples:
            assert (family.type, family.documentation) == (metric.kind.value, metric.meaning)
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            assert labels == set(metric.labels) - {"le"}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total"} <= page_names(page)


def page_names(page: str) -> set[str]:
    return {sample.name for family in text_string_to_metric_families(page) for sample in family.samples}


def test_counters_add_up() -> None:
    """Calls by code, decisions by outcome, cache lookups and refusals are what was sent."""
    _, found = after(many, cache_bytes=10**6, in_flight_calls=20)
    route, batch = "/fingerpost.v1.RouterService/Route", "/fingerpost.v1.RouterService/RouteBatch"
    assert found["fingerpost_calls_total"] == {
        (route, "OK"): 4,
        (route, "INVALID_ARGUMENT"): 1,
        (batch, "OK"): 1,
        (batch, "RESOURCE_EXHAUSTED"): 1,
    }
    assert sum(found["fingerpost_decisions_total"].values()) == 7
    assert found["fingerpost_cache_lookups_total"] == {("hit",): 1, ("miss",): 6}
    assert found["fingerpost_refusals_total"] == {("in_flight",): 1}
    assert found["fingerpost_similarity_count"] == {("default",): 7}
    assert found["fingerpost_stage_seconds_count"] == {("queue",): 6, ("embed",): 6, ("search",): 6, ("decide",): 7}
    assert found["fingerpost_coverage_ratio"] == {("default",): 1.0}
    assert found["fingerpost_in_flight_requests"] == {(): 0}
    assert found["fingerpost_queue_jobs"] == {(): 0}
    assert found["fingerpost_cache_entries"] == {(): 6}


def test_what_the_library_refuses_is_counted_by_its_code() -> None:
    """The standard health service ends a call by itself, and its code is the one that counts."""

    async def calls(served: Served) -> None:
        check = health_stub(served.channel).Check
        await check(health_pb2.HealthCheckRequest())
        with pytest.raises(grpc.aio.AioRpcError):
            await check(health_pb2.HealthCheckRequest(service="nope"))

    _, found = after(calls)
    health = "/grpc.health.v1.Health/Check"
    assert found["fingerpost_calls_total"] == {(health, "OK"): 1, (health, "NOT_FOUND"): 1}


def test_drift_can_be_seen() -> None:
    """What the revision expects stands beside what is measured, under the same bounds."""
    _, found = after(many, in_flight_calls=20)
    expected = found["fingerpost_expected_ratio"]
    for measure in ("similarity", "margin", "confidence"):
        measured = {key[1] for key in found[f"fingerpost_{measure}_bucket"]} - {"+Inf"}
        assert measured == {bound for _, name, bound in expected if name == measure}


def test_an_outage_of_the_encoder_shows() -> None:
    """Coverage falls to 0, the reason is counted, and no stage seems to have become faster."""

    async def calls(served: Served) -> None:
        for number in range(5):
            await served.stub.Route(pb.RouteRequest(text=f"x {number}"))

    _, found = after(calls, snapshot([BrokenEmbedder()]))
    assert found["fingerpost_coverage_ratio"] == {("default",): 0.0}
    assert found["fingerpost_degraded_total"] == {("default", "ENCODER_UNAVAILABLE"): 5}
    assert "fingerpost_stage_seconds_count" not in found
    assert found["fingerpost_decisions_total"] == {("default", "FALLBACK"): 5}


def test_a_blocked_event_loop_shows() -> None:
    """A stall is measured, and one over 200 ms is counted."""
    lags: list[float] = []
    began = time.monotonic()

    async def run() -> None:
        watching = asyncio.create_task(watch_lag(lags.append))
        await asyncio.sleep(0.15)
        threading.Event().wait(0.35)  # what no code on the loop should do
        while not lags or max(lags) < 0.2:
            await asyncio.sleep(0.05)
        watching.cancel()

    asyncio.run(run())
    assert 0.2 < max(lags) < time.monotonic() - began
    watch = Watch(read_settings({}), lambda: (), lambda: None)
    watch.metrics.lagged(0.3)
    watch.metrics.lagged(0.1)
    assert watch.metrics.registry.get_sample_value("fingerpost_event_loop_stalls_total") == 1
    assert watch.metrics.registry.get_sample_value("fingerpost_event_loop_lag_seconds_count") == 2


def test_a_taken_address_is_said() -> None:
    """A metrics address that is taken, or is none, ends the start with the address in the message."""

    async def run(address: str) -> None:
        async with serving(snapshot(), metrics_listen=address):
            pass

    async def twice() -> None:
        async with serving(snapshot(), **METRICS) as served:
            await run(served.server.watch.address)

    with pytest.raises(FailedPrecondition, match=r"metrics cannot be served on 127") as caught:
        asyncio.run(twice())
    assert caught.value.reason == ErrorReason.ADDRESS_UNAVAILABLE
    for wrong in ("nowhere", "127.0.0.1:99999", "127.0.0.1:x"):
        with pytest.raises(FailedPrecondition, match="metrics cannot be served"):
            asyncio.run(run(wrong))


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A collector that speaks OTLP over HTTP and keeps the spans that it is sent."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
            spans.extend(
                span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def traced(flags: str, text: str = "fix this bug") -> list[Any]:
    """The spans of one call whose caller names its span."""

    async def run(endpoint: str) -> None:
        async with serving(snapshot(), traces_endpoint=endpoint) as served:
            header = (("traceparent", f"00-{TRACE}-{PARENT}-{flags}"),)
            await served.stub.Route(pb.RouteRequest(text=text), metadata=header)
            await refusal(served.stub.Route(pb.RouteRequest(text=" "), metadata=header))

    with collector() as (endpoint, spans):
        asyncio.run(run(endpoint))
    return spans


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_a_call_is_a_span_of_the_callers_trace() -> None:
    """The call's span is the caller's child, its stages are its own children in order, and a refusal is an error."""
    spans = traced("01")
    calls = [span for span in spans if span.name == "fingerpost.v1.RouterService/Route"]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert [span.parent_span_id.hex() for span in calls] == [PARENT] * 2
    good, bad = sorted(calls, key=lambda span: span.status.code)
    stages = [span for span in spans if span.parent_span_id == good.span_id]
    assert {"embed", "search", "decide"} <= {span.name for span in stages} <= set(names.SPANS)
    assert all(good.start_time_unix_nano <= s.start_time_unix_nano <= s.end_time_unix_nano for s in stages)
    assert max(span.end_time_unix_nano for span in stages) <= good.end_time_unix_nano
    found = attributes(good)
    assert (found["fingerpost.route"], found["fingerpost.outcome"], found["rpc.grpc.status_code"]) == (
        "code",
        "MATCHED",
        0,
    )
    assert set(found) | set(attributes(bad)) == set(names.SPAN_ATTRIBUTES)
    assert attributes(bad)["rpc.grpc.status_code"] == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_a_trace_that_is_not_sampled_is_not_sent() -> None:
    """Whether to sample is the caller's decision."""
    assert traced("00") == []


def test_no_prompt_in_metrics_and_spans() -> None:
    """A text, a tenant and a session id that stand in a call stand in nothing that is exposed."""

    async def calls(served: Served) -> None:
        for text in (f"{CANARY} bug", " "):
            request = pb.RouteRequest(text=text, tenant=CANARY, session_id=CANARY, metadata={"k": CANARY})
            try:
                await served.stub.Route(request)
            except grpc.aio.AioRpcError:
                continue

    page, _ = after(calls)
    assert CANARY not in page
    assert not any(CANARY in str(span) for span in traced("01", f"{CANARY} bug"))


def test_traces_without_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra installed, the sentence says what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "fingerpost.telemetry.traces", None)  # what an absent package looks like
    with pytest.raises(InvalidRequest, match="traces"):
        Watch(read_settings({"traces_endpoint": "http://127.0.0.1:4318"}), lambda: (), lambda: None)
