"""Between budgets, breakers and experiments as messages and as our own data."""

import math

from fingerpost.rpc.catalog_convert import catalog_of, to_time
from fingerpost.rpc.faults import Faults
from fingerpost.types import (
    Arm,
    ArmMeasure,
    ArmState,
    BreakerPosition,
    BreakerState,
    BudgetOf,
    BudgetPer,
    BudgetState,
    Direction,
    Effect,
    Experiment,
    ExperimentReport,
    ExperimentState,
    ExperimentUnit,
    GuardedMeasure,
    Guardrail,
    Look,
    Measure,
    ShadowState,
    Standing,
    WhenSpent,
)
from fingerpost.v1 import admin_service_pb2 as pb

_NAME_CHARACTERS = 128
_HOLDER_BYTES = 128  # as of a request's tenant
_LIMIT_USD_MICROS = 1_000_000_000_000_000
_SECONDS = 31_536_000
_ARMS = 64

_OF = {one: pb.BudgetOf.Value(f"BUDGET_OF_{one.name}") for one in BudgetOf}
_PER = {one: pb.BudgetPer.Value(f"BUDGET_PER_{one.name}") for one in BudgetPer}
_WHEN_SPENT = {one: pb.WhenSpent.Value(f"WHEN_SPENT_{one.name}") for one in WhenSpent}
_POSITIONS = {one: pb.BreakerPosition.Value(f"BREAKER_POSITION_{one.name}") for one in BreakerPosition}
_UNITS = {one: pb.ExperimentUnit.Value(f"EXPERIMENT_UNIT_{one.name}") for one in ExperimentUnit}
_GUARDED = {one: pb.GuardedMeasure.Value(f"GUARDED_MEASURE_{one.name}") for one in GuardedMeasure}
_MEASURES = {one: pb.Measure.Value(f"MEASURE_{one.name}") for one in Measure}
_DIRECTIONS = {one: pb.Direction.Value(f"DIRECTION_{one.name}") for one in Direction}


def budget_of(request: pb.SetBudgetRequest | pb.ResetBudgetRequest | pb.ClearBudgetRequest) -> tuple[str, str, str]:
    """Catalog, budget and holder that a request names.

    Raises:
        InvalidRequest: with a violation for each wrong field, the limit among them where there is one.
    """
    catalog, faults = catalog_of(request.catalog), Faults()
    _check_name("name", request.name, faults)
    if len(request.holder.encode()) > _HOLDER_BYTES or "\0" in request.holder:
        faults.add("holder", f"at most {_HOLDER_BYTES} bytes without NUL")
    if isinstance(request, pb.SetBudgetRequest) and not 1 <= request.limit_usd_micros <= _LIMIT_USD_MICROS:
        faults.add("limit_usd_micros", f"1 to {_LIMIT_USD_MICROS}, not {request.limit_usd_micros}")
    faults.check()
    return catalog, request.name, request.holder


def model_of(request: pb.SetBreakerRequest | pb.ResetBreakerRequest) -> tuple[str, str]:
    """Catalog and model that a request names.

    Raises:
        InvalidRequest: with a violation for each wrong field, position and seconds among them where there are some.
    """
    catalog, faults = catalog_of(request.catalog), Faults()
    _check_name("model", request.model, faults)
    if isinstance(request, pb.SetBreakerRequest):
        if request.position not in (pb.BREAKER_POSITION_OPEN, pb.BREAKER_POSITION_CLOSED):
            faults.add("position", "OPEN or CLOSED")
        if request.HasField("seconds") and not 1 <= request.seconds <= _SECONDS:
            faults.add("seconds", f"1 to {_SECONDS}, not {request.seconds}")
    faults.check()
    return catalog, request.model


def experiment_of(
    request: pb.SetExperimentRequest | pb.ResetExperimentRequest | pb.ReportExperimentRequest,
) -> tuple[str, str]:
    """Catalog and experiment that a request names.

    Raises:
        InvalidRequest: with a violation for each wrong field, the weights among them where there are some.
    """
    catalog, faults = catalog_of(request.catalog), Faults()
    _check_name("name", request.name, faults)
    if isinstance(request, pb.SetExperimentRequest):
        if not request.HasField("running") and not request.weights:
            faults.add("running", "give running, weights or both")
        _check_weights(request, faults)
    faults.check()
    return catalog, request.name


def to_budget(state: BudgetState) -> pb.Budget:
    budget = state.budget
    return pb.Budget(
        name=budget.name,
        of=_OF[budget.of],
        per=_PER[budget.per],
        limit_usd_micros=budget.limit_usd_micros,
        when_spent=_WHEN_SPENT[budget.when_spent],
        only=budget.only,
        limits_by_hand=[
            pb.BudgetLimit(holder=holder, limit_usd_micros=limit) for holder, limit in state.limits_by_hand
        ],
    )


