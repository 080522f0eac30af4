"""A report of an experiment, as a client hears it, in our own types: what the tables and plots are made from."""

from datetime import datetime

from fingerpost import types
from fingerpost.client import control_types as seen


def as_report(report: seen.ExperimentReport, catalog: str) -> types.ExperimentReport:
    return types.ExperimentReport(
        catalog,
        _experiment(report.experiment),
        report.reports,
        None if report.first is None else _time_us(report.first),
        None if report.last is None else _time_us(report.last),
        tuple(map(_measure, report.arms)),
        tuple(map(_effect, report.effects)),
        tuple(types.Look(_time_us(look.time), _effect(look.effect)) for look in report.looks),
    )


def _experiment(experiment: seen.Experiment) -> types.Experiment:
    return types.Experiment(
        experiment.name,
        experiment.route,
        types.ExperimentUnit(experiment.unit),
        tuple(types.Arm(arm.name, arm.weight, arm.model, arm.revision) for arm in experiment.arms),
        tuple(types.Guardrail(types.GuardedMeasure(one.of), one.max, one.min) for one in experiment.guardrails),
        experiment.shadow,
        experiment.share,
    )


def _measure(one: seen.ArmMeasure) -> types.ArmMeasure:
    return types.ArmMeasure(one.arm, types.Measure(one.measure), one.units, one.reports, one.mean, one.low, one.high)


def _effect(effect: seen.Effect) -> types.Effect:
    return types.Effect(
        effect.arm,
        types.Measure(effect.measure),
        effect.difference,
        effect.low,
        effect.high,
        effect.p_value,
        types.Direction(effect.direction),
        effect.units_needed,
    )


def _time_us(time: datetime) -> int:
    return round(time.timestamp() * 1e6)
