"""Between messages and what callers see."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from fingerpost import errors
from fingerpost.client.reading import enum_name, known
from fingerpost.client.types import (
    Alternative,
    CatalogInfo,
    Decision,
    Embedding,
    ExperimentArm,
    Explanation,
    Input,
    LedgerInfo,
    Match,
    ModelTrace,
    OpenBreaker,
    Options,
    OtherPart,
    RuleTrace,
    ServerInfo,
    SkippedModel,
    Timing,
    Turn,
)
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb

_CLASSES: dict[grpc.StatusCode, type[errors.FingerpostError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: errors.FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
    grpc.StatusCode.ABORTED: errors.Conflict,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.DATA_LOSS: errors.DataLoss,
    grpc.StatusCode.UNIMPLEMENTED: errors.FailedPrecondition,
}

_STATUS_DETAILS = "grpc-status-details-bin"


def to_request(request: Input, options: Options) -> pb.RouteRequest:
    """A message of what a caller wants routed.

    Raises:
        errors.InvalidRequest: a turn's role is unknown.
    """
    message = pb.RouteRequest(
        metadata=options.metadata,
        tenant=options.tenant,
        session_id=options.session_id,
        request_id=options.request_id,
        alternatives_count=options.alternatives_count,
        include_matches=options.include_matches,
        include_embedding=options.include_embedding,
        catalog=options.catalog,
        requirements=None if options.requirements is None else pb.Requirements(**asdict(options.requirements)),
    )
    if isinstance(request, str):
        message.text = request
    elif isinstance(request, Embedding):
        message.embedding.encoder_digest = request.encoder_digest
        message.embedding.values.extend(request.values)
    else:
        message.conversation.turns.extend(_turn(turn) for turn in request)
    return message


def _turn(turn: Turn) -> pb.Turn:
    name = f"ROLE_{turn.role.upper()}"
    if name not in pb.Role.DESCRIPTOR.values_by_name:
        raise errors.InvalidRequest(f"{turn.role} is no known role: use user, assistant, system or tool")
    return pb.Turn(role=pb.Role.Value(name), text=turn.text, parts=[_part(part) for part in turn.parts])


def _part(part: str | OtherPart) -> pb.Part:
    return pb.Part(text=part) if isinstance(part, str) else pb.Part(other=part.kind)


def to_batch(requests: Sequence[Input], options: Options) -> pb.RouteBatchRequest:
    """A message of many requests; the options hold for each, the request id for the whole call."""
    message = pb.RouteBatchRequest(request_id=options.request_id)
    for request in requests:
        item = to_request(request, options)
        item.ClearField("request_id")
        message.requests.append(item)
    return message


def from_response(response: pb.RouteResponse) -> Decision:
    return Decision(
        decision_id=response.decision_id,
        request_id=response.request_id,
        outcome=enum_name(decision_pb2.Outcome, "OUTCOME_", response.outcome),
        route=response.route,
        model=response.model,
        upstream_model=response.upstream_model,
        confidence=known(response, "confidence"),
        threshold=response.threshold,
        margin=known(response, "margin"),
        similarity=known(response, "similarity"),
        calibration=enum_name(decision_pb2.Calibration, "CALIBRATION_", response.calibration),
        reasons=tuple(enum_name(decision_pb2.Reason, "REASON_", reason) for reason in response.reasons),
        fallback_models=tuple(response.fallback_models),
        alternatives=tuple(_alternative(alternative) for alternative in response.alternatives),
        matches=tuple(Match(match.text, match.route, match.similarity) for match in response.matches),
        embedding=tuple(response.embedding.values),
        encoder_digest=response.embedding.encoder_digest,
        catalog=response.catalog,
        revision=response.revision,
        cached=response.cached,
        truncated=response.truncated,
        degraded=response.degraded,
        timing=_timing(response.timing),
        ignored_parts=tuple(response.ignored_parts),
        joined_turns=response.joined_turns,
        rules=tuple(response.rules),
        skipped_models=tuple(SkippedModel(one.model, _skip(one.reason)) for one in response.skipped_models),
        experiment=_arm(response.experiment) if response.HasField("experiment") else None,
        reserved_usd_micros=known(response, "reserved_usd_micros"),
    )


def _arm(one: pb.ExperimentArm) -> ExperimentArm:
    return ExperimentArm(one.name, one.arm, one.propensity)


def _skip(reason: int) -> str:
    return enum_name(decision_pb2.SkipReason, "SKIP_REASON_", reason) if reason else ""


def _alternative(alternative: pb.Alternative) -> Alternative:
    return Alternative(
        alternative.route,
        alternative.model,
        known(alternative, "confidence"),
        alternative.score,
        alternative.similarity,
    )


def _timing(timing: pb.Timing) -> Timing:
    return Timing(timing.queue_us, timing.embed_us, timing.search_us, timing.decide_us, timing.total_us)


def from_batch(response: pb.RouteBatchResponse) -> list[Decision | errors.FingerpostError]:
    return [
        from_response(result.response) if result.WhichOneof("result") == "response" else item_error(result.error)
        for result in response.results
    ]


def item_error(error: pb.BatchError) -> errors.FingerpostError:
    fields = [errors.FieldViolation(v.field, v.description) for v in error.field_violations]
    kind, retry_after_ms = _class_of(error.code), known(error, "retry_after_ms")
    return kind(error.message, error.reason, fields=fields, metadata=error.metadata, retry_after_ms=retry_after_ms)


def from_explanation(response: pb.ExplainResponse) -> Explanation:
    return Explanation(
        decision=from_response(response.decision),
        summary=response.summary,
        embedded_text=response.embedded_text,
        token_count=response.token_count,
        scorer=response.scorer,
        features={feature.name: feature.value for feature in response.features},
        contributions={feature.name: feature.contribution for feature in response.features},
        rules=tuple(_rule(rule) for rule in response.rules),
        models=tuple(_model(model) for model in response.models),
    )


def _rule(rule: pb.RuleTrace) -> RuleTrace:
    verdict = enum_name(pb.RuleVerdict, "RULE_VERDICT_", rule.verdict)
    return RuleTrace(rule.name, rule.stage, rule.when, verdict, rule.final, rule.took_effect, rule.actions, rule.error)


def _model(model: pb.ModelTrace) -> ModelTrace:
    return ModelTrace(
        model.model,
        model.place,
        _skip(model.skip_reason),
        known(model, "cost_usd_micros"),
        known(model, "quality"),
        known(model, "latency_p50_ms"),
    )


def from_info(response: pb.GetServerInfoResponse) -> ServerInfo:
    limits = {field.name: value for field, value in response.limits.ListFields()}
    ledger = _ledger(response.ledger) if response.HasField("ledger") else None
    return ServerInfo(response.version, tuple(_catalog(catalog) for catalog in response.catalogs), limits, ledger)


def _ledger(ledger: pb.LedgerInfo) -> LedgerInfo:
    return LedgerInfo(known(ledger, "age_seconds"), ledger.stale, ledger.overdue)


def _catalog(catalog: pb.CatalogInfo) -> CatalogInfo:
    return CatalogInfo(
        name=catalog.name,
        revision=catalog.revision,
        generation=catalog.generation,
        encoder_name=catalog.encoder.name,
        encoder_digest=catalog.encoder.digest,
        dimensions=catalog.encoder.dimensions,
        max_tokens=catalog.encoder.max_tokens,
        precision=catalog.encoder.precision,
        routes=tuple(catalog.routes),
        exemplars_count=catalog.exemplars_count,
        threshold=catalog.threshold,
        calibration=enum_name(decision_pb2.Calibration, "CALIBRATION_", catalog.calibration),
        refused_reloads_count=catalog.refused_reloads_count,
        open_breakers=tuple(OpenBreaker(one.model, one.position, one.cause) for one in catalog.open_breakers),
    )


def from_error(error: grpc.RpcError) -> errors.FingerpostError:
    """The error of a failed call, with the server's reason and fields where it gave them."""
    call: Any = error  # both kinds of RpcError are calls; the stubs say so of neither
    kind = _CLASSES.get(call.code(), errors.InternalError)
    reason, fields, metadata, retry_after_ms = None, [], {}, None
    for detail in _details(call.trailing_metadata()):
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest.FromString(detail.value)
            fields = [errors.FieldViolation(v.field, v.description) for v in bad.field_violations]
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            retry_after_ms = delay.ToMilliseconds()
    if reason == errors.ErrorReason.STORAGE_FULL:
        kind = errors.StorageFull
    message = call.details() or ""
    if call.code() is grpc.StatusCode.UNIMPLEMENTED:  # the library's own words help nobody
        message = (
            "what listens there does not know that method: requests go to a server's address, everything about "
            "catalogs to its admin listener (unix:DATA/admin.sock), and an older server may not have it yet"
        )
    return kind(message, reason, fields=fields, metadata=metadata, retry_after_ms=retry_after_ms)


def _details(trailing: Sequence[tuple[str, str | bytes]] | None) -> Sequence[Any]:
    """The details of google.rpc.Status; none where a proxy or the library itself answered."""
    for key, value in trailing or ():
        if key == _STATUS_DETAILS and isinstance(value, bytes):
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:
                return ()
    return ()


def _class_of(number: int) -> type[errors.FingerpostError]:
    return next((kind for code, kind in _CLASSES.items() if code.value[0] == number), errors.InternalError)
