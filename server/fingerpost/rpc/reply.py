"""Reply: answers become messages."""

import time

from google.protobuf.timestamp_pb2 import Timestamp

from fingerpost import __version__
from fingerpost.errors import FingerpostError
from fingerpost.guard.breaker import Breakers
from fingerpost.rpc.status import code_of
from fingerpost.serve.cache import Lookup
from fingerpost.serve.calibrate import FEATURES, FOREIGN_LOG_ODDS, SCOPE_FEATURES, contributions, share_log_odds
from fingerpost.serve.explain import Considered, considered_models, summarise
from fingerpost.serve.follow import Follower
from fingerpost.serve.guards import Guards
from fingerpost.serve.pipeline import Answer
from fingerpost.serve.rules import Judged, Verdict, actions_of
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.score import scorer_name
from fingerpost.settings import Settings
from fingerpost.types import (
    OUT_OF_SCOPE,
    BreakerPosition,
    Calibration,
    Candidate,
    Neighbour,
    Outcome,
    Reason,
    SkipReason,
)
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb

_OUTCOMES = {outcome: decision_pb2.Outcome.Value(f"OUTCOME_{outcome}") for outcome in Outcome}
_REASONS = {reason: decision_pb2.Reason.Value(f"REASON_{reason}") for reason in Reason}
_SKIPS = {reason: decision_pb2.SkipReason.Value(f"SKIP_REASON_{reason}") for reason in SkipReason}
_VERDICTS = {verdict: pb.RuleVerdict.Value(f"RULE_VERDICT_{verdict}") for verdict in Verdict}
_CALIBRATIONS = {one: decision_pb2.Calibration.Value(f"CALIBRATION_{one}") for one in Calibration}


def to_response(answer: Answer) -> pb.RouteResponse:
    decision, query, snapshot = answer.decision, answer.query, answer.snapshot
    timing = answer.timing
    response = pb.RouteResponse(
        decision_id=answer.decision_id,
        outcome=_OUTCOMES[decision.outcome],
        route=decision.route or "",
        model=decision.model,
        confidence=decision.confidence,
        threshold=decision.threshold,
        margin=decision.margin,
        reasons=[_REASONS[reason] for reason in decision.reasons],
        fallback_models=decision.fallback_models,
        revision=snapshot.revision,
        degraded=decision.degraded,
        timing=pb.Timing(
            queue_us=timing.queue_us,
            embed_us=timing.embed_us,
            search_us=timing.search_us,
            decide_us=timing.decide_us,
            total_us=timing.total_us,
        ),
        similarity=decision.similarity,
        calibration=_CALIBRATIONS[decision.calibration],
        upstream_model=decision.upstream_model,
        request_id=query.request_id,
        catalog=snapshot.catalog,
        ignored_parts=query.ignored_parts,
        joined_turns=query.joined_turns,
        cached=answer.lookup is Lookup.HIT,
        rules=decision.rules,
        skipped_models=[pb.SkippedModel(model=one.model, reason=_SKIPS[one.reason]) for one in decision.skipped],
    )
    if decision.arm is not None:
        arm = decision.arm
        response.experiment.CopyFrom(pb.ExperimentArm(name=arm.experiment, arm=arm.arm, propensity=arm.propensity))
    if answer.decided.reserved_usd_micros is not None:
        response.reserved_usd_micros = answer.decided.reserved_usd_micros
    _add_details(response, answer)
    return response


def _add_details(response: pb.RouteResponse, answer: Answer) -> None:
    query, retrieval = answer.query, answer.retrieval
    if answer.judgement is not None and query.alternatives_count:
        chosen = answer.judgement.candidates[: query.alternatives_count]
        response.alternatives.extend(_alternative(candidate, answer.snapshot) for candidate in chosen)
    if retrieval is None:
        return
    if retrieval.embedded is not None:
        response.truncated = retrieval.embedded.truncated
    if query.include_matches:
        neighbours = answer.found.neighbours if answer.found else ()
        response.matches.extend(_match(neighbour, answer.snapshot) for neighbour in neighbours)
    if query.include_embedding:
        response.embedding.encoder_digest = answer.snapshot.encoder.digest
        response.embedding.values.extend(retrieval.vector.tolist())


def _alternative(candidate: Candidate, snapshot: Snapshot) -> pb.Alternative:
    route = snapshot.decider.routes[candidate.route]
    return pb.Alternative(
        route=route.name,
        model=route.model,
        confidence=candidate.confidence,
        score=candidate.score,
        similarity=candidate.similarity,
    )


def _match(neighbour: Neighbour, snapshot: Snapshot) -> pb.Match:
    exemplar = snapshot.exemplars[neighbour.exemplar]
    route = "" if exemplar.route == OUT_OF_SCOPE else snapshot.decider.routes[exemplar.route].name
    return pb.Match(text=exemplar.text, route=route, similarity=neighbour.similarity)


