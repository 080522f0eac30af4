"""What an experiment says so far, in the words of those who run it."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from fingerpost.guard.sequential import ALPHA, MIN_UNITS, split_p_value
from fingerpost.release.experiment_report import smallest_effect
from fingerpost.types import ArmMeasure, Direction, Effect, ExperimentReport, ExperimentUnit, Measure

_SPLIT_ALPHA = 0.01
_CENTS = 100.0
_POINTS = 100.0


class _Phrase(NamedTuple):
    name: str  # of the measure
    more: str  # what an arm does that has more of it, with {} for by how much
    less: str
    more_is_better: bool


_PHRASES = {
    Measure.ERROR_SHARE: _Phrase("calls that fail", "fails {} more often", "fails {} less often", False),
    Measure.FALLBACK_SHARE: _Phrase("fallbacks", "falls back {} more often", "falls back {} less often", False),
    Measure.GOOD_FIT_SHARE: _Phrase("good fits", "fits {} more often", "fits {} less often", True),
    Measure.SCORE: _Phrase("score", "scores {} more", "scores {} less", True),
    Measure.COST_USD: _Phrase("cost", "costs {} more per request", "costs {} less per request", False),
    Measure.LATENCY_MS: _Phrase("latency", "answers {} later", "answers {} sooner", False),
}
_UNITS = {
    ExperimentUnit.TENANT: ("tenant", "tenants"),
    ExperimentUnit.SESSION: ("session", "sessions"),
    ExperimentUnit.REQUEST: ("request", "requests"),
}


def measure_name(measure: Measure) -> str:
    return _PHRASES[measure].name


def is_good(effect: Effect) -> bool:
    """Whether a sure effect is one that people wish for."""
    return (effect.direction is Direction.MORE) == _PHRASES[effect.measure].more_is_better


def headline(report: ExperimentReport) -> str:
    """How much was reported, and from when to when."""
    name = f"Experiment {report.experiment.name} of catalog {report.catalog}"
    if report.first_us is None or report.last_us is None:
        return f"{name}: nothing was reported of its arms yet."
    between = f"from {_time(report.first_us)} to {_time(report.last_us)} UTC"
    return f"{name}: {_count(report.reports, 'decision was', 'decisions were')} reported, {between}."


def verdict(report: ExperimentReport, effect: Effect) -> str:
    """What is sure of an effect, or what it takes, without a full stop."""
    name = _PHRASES[effect.measure].name
    one, many = _UNITS[report.experiment.unit]
    if effect.low is None or effect.high is None or effect.units_needed is None:
        arms = [_arm(report, arm, effect.measure) for arm in (report.experiment.arms[0].name, effect.arm)]
        if all(arm.mean == 0 for arm in arms) and min(arm.units for arm in arms) >= MIN_UNITS:
            return f"{name}: nothing in either arm"
        return f"{name}: too few {many} to say anything, it takes {MIN_UNITS} in each arm, and more if some are large"
    if effect.direction is not Direction.OPEN:
        return sure(effect, effect.low, effect.high)
    least = _least(report, effect)
    if max(-effect.low, effect.high) <= least:
        return f"{name}: no difference that matters, {_within(effect.measure, effect.low, effect.high)}"
    if effect.p_value < ALPHA:
        return f"{name}: something was sure on the way and no longer is, look at the plot"
    missing = effect.units_needed - min(
        _arm(report, arm, effect.measure).units for arm in (report.experiment.arms[0].name, effect.arm)
    )
    if missing <= 0:
        return (
            f"{name}: nothing is sure yet, and a difference of {_amount(effect.measure, least)} would mostly have shown"
        )
    more = f"about {_round(missing):,} more {one if missing == 1 else many} in each arm"
    return f"{name}: nothing is sure yet, {more} would mostly show a difference of {_amount(effect.measure, least)}"


def sure(effect: Effect, low: float, high: float) -> str:
    """A sure effect with its bounds: "small costs 0.4 to 0.9 cents less per request"."""
    phrase = _PHRASES[effect.measure]
    if effect.direction is Direction.MORE:
        return f"{effect.arm} {phrase.more.format(_range(effect.measure, low, high))}"
    return f"{effect.arm} {phrase.less.format(_range(effect.measure, -high, -low))}"


def split_warning(report: ExperimentReport) -> Iterator[str]:
    """That the arms have not the shares of units that their weights say, if so."""
    units = {arm.arm: arm.units for arm in report.arms if arm.measure is Measure.FALLBACK_SHARE}
    arms = [arm for arm in report.experiment.arms if arm.name in units]
    if len(arms) < 2 or split_p_value([units[arm.name] for arm in arms], [arm.weight for arm in arms]) >= _SPLIT_ALPHA:
        return
    total, many = sum(units.values()), _UNITS[report.experiment.unit][1]
    found = ", ".join(f"{arm.name} {100 * units[arm.name] / total:.1f}% (weight {arm.weight:g}%)" for arm in arms)
    yield (
        f"The {many} that were reported of are not split as the weights say: {found}. Either weights were changed, or "
        "an arm was stopped, or callers report less of one arm. In each case arms may differ for that reason alone."
    )


def mean(of: ArmMeasure) -> str:
    """A mean with its interval, as far as it is known: "0.55 cents (0.54 to 0.56)"; empty where nothing tells it."""
    if of.mean is None:
        return ""
    value, unit = _value(of.measure, of.mean)
    if of.low is None or of.high is None:
        return f"{value}{unit}"
    return f"{value}{unit} ({_value(of.measure, of.low)[0]} to {_value(of.measure, of.high)[0]})"


def change(effect: Effect) -> tuple[str, str]:
    """A difference and its interval, with signs; empty where they are not known."""
    unit, factor = unit_of(effect.measure)
    difference = "" if effect.difference is None else f"{_signed(factor * effect.difference)} {unit}".rstrip()
    if effect.low is None or effect.high is None:
        return difference, ""
    return difference, f"{_signed(factor * effect.low)} to {_signed(factor * effect.high)} {unit}".rstrip()


def unit_of(measure: Measure) -> tuple[str, float]:
    """Of differences of a measure: its name, and how many there are in one of the measure's own."""
    if measure is Measure.COST_USD:
        return "cents", _CENTS
    if measure is Measure.LATENCY_MS:
        return "ms", 1.0
    return ("", 1.0) if measure is Measure.SCORE else ("points", _POINTS)