def to_account(standing: Standing) -> pb.BudgetAccount:
    return pb.BudgetAccount(
        budget=standing.key.budget,
        holder=standing.key.holder,
        start_time=to_time(standing.key.start_s * 1_000_000),
        end_time=to_time(standing.end_s * 1_000_000),
        limit_usd_micros=standing.limit_usd_micros,
        hard=standing.hard,
        used_usd_micros=standing.used_usd_micros,
        reported_usd_micros=standing.reported_usd_micros,
        reserved_usd_micros=standing.reserved_usd_micros,
        sliced_usd_micros=standing.sliced_usd_micros,
        cleared_usd_micros=standing.cleared_usd_micros,
    )


def to_breaker(state: BreakerState) -> pb.Breaker:
    return pb.Breaker(
        model=state.model,
        position=_POSITIONS[state.position],
        cause=state.cause,
        seconds_left=state.seconds_left,
        calls=state.calls,
        failures=state.failures,
        ejections=state.ejections,
        by_hand=state.by_hand,
    )


def to_running(state: ExperimentState) -> pb.RunningExperiment:
    return pb.RunningExperiment(
        experiment=_to_experiment(state.experiment),
        stopped=state.stopped,
        arms=map(_to_running_arm, state.arms),
        shadow=None if state.shadow is None else _to_shadow(state.shadow),
    )


def to_report(report: ExperimentReport) -> pb.ExperimentReport:
    return pb.ExperimentReport(
        experiment=_to_experiment(report.experiment),
        reports=report.reports,
        first_time=None if report.first_us is None else to_time(report.first_us),
        last_time=None if report.last_us is None else to_time(report.last_us),
        arms=map(_to_measure, report.arms),
        effects=map(_to_effect, report.effects),
        looks=map(_to_look, report.looks),
    )


def _check_name(field: str, name: str, faults: Faults) -> None:
    if not (0 < len(name) <= _NAME_CHARACTERS and name.isprintable()):
        faults.add(field, f"must be set: 1 to {_NAME_CHARACTERS} printable characters")


def _check_weights(request: pb.SetExperimentRequest, faults: Faults) -> None:
    if len(request.weights) > _ARMS:
        faults.add("weights", f"at most {_ARMS} arms, not {len(request.weights)}")
    elif not all(math.isfinite(weight) and 0 <= weight <= 100 for weight in request.weights.values()):
        faults.add("weights", "0 to 100 per cent each")


def _to_experiment(experiment: Experiment) -> pb.Experiment:
    return pb.Experiment(
        name=experiment.name,
        route=experiment.route or "",
        unit=_UNITS[experiment.unit],
        arms=map(_to_arm, experiment.arms),
        guardrails=map(_to_guardrail, experiment.guardrails),
        shadow=experiment.shadow or "",
        share=experiment.share,
    )


def _to_arm(arm: Arm) -> pb.Arm:
    return pb.Arm(name=arm.name, weight=arm.weight, model=arm.model or "", revision=arm.revision or "")


def _to_guardrail(guardrail: Guardrail) -> pb.Guardrail:
    return pb.Guardrail(of=_GUARDED[guardrail.of], max=guardrail.max, min=guardrail.min)


def _to_running_arm(state: ArmState) -> pb.RunningArm:
    return pb.RunningArm(
        name=state.arm.name,
        weight=state.weight,
        stopped=state.stopped,
        decisions=state.decisions,
        fallback_share=state.fallback_share,
        reports=state.reports,
        error_share=state.error_share,
        cost_usd=state.cost_usd,
    )


def _to_shadow(state: ShadowState) -> pb.Shadow:
    return pb.Shadow(
        decisions=state.decisions,
        dropped=state.dropped,
        other_route=state.other_route,
        other_model=state.other_model,
        other_outcome=state.other_outcome,
        cost_difference_usd_micros=state.cost_difference_usd_micros,
        error=state.error,
    )


def _to_measure(one: ArmMeasure) -> pb.ArmMeasure:
    return pb.ArmMeasure(
        arm=one.arm,
        measure=_MEASURES[one.measure],
        units=one.units,
        reports=one.reports,
        mean=one.mean,
        low=one.low,
        high=one.high,
    )


def _to_effect(effect: Effect) -> pb.Effect:
    return pb.Effect(
        arm=effect.arm,
        measure=_MEASURES[effect.measure],
        difference=effect.difference,
        low=effect.low,
        high=effect.high,
        p_value=effect.p_value,
        direction=_DIRECTIONS[effect.direction],
        units_needed=effect.units_needed,
    )


def _to_look(look: Look) -> pb.Look:
    return pb.Look(time=to_time(look.time_us), effect=_to_effect(look.effect))
