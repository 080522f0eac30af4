"""Controls: a client of those who look after budgets, breakers and experiments, by a server's admin listener."""

from collections.abc import Mapping
from typing import Any

import grpc

from fingerpost.client import control_types as seen
from fingerpost.client.admin import DEFAULT_TIMEOUT_SECONDS, AdminClient, entry_of, new_key
from fingerpost.client.catalog_types import AuditEntry
from fingerpost.client.reading import enum_name, known, time_of
from fingerpost.v1 import admin_service_pb2 as pb
from fingerpost.v1.admin_service_pb2_grpc import AdminServiceStub

_PAGE = 1_000


class ControlClient(AdminClient):
    """Looks after budgets, breakers and experiments. What is set holds until it is reset, and stands in the audit."""

    def __init__(
        self,
        target: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
    ) -> None:
        """See `AdminClient`."""
        super().__init__(target, timeout_seconds=timeout_seconds, credentials=credentials, token=token)
        self._stub = AdminServiceStub(self._channel)

    def budgets(self, catalog: str = "") -> list[seen.Budget]:
        """By name, each with its accounts of running windows."""
        request = pb.ListBudgetsRequest(catalog=catalog, page_size=_PAGE)
        budgets: list[pb.Budget] = []
        accounts: dict[str, list[seen.BudgetAccount]] = {}
        for reply in self._pages(self._stub.ListBudgets, request):
            budgets = list(reply.budgets)
            for one in reply.accounts:
                accounts.setdefault(one.budget, []).append(_account(one))
        return [_budget(one, tuple(accounts.get(one.name, ()))) for one in budgets]

    def set_budget(self, name: str, limit_usd_micros: int, holder: str = "", catalog: str = "") -> AuditEntry:
        """Another limit than the policy's, for one holder or ("") for all."""
        request = pb.SetBudgetRequest(
            catalog=catalog, name=name, holder=holder, limit_usd_micros=limit_usd_micros, idempotency_key=new_key()
        )
        return entry_of(self._change(self._stub.SetBudget, request).entry)

    def reset_budget(self, name: str, holder: str = "", catalog: str = "") -> AuditEntry:
        """The policy's limit again."""
        request = pb.ResetBudgetRequest(catalog=catalog, name=name, holder=holder, idempotency_key=new_key())
        return entry_of(self._change(self._stub.ResetBudget, request).entry)

    def clear_budget(self, name: str, holder: str = "", catalog: str = "") -> seen.Cleared:
        """Put what was spent in running windows out of the count, of one holder or ("") of all."""
        request = pb.ClearBudgetRequest(catalog=catalog, name=name, holder=holder, idempotency_key=new_key())
        reply = self._change(self._stub.ClearBudget, request)
        return seen.Cleared(tuple(map(_account, reply.accounts)), reply.cleared_count)

    def breakers(self, catalog: str = "") -> list[seen.Breaker]:
        """By model, as the server that answers has them."""
        reply = self._call(self._stub.ListBreakers, pb.ListBreakersRequest(catalog=catalog))
        return [_breaker(one) for one in reply.breakers]

    def set_breaker(self, model: str, *, open: bool, seconds: int | None = None, catalog: str = "") -> AuditEntry:
        """Leave a model alone, or let it be called whatever happens, so long or (None) until it is reset."""
        position = pb.BREAKER_POSITION_OPEN if open else pb.BREAKER_POSITION_CLOSED
        request = pb.SetBreakerRequest(
            catalog=catalog, model=model, position=position, seconds=seconds, idempotency_key=new_key()
        )
        return entry_of(self._change(self._stub.SetBreaker, request).entry)

    def reset_breaker(self, model: str, catalog: str = "") -> AuditEntry:
        """By itself again, closed."""
        request = pb.ResetBreakerRequest(catalog=catalog, model=model, idempotency_key=new_key())
        return entry_of(self._change(self._stub.ResetBreaker, request).entry)

    def experiments(self, catalog: str = "") -> list[seen.RunningExperiment]:
        """By name, as they run in the server that answers."""
        reply = self._call(self._stub.ListExperiments, pb.ListExperimentsRequest(catalog=catalog))
        return [_running(one) for one in reply.experiments]

    def set_experiment(
        self, name: str, *, running: bool | None = None, weights: Mapping[str, float] | None = None, catalog: str = ""
    ) -> AuditEntry:
        """Stop it or let it go on, or other weights than the policy's, per cent by arm; None leaves it."""
        request = pb.SetExperimentRequest(
            catalog=catalog, name=name, running=running, weights=weights, idempotency_key=new_key()
        )
        return entry_of(self._change(self._stub.SetExperiment, request).entry)

    def reset_experiment(self, name: str, catalog: str = "") -> AuditEntry:
        """As the policy says again."""
        request = pb.ResetExperimentRequest(catalog=catalog, name=name, idempotency_key=new_key())
        return entry_of(self._change(self._stub.ResetExperiment, request).entry)

    def report(self, name: str, catalog: str = "") -> seen.ExperimentReport:
        """What its arms have shown so far."""
        reply = self._call(self._stub.ReportExperiment, pb.ReportExperimentRequest(catalog=catalog, name=name))
        return _report(reply.report)