def units(report: ExperimentReport) -> str:
    return _UNITS[report.experiment.unit][1]


def _arm(report: ExperimentReport, arm: str, measure: Measure) -> ArmMeasure:
    return next(one for one in report.arms if one.arm == arm and one.measure is measure)


def _least(report: ExperimentReport, effect: Effect) -> float:
    """The smallest difference that matters."""
    first, other = (_arm(report, arm, effect.measure).mean for arm in (report.experiment.arms[0].name, effect.arm))
    return smallest_effect(effect.measure, first or 0.0, other or 0.0)


def _range(measure: Measure, low: float, high: float) -> str:
    unit, factor = unit_of(measure)
    return f"{_number(factor * low)} to {_number(factor * high)} {unit}".rstrip()


def _amount(measure: Measure, amount: float) -> str:
    unit, factor = unit_of(measure)
    return f"{_number(factor * amount)} {unit}".rstrip()


def _within(measure: Measure, low: float, high: float) -> str:
    return f"between {_amount(measure, -low)} less and {_amount(measure, high)} more"


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{_number(abs(value))}"


def _value(measure: Measure, value: float) -> tuple[str, str]:
    """The value of a measure, and its unit."""
    if measure is Measure.COST_USD:
        return _number(_CENTS * value, 3), " cents"
    if measure is Measure.LATENCY_MS:
        return f"{value:,.0f}", " ms"
    return (f"{value:.3f}", "") if measure is Measure.SCORE else (f"{_POINTS * value:.1f}", "%")


def _number(value: float, significant: int = 2) -> str:
    """With so many digits that mean something, never as a power of ten."""
    if not value:
        return "0"
    return f"{value:,.{max(0, significant - 1 - math.floor(math.log10(abs(value))))}f}"


def _round(count: int) -> int:
    """Two digits that mean something: nobody knows more."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _time(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
