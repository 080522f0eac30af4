"""Between reports as messages and what callers see."""

from collections.abc import Sequence
from typing import Any

from fingerpost import errors
from fingerpost.client.convert import item_error
from fingerpost.client.reading import enum_name, known
from fingerpost.client.types import FailedAttempt, Report, Reported
from fingerpost.v1 import outcome_service_pb2 as pb


def to_report(report: Report) -> pb.ReportOutcomeRequest:
    """A message of what a caller reports.

    Raises:
        errors.InvalidRequest: the status or verdict is none, or a number is beyond all numbers of messages.
    """
    try:
        told = pb.OutcomeReport(
            decision_id=report.decision_id,
            model=report.model,
            status=_value(pb.CallStatus, "CALL_STATUS_", report.status, "status"),
            input_tokens=report.input_tokens,
            output_tokens=report.output_tokens,
            cost_usd_micros=report.cost_usd_micros,
            latency_ms=report.latency_ms,
            verdict=_verdict(report.verdict),
            score=report.score,
            label=report.label,
            retry_after_ms=report.retry_after_ms,
            failed_attempts=map(_attempt, report.failed_attempts),
        )
    except ValueError as error:
        raise errors.InvalidRequest(f"a report cannot hold that: {error}") from error
    return pb.ReportOutcomeRequest(report=told, tenant=report.tenant, request_id=report.request_id)


def to_reports(reports: Sequence[Report]) -> pb.ReportOutcomesRequest:
    return pb.ReportOutcomesRequest(requests=map(to_report, reports))


def from_reported(response: pb.ReportOutcomeResponse) -> Reported:
    return Reported(
        response.repeated,
        _report(response.kept),
        response.cost_usd_micros,
        enum_name(pb.CostSource, "COST_SOURCE_", response.cost_source),
        response.request_id,
    )


def from_reports(response: pb.ReportOutcomesResponse) -> list[Reported | errors.FingerpostError]:
    return [
        from_reported(result.response) if result.WhichOneof("result") == "response" else item_error(result.error)
        for result in response.results
    ]


def _attempt(one: FailedAttempt) -> pb.FailedAttempt:
    return pb.FailedAttempt(
        model=one.model,
        status=_value(pb.CallStatus, "CALL_STATUS_", one.status, "status"),
        latency_ms=one.latency_ms,
        retry_after_ms=one.retry_after_ms,
    )


def _verdict(given: str | None) -> pb.Verdict.ValueType:
    return _value(pb.Verdict, "VERDICT_", given, "verdict") if given else pb.VERDICT_UNSPECIFIED


def _value(enum: Any, prefix: str, given: str, field: str) -> Any:  # noqa: ANN401
    values = {value.name.removeprefix(prefix): value.number for value in enum.DESCRIPTOR.values if value.number}
    if given.upper() not in values:
        raise errors.InvalidRequest(f"{field}: {given} is none of {', '.join(values)}")
    return values[given.upper()]


def _report(told: pb.OutcomeReport) -> Report:
    return Report(
        told.decision_id,
        told.model,
        enum_name(pb.CallStatus, "CALL_STATUS_", told.status),
        known(told, "input_tokens"),
        known(told, "output_tokens"),
        known(told, "cost_usd_micros"),
        known(told, "latency_ms"),
        enum_name(pb.Verdict, "VERDICT_", told.verdict) if told.verdict else None,
        known(told, "score"),
        told.label,
        known(told, "retry_after_ms"),
        failed_attempts=tuple(
            FailedAttempt(
                one.model,
                enum_name(pb.CallStatus, "CALL_STATUS_", one.status),
                known(one, "latency_ms"),
                known(one, "retry_after_ms"),
            )
            for one in told.failed_attempts
        ),
    )