def to_batch_error(error: FingerpostError) -> pb.BatchError:
    return pb.BatchError(
        code=code_of(error).value[0],
        reason=str(error.reason),
        message=error.message,
        field_violations=[pb.FieldViolation(field=v.field, description=v.description) for v in error.fields],
        metadata=error.metadata,
        retry_after_ms=error.retry_after_ms,
    )


def to_explanation(answer: Answer) -> pb.ExplainResponse:
    embedded = answer.retrieval.embedded if answer.retrieval else None
    return pb.ExplainResponse(
        decision=to_response(answer),
        summary=summarise(answer),
        embedded_text=embedded.text if embedded else "",
        token_count=embedded.token_count if embedded else 0,
        scorer=scorer_name(answer.snapshot.decider.blend),
        features=_features(answer),
        request_id=answer.query.request_id,
        rules=[_rule(judged) for judged in answer.situation.ruling.judged],
        models=[_model(considered) for considered in considered_models(answer)],
    )


def _rule(judged: Judged) -> pb.RuleTrace:
    rule = judged.rule
    return pb.RuleTrace(
        name=rule.name,
        stage=rule.stage.value,
        when=rule.when,
        verdict=_VERDICTS[judged.verdict],
        final=rule.final,
        took_effect=judged.takes_effect,
        actions=actions_of(rule),
        error=judged.why,
    )


def _model(considered: Considered) -> pb.ModelTrace:
    return pb.ModelTrace(
        model=considered.model,
        place=considered.place,
        skip_reason=decision_pb2.SKIP_REASON_UNSPECIFIED if considered.skip is None else _SKIPS[considered.skip],
        cost_usd_micros=considered.cost_usd_micros,
        quality=considered.quality,
        latency_p50_ms=considered.latency_p50_ms,
    )


def _features(answer: Answer) -> list[pb.Feature]:
    """Of the best route, then of the text's being in scope."""
    judgement, decider = answer.judgement, answer.snapshot.decider
    if judgement is None or not judgement.features:
        return []
    rows = [*zip(FEATURES, judgement.features, contributions(judgement.features, decider.confidence_map), strict=True)]
    if decider.scope_map and judgement.scope_features:
        added = contributions(judgement.scope_features, decider.scope_map)
        rows += zip(SCOPE_FEATURES, judgement.scope_features, added, strict=True)
        if answer.retrieval and answer.retrieval.foreign:
            rows.append(("scope_foreign", 1.0, FOREIGN_LOG_ODDS))
        if answer.share:
            rows.append(
                ("out_of_scope_share", answer.share.value, share_log_odds(answer.share.value, decider.scope_map))
            )
    return [pb.Feature(name=name, value=value, contribution=part) for name, value, part in rows]


def to_server_info(
    runtime: Runtime,
    guards: Guards,
    settings: Settings,
    start_time: float,
    request_id: str,
    follower: Follower | None,
) -> pb.GetServerInfoResponse:
    snapshots = [runtime.snapshots[name] for name in sorted(runtime.snapshots)]
    return pb.GetServerInfoResponse(
        version=__version__,
        catalogs=[
            _catalog(snapshot, runtime.refused_reloads.get(snapshot.catalog, 0), guards.of(snapshot).breakers)
            for snapshot in snapshots
        ],
        limits=_limits(settings),
        start_time=_timestamp(start_time),
        request_id=request_id,
        ledger=None if follower is None else _ledger(follower),
    )


def _ledger(follower: Follower) -> pb.LedgerInfo:
    return pb.LedgerInfo(age_seconds=follower.age_seconds, stale=follower.stale, overdue=follower.overdue)


def _catalog(snapshot: Snapshot, refused: int, breakers: Breakers) -> pb.CatalogInfo:
    encoder, decider = snapshot.encoder, snapshot.decider
    return pb.CatalogInfo(
        name=snapshot.catalog,
        revision=snapshot.revision,
        generation=snapshot.activation.generation,
        load_time=_timestamp(snapshot.load_time),
        encoder=pb.EncoderInfo(
            digest=encoder.digest,
            name=encoder.name,
            dimensions=encoder.dim,
            max_tokens=encoder.max_tokens,
            precision=snapshot.precision,
        ),
        routes=[route.name for route in decider.routes],
        exemplars_count=len(snapshot.exemplars),
        threshold=decider.threshold,
        calibration=_CALIBRATIONS[decider.confidence_map.calibration],
        refused_reloads_count=refused,
        open_breakers=[
            pb.OpenBreaker(model=state.model, position=state.position, cause=state.cause)
            for state in breakers.states(time.monotonic())
            if state.position is not BreakerPosition.CLOSED
        ],
    )


def _limits(settings: Settings) -> pb.Limits:
    return pb.Limits(
        text_bytes=settings.text_bytes,
        message_bytes=settings.message_bytes,
        batch_items=settings.batch_items,
        metadata_pairs=settings.metadata_pairs,
        metadata_bytes=settings.metadata_bytes,
        conversation_turns=settings.conversation_turns,
        alternatives=settings.alternatives,
        default_deadline_ms=settings.default_deadline_ms,
        in_flight_calls=settings.in_flight_calls,
        turn_parts=settings.turn_parts,
    )


def _timestamp(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp
