"""Traces: each call as a span of the caller's trace, by OpenTelemetry; its imports are heavy and wait until wanted."""

import time

import grpc
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fingerpost import __version__
from fingerpost.rpc.call import Call, ReadHeaders
from fingerpost.serve.cache import Lookup
from fingerpost.serve.pipeline import Answer

_PROPAGATOR = TraceContextTextMapPropagator()
_W3C = ("traceparent", "tracestate")
_STAGES = ("queue", "embed", "search", "decide")


class Traces:
    """Sends spans to a collector in batches from a thread; whether a call is sampled is the caller's decision."""

    def __init__(self, endpoint: str) -> None:
        """Ready to send; `endpoint` is the collector's URL for OTLP over HTTP, without /v1/traces."""
        resource = Resource.create({"service.name": "fingerpost", "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("fingerpost", __version__)

    def finished(self, call: Call, code: grpc.StatusCode, read_headers: ReadHeaders) -> None:
        """Record a call that is over, with its stages where it decided one request."""
        end = time.time_ns()
        start = end - round((time.monotonic() - call.started) * 1e9)
        span = self._tracer.start_span(
            call.method.removeprefix("/"),
            _parent(read_headers),
            SpanKind.SERVER,
            _attributes(call, code),
            start_time=start,
        )
        if code is not grpc.StatusCode.OK:
            span.set_status(Status(StatusCode.ERROR))
        if len(call.answers) == 1:
            self._stages(span, call.answers[0], end)
        span.end(end)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def _stages(self, span: Span, answer: Answer, end: int) -> None:
        """The stages follow each other; the last ended when the decision was made, just before the reply."""
        if not span.is_recording():
            return
        within, timing = set_span_in_context(span), answer.timing
        for key, value in _decided(answer).items():
            span.set_attribute(key, value)
        took = {"queue": timing.queue_us, "embed": timing.embed_us, "search": timing.search_us}
        took["decide"] = timing.decide_us
        at = end - sum(took.values()) * 1_000
        for name in _STAGES:
            if took[name]:
                stage = self._tracer.start_span(name, within, start_time=at)
                at += took[name] * 1_000
                stage.end(at)


def _parent(read_headers: ReadHeaders) -> Context:
    carrier = {key: value for key, value in read_headers() or () if key in _W3C and isinstance(value, str)}
    return _PROPAGATOR.extract(carrier, Context())


def _attributes(call: Call, code: grpc.StatusCode) -> dict[str, str | int]:
    service, _, method = call.method.removeprefix("/").partition("/")
    return {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.method": method,
        "rpc.grpc.status_code": code.value[0],
        "fingerpost.request_id": call.request_id,
    }


def _decided(answer: Answer) -> dict[str, str | bool]:
    decision = answer.decision
    route = {"fingerpost.route": decision.route} if decision.route else {}
    return {
        "fingerpost.catalog": answer.snapshot.catalog,
        "fingerpost.revision": answer.snapshot.revision,
        "fingerpost.decision_id": answer.decision_id,
        "fingerpost.outcome": decision.outcome.value,
        "fingerpost.model": decision.model,
        "fingerpost.cached": answer.lookup is Lookup.HIT,
        "fingerpost.degraded": decision.degraded,
        **route,
    }