def _lower(enum: Any, prefix: str, number: int) -> str:  # noqa: ANN401
    return enum_name(enum, prefix, number).lower()


def _budget(one: pb.Budget, accounts: tuple[seen.BudgetAccount, ...]) -> seen.Budget:
    return seen.Budget(
        one.name,
        _lower(pb.BudgetOf, "BUDGET_OF_", one.of),
        _lower(pb.BudgetPer, "BUDGET_PER_", one.per),
        one.limit_usd_micros,
        _lower(pb.WhenSpent, "WHEN_SPENT_", one.when_spent),
        tuple(one.only),
        tuple(seen.BudgetLimit(limit.holder, limit.limit_usd_micros) for limit in one.limits_by_hand),
        accounts,
    )


def _account(one: pb.BudgetAccount) -> seen.BudgetAccount:
    return seen.BudgetAccount(
        one.budget,
        one.holder,
        time_of(one.start_time),
        time_of(one.end_time),
        one.limit_usd_micros,
        one.hard,
        one.used_usd_micros,
        one.reported_usd_micros,
        one.reserved_usd_micros,
        one.sliced_usd_micros,
        one.cleared_usd_micros,
    )


def _breaker(one: pb.Breaker) -> seen.Breaker:
    return seen.Breaker(
        one.model,
        _lower(pb.BreakerPosition, "BREAKER_POSITION_", one.position),
        one.cause,
        known(one, "seconds_left"),
        one.calls,
        one.failures,
        one.ejections,
        one.by_hand,
    )


def _experiment(one: pb.Experiment) -> seen.Experiment:
    return seen.Experiment(
        one.name,
        one.route or None,
        _lower(pb.ExperimentUnit, "EXPERIMENT_UNIT_", one.unit),
        tuple(seen.Arm(arm.name, arm.weight, arm.model or None, arm.revision or None) for arm in one.arms),
        tuple(map(_guardrail, one.guardrails)),
        one.shadow or None,
        one.share,
    )


def _guardrail(one: pb.Guardrail) -> seen.Guardrail:
    return seen.Guardrail(_lower(pb.GuardedMeasure, "GUARDED_MEASURE_", one.of), known(one, "max"), known(one, "min"))


def _running(one: pb.RunningExperiment) -> seen.RunningExperiment:
    shadow = _shadow(one.shadow) if one.HasField("shadow") else None
    return seen.RunningExperiment(_experiment(one.experiment), one.stopped, tuple(map(_running_arm, one.arms)), shadow)


def _running_arm(one: pb.RunningArm) -> seen.RunningArm:
    return seen.RunningArm(
        one.name,
        one.weight,
        one.stopped,
        one.decisions,
        known(one, "fallback_share"),
        one.reports,
        known(one, "error_share"),
        known(one, "cost_usd"),
    )


def _shadow(one: pb.Shadow) -> seen.Shadow:
    return seen.Shadow(
        one.decisions,
        one.dropped,
        one.other_route,
        one.other_model,
        one.other_outcome,
        one.cost_difference_usd_micros,
        one.error,
    )


def _report(one: pb.ExperimentReport) -> seen.ExperimentReport:
    return seen.ExperimentReport(
        _experiment(one.experiment),
        one.reports,
        time_of(one.first_time) if one.HasField("first_time") else None,
        time_of(one.last_time) if one.HasField("last_time") else None,
        tuple(map(_measure, one.arms)),
        tuple(map(_effect, one.effects)),
        tuple(seen.Look(time_of(look.time), _effect(look.effect)) for look in one.looks),
    )


def _measure(one: pb.ArmMeasure) -> seen.ArmMeasure:
    return seen.ArmMeasure(
        one.arm,
        _lower(pb.Measure, "MEASURE_", one.measure),
        one.units,
        one.reports,
        known(one, "mean"),
        known(one, "low"),
        known(one, "high"),
    )


def _effect(one: pb.Effect) -> seen.Effect:
    return seen.Effect(
        one.arm,
        _lower(pb.Measure, "MEASURE_", one.measure),
        known(one, "difference"),
        known(one, "low"),
        known(one, "high"),
        one.p_value,
        _lower(pb.Direction, "DIRECTION_", one.direction),
        known(one, "units_needed"),
    )
