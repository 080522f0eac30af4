"""The controls of a data folder here, as the commands see them."""

from collections.abc import Mapping

from fingerpost import types
from fingerpost.bootstrap.pointing import myself
from fingerpost.cli.local_desk import entry_seen, time_seen
from fingerpost.client import control_types as seen
from fingerpost.client.catalog_types import AuditEntry
from fingerpost.control_ports import ControlDesk
from fingerpost.serve.runtime import DEFAULT_CATALOG

_SHOWN = 1_000  # accounts that were cleared, as through a server


class LocalControls:
    """Budgets, breakers and experiments of a data folder, changed in the name of who runs the command."""

    def __init__(self, desk: ControlDesk) -> None:
        self._desk = desk

    def budgets(self, catalog: str = "") -> list[seen.Budget]:
        return [_budget(one) for one in self._desk.budgets(catalog or DEFAULT_CATALOG)]

    def set_budget(self, name: str, limit_usd_micros: int, holder: str = "", catalog: str = "") -> AuditEntry:
        catalog = catalog or DEFAULT_CATALOG
        return entry_seen(self._desk.set_budget(myself(), catalog, name, holder, limit_usd_micros))

    def reset_budget(self, name: str, holder: str = "", catalog: str = "") -> AuditEntry:
        return entry_seen(self._desk.reset_budget(myself(), catalog or DEFAULT_CATALOG, name, holder))

    def clear_budget(self, name: str, holder: str = "", catalog: str = "") -> seen.Cleared:
        cleared = self._desk.clear_budget(myself(), catalog or DEFAULT_CATALOG, name, holder)
        return seen.Cleared(tuple(map(_account, cleared[:_SHOWN])), len(cleared))

    def breakers(self, catalog: str = "") -> list[seen.Breaker]:
        return [_breaker(one) for one in self._desk.breakers(catalog or DEFAULT_CATALOG)]

    def set_breaker(self, model: str, *, open: bool, seconds: int | None = None, catalog: str = "") -> AuditEntry:
        catalog = catalog or DEFAULT_CATALOG
        return entry_seen(self._desk.set_breaker(myself(), catalog, model, open=open, seconds=seconds))

    def reset_breaker(self, model: str, catalog: str = "") -> AuditEntry:
        return entry_seen(self._desk.reset_breaker(myself(), catalog or DEFAULT_CATALOG, model))

    def experiments(self, catalog: str = "") -> list[seen.RunningExperiment]:
        return [_running(one) for one in self._desk.experiments(catalog or DEFAULT_CATALOG)]

    def set_experiment(
        self, name: str, *, running: bool | None = None, weights: Mapping[str, float] | None = None, catalog: str = ""
    ) -> AuditEntry:
        catalog = catalog or DEFAULT_CATALOG
        return entry_seen(self._desk.set_experiment(myself(), catalog, name, running=running, weights=weights or {}))

    def reset_experiment(self, name: str, catalog: str = "") -> AuditEntry:
        return entry_seen(self._desk.reset_experiment(myself(), catalog or DEFAULT_CATALOG, name))

    def report(self, name: str, catalog: str = "") -> seen.ExperimentReport:
        return _report(self._desk.report(catalog or DEFAULT_CATALOG, name))


def _budget(state: types.BudgetState) -> seen.Budget:
    budget = state.budget
    return seen.Budget(
        budget.name,
        budget.of.value,
        budget.per.value,
        budget.limit_usd_micros,
        budget.when_spent.value,
        budget.only,
        tuple(seen.BudgetLimit(holder, limit) for holder, limit in state.limits_by_hand),
        tuple(map(_account, state.accounts)),
    )


def _account(standing: types.Standing) -> seen.BudgetAccount:
    return seen.BudgetAccount(
        standing.key.budget,
        standing.key.holder,
        time_seen(standing.key.start_s * 1_000_000),
        time_seen(standing.end_s * 1_000_000),
        standing.limit_usd_micros,
        standing.hard,
        standing.used_usd_micros,
        standing.reported_usd_micros,
        standing.reserved_usd_micros,
        standing.sliced_usd_micros,
        standing.cleared_usd_micros,
    )


def _breaker(state: types.BreakerState) -> seen.Breaker:
    return seen.Breaker(
        state.model,
        state.position.value,
        state.cause,
        state.seconds_left,
        state.calls,
        state.failures,
        state.ejections,
        state.by_hand,
    )


def _experiment(experiment: types.Experiment) -> seen.Experiment:
    return seen.Experiment(
        experiment.name,
        experiment.route,
        experiment.unit.value,
        tuple(seen.Arm(arm.name, arm.weight, arm.model, arm.revision) for arm in experiment.arms),
        tuple(seen.Guardrail(one.of.value, one.max, one.min) for one in experiment.guardrails),
        experiment.shadow,
        experiment.share,
    )


def _running(state: types.ExperimentState) -> seen.RunningExperiment:
    return seen.RunningExperiment(
        _experiment(state.experiment),
        state.stopped,
        tuple(map(_running_arm, state.arms)),
        None if state.shadow is None else _shadow(state.shadow),
    )


def _running_arm(state: types.ArmState) -> seen.RunningArm:
    return seen.RunningArm(
        state.arm.name,
        state.weight,
        state.stopped,
        state.decisions,
        state.fallback_share,
        state.reports,
        state.error_share,
        state.cost_usd,
    )


def _shadow(state: types.ShadowState) -> seen.Shadow:
    return seen.Shadow(
        state.decisions,
        state.dropped,
        state.other_route,
        state.other_model,
        state.other_outcome,
        state.cost_difference_usd_micros,
        state.error,
    )


def _report(report: types.ExperimentReport) -> seen.ExperimentReport:
    return seen.ExperimentReport(
        _experiment(report.experiment),
        report.reports,
        None if report.first_us is None else time_seen(report.first_us),
        None if report.last_us is None else time_seen(report.last_us),
        tuple(map(_measure, report.arms)),
        tuple(map(_effect, report.effects)),
        tuple(seen.Look(time_seen(look.time_us), _effect(look.effect)) for look in report.looks),
    )


def _measure(one: types.ArmMeasure) -> seen.ArmMeasure:
    return seen.ArmMeasure(one.arm, one.measure.value, one.units, one.reports, one.mean, one.low, one.high)


def _effect(effect: types.Effect) -> seen.Effect:
    return seen.Effect(
        effect.arm,
        effect.measure.value,
        effect.difference,
        effect.low,
        effect.high,
        effect.p_value,
        effect.direction.value,
        effect.units_needed,
    )
