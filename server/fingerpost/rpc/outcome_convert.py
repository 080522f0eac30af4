"""Between reports as messages and as our own data."""

import re

from fingerpost.rpc.faults import Faults
from fingerpost.serve.decision_id import MAX_DIGITS, MIN_DIGITS
from fingerpost.types import Attempt, CallStatus, CostSource, Recorded, Report, ReportRow, Verdict
from fingerpost.v1 import outcome_service_pb2 as pb

_DECISION_ID = re.compile(f"[0-9a-f]{{{MIN_DIGITS},{MAX_DIGITS}}}")
_NAME_CHARACTERS = 128
_BYTES = 128  # of a tenant and a label
_COUNT = 1_000_000_000
_COST_USD_MICROS = 1_000_000_000_000
_LIMITS = {
    "input_tokens": _COUNT,
    "output_tokens": _COUNT,
    "cost_usd_micros": _COST_USD_MICROS,
    "latency_ms": _COUNT,
    "retry_after_ms": _COUNT,
}

_ATTEMPTS = 8

_Call = pb.OutcomeReport | pb.FailedAttempt

_TO_STATUS = {status: pb.CallStatus.Value(f"CALL_STATUS_{status}") for status in CallStatus}
_TO_VERDICT = {verdict: pb.Verdict.Value(f"VERDICT_{verdict}") for verdict in Verdict}
_TO_SOURCE = {source: pb.CostSource.Value(f"COST_SOURCE_{source.name}") for source in CostSource}
_STATUSES: dict[int, CallStatus] = {number: status for status, number in _TO_STATUS.items()}
_VERDICTS: dict[int, Verdict] = {number: verdict for verdict, number in _TO_VERDICT.items()}


def to_report(request: pb.ReportOutcomeRequest) -> Report:
    """A valid report.

    Raises:
        InvalidRequest: with a violation for each wrong field.
    """
    faults = Faults()
    if not request.HasField("report"):
        faults.add("report", "must be set")
    if len(request.tenant.encode()) > _BYTES or "\0" in request.tenant:
        faults.add("tenant", f"at most {_BYTES} bytes without NUL")
    faults.check()
    told = request.report
    _check_words(told, faults)
    _check_numbers(told, faults)
    _check_attempts(told, faults)
    faults.check()
    return Report(
        decision_id=told.decision_id,
        model=told.model,
        status=_STATUSES[told.status],
        input_tokens=_count(told, "input_tokens"),
        output_tokens=_count(told, "output_tokens"),
        cost_usd_micros=_count(told, "cost_usd_micros"),
        latency_ms=_count(told, "latency_ms"),
        verdict=_VERDICTS.get(told.verdict),
        score=told.score if told.HasField("score") else None,
        label=told.label,
        retry_after_ms=_count(told, "retry_after_ms"),
        failed_attempts=tuple(
            Attempt(one.model, _STATUSES[one.status], _count(one, "latency_ms"), _count(one, "retry_after_ms"))
            for one in told.failed_attempts
        ),
    )


def to_recorded(recorded: Recorded, request_id: str) -> pb.ReportOutcomeResponse:
    kept = recorded.kept
    return pb.ReportOutcomeResponse(
        repeated=recorded.repeated,
        kept=_to_message(kept),
        cost_usd_micros=kept.cost_usd_micros,
        cost_source=_TO_SOURCE[kept.cost_source],
        request_id=request_id,
    )


def _check_words(told: pb.OutcomeReport, faults: Faults) -> None:
    if not _DECISION_ID.fullmatch(told.decision_id):
        digits = f"{MIN_DIGITS} to {MAX_DIGITS} lower-case hexadecimal digits"
        faults.add("report.decision_id", f"{digits}, as the decision tells it")
    _check_call(told, "report", faults)
    if told.verdict and told.verdict not in _VERDICTS:
        faults.add("report.verdict", f"{told.verdict} is no known verdict")
    if len(told.label.encode()) > _BYTES or not told.label.isprintable():
        faults.add("report.label", f"at most {_BYTES} bytes of printable characters")


def _check_numbers(told: pb.OutcomeReport, faults: Faults) -> None:
    for name in ("input_tokens", "output_tokens", "cost_usd_micros"):
        _check_count(told, name, "report", faults)
    if told.HasField("score") and not 0 <= told.score <= 1:  # no number either
        faults.add("report.score", f"0 to 1, not {told.score}")


def _check_attempts(told: pb.OutcomeReport, faults: Faults) -> None:
    if len(told.failed_attempts) > _ATTEMPTS:
        faults.add("report.failed_attempts", f"at most {_ATTEMPTS}, not {len(told.failed_attempts)}")
        return
    for place, one in enumerate(told.failed_attempts):
        field = f"report.failed_attempts[{place}]"
        _check_call(one, field, faults)
        if one.status == pb.CALL_STATUS_OK:
            faults.add(f"{field}.status", "OK is no failure")


def _check_call(told: _Call, field: str, faults: Faults) -> None:
    """What every call of a model tells."""
    if not (0 < len(told.model) <= _NAME_CHARACTERS and told.model.isprintable()):
        faults.add(f"{field}.model", f"the model that was called: 1 to {_NAME_CHARACTERS} printable characters")
    if told.status not in _STATUSES:  # an unknown number arrives as a plain int
        faults.add(f"{field}.status", f"{told.status} is no known status" if told.status else "must be set")
    for name in ("latency_ms", "retry_after_ms"):
        _check_count(told, name, field, faults)
    if told.HasField("retry_after_ms") and told.status != pb.CALL_STATUS_RATE_LIMITED:
        faults.add(f"{field}.retry_after_ms", "with the status RATE_LIMITED alone")


def _check_count(told: _Call, name: str, field: str, faults: Faults) -> None:
    number, limit = _count(told, name), _LIMITS[name]
    if number is not None and not 0 <= number <= limit:
        faults.add(f"{field}.{name}", f"0 to {limit}, not {number}")


def _count(told: _Call, name: str) -> int | None:
    return getattr(told, name) if told.HasField(name) else None  # type: ignore[arg-type]


def _to_message(kept: ReportRow) -> pb.OutcomeReport:
    report = kept.report
    return pb.OutcomeReport(
        decision_id=report.decision_id,
        model=report.model,
        status=_TO_STATUS[report.status],
        input_tokens=report.input_tokens,
        output_tokens=report.output_tokens,
        cost_usd_micros=report.cost_usd_micros,
        latency_ms=report.latency_ms,
        verdict=pb.VERDICT_UNSPECIFIED if report.verdict is None else _TO_VERDICT[report.verdict],
        score=report.score,
        label=report.label,
        retry_after_ms=report.retry_after_ms,
        failed_attempts=[
            pb.FailedAttempt(
                model=one.model,
                status=_TO_STATUS[one.status],
                latency_ms=one.latency_ms,
                retry_after_ms=one.retry_after_ms,
            )
            for one in report.failed_attempts
        ],
    )
