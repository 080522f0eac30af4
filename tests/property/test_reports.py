"""Reports on their way: whatever a client may say arrives as it was said, and nothing else arrives."""

from dataclasses import fields, replace
from typing import Any

from hypothesis import given, settings, strategies as st

from fingerpost import types
from fingerpost.client import Report
from fingerpost.client.outcomes import from_reported, to_report
from fingerpost.errors import InvalidRequest
from fingerpost.rpc.outcome_convert import to_recorded, to_report as to_our_report
from fingerpost.serve.decision_id import MAX_DIGITS, MIN_DIGITS
from fingerpost.types import CallStatus, CostSource, Recorded, ReportRow, Verdict
from fingerpost.v1 import outcome_service_pb2 as pb

_HEX = "0123456789abcdef"
_COUNTS = st.none() | st.integers(0, 10**9)
_PRINTABLE = st.characters(exclude_categories=("C", "Z"))

valid = st.builds(
    Report,
    decision_id=st.text(_HEX, min_size=MIN_DIGITS, max_size=MAX_DIGITS),
    model=st.text(_PRINTABLE, min_size=1, max_size=128),
    status=st.sampled_from([status.value for status in CallStatus if status is not CallStatus.RATE_LIMITED]),
    input_tokens=_COUNTS,
    output_tokens=_COUNTS,
    cost_usd_micros=st.none() | st.integers(0, 10**12),
    latency_ms=_COUNTS,
    verdict=st.none() | st.sampled_from([verdict.value for verdict in Verdict]),
    score=st.none() | st.floats(0, 1),
    label=st.text(_PRINTABLE, max_size=32),
    tenant=st.text(_PRINTABLE, max_size=32),
) | st.builds(
    Report,
    decision_id=st.text(_HEX, min_size=MIN_DIGITS, max_size=MAX_DIGITS),
    model=st.just("big"),
    status=st.just("RATE_LIMITED"),
    retry_after_ms=_COUNTS,
)


def arrived(report: Report) -> types.Report:
    """What the server reads of what a client sends."""
    return to_our_report(pb.ReportOutcomeRequest.FromString(to_report(report).SerializeToString()))


@given(valid)
def test_what_is_said_arrives_and_comes_back(report: Report) -> None:
    """Field by field, there and, as what stands, back; what was not told is not told."""
    ours = arrived(report)
    assert {one.name: getattr(ours, one.name) for one in fields(ours)} == {
        one.name: getattr(report, one.name) for one in fields(ours)
    }
    row = ReportRow("k", "", report.tenant, "default", ours, 0, 0, 5, CostSource.TOKENS)
    reply = to_recorded(Recorded(True, row), "id")
    back = from_reported(pb.ReportOutcomeResponse.FromString(reply.SerializeToString()))
    assert replace(back.kept, tenant=report.tenant) == report
    assert (back.repeated, back.cost_usd_micros, back.cost_source, back.request_id) == (True, 5, "TOKENS", "id")


_ANYTHING = st.fixed_dictionaries(
    {},
    optional={
        "decision_id": st.text(max_size=220) | st.text(_HEX, min_size=50, max_size=220),
        "model": st.text(max_size=140),
        "status": st.integers(-5, 15),
        "input_tokens": st.integers(-(2**63), 2**63 - 1),
        "cost_usd_micros": st.integers(-(2**63), 2**63 - 1),
        "verdict": st.integers(-5, 15),
        "score": st.floats(),
        "label": st.text(max_size=140),
        "retry_after_ms": st.integers(-(2**63), 2**63 - 1),
    },
)


@settings(max_examples=300)
@given(_ANYTHING, st.text(max_size=140), st.booleans())
def test_anything_else_is_refused_by_name(told: dict[str, Any], tenant: str, good: bool) -> None:
    """A message is read within all limits, or refused with the fields that break one, and never another way."""
    usual: dict[str, Any] = {"decision_id": "a" * 64, "model": "m", "status": 1} if good else {}
    request = pb.ReportOutcomeRequest(report=pb.OutcomeReport(**{**usual, **told}), tenant=tenant)
    try:
        report = to_our_report(request)
    except InvalidRequest as refused:
        names = [violation.field for violation in refused.fields]
        assert names
        assert set(names) <= {"tenant", *(f"report.{one.name}" for one in fields(types.Report))}
        return
    assert MIN_DIGITS <= len(report.decision_id) <= MAX_DIGITS
    assert set(report.decision_id) <= set(_HEX)
    assert 1 <= len(report.model) <= 128
    assert report.status in CallStatus
    assert report.score is None or 0 <= report.score <= 1
    assert report.input_tokens is None or 0 <= report.input_tokens <= 10**9
    assert report.cost_usd_micros is None or 0 <= report.cost_usd_micros <= 10**12
    assert report.retry_after_ms is None or report.status is CallStatus.RATE_LIMITED
    assert (report.model + report.label).isprintable()
