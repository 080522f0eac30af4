"""Experiment report: what do the reports of an experiment's arms say so far, and how has that come? Pure; one pass."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fingerpost.guard.sequential import (
    ALPHA,
    Estimate,
    Sums,
    difference_interval,
    difference_p_value,
    estimate,
    interval,
    units_needed,
)
from fingerpost.types import (
    ArmMeasure,
    CallStatus,
    CostSource,
    Direction,
    Effect,
    Experiment,
    ExperimentReport,
    Look,
    Measure,
    Report,
    ReportRow,
    Verdict,
)

SHARES = frozenset({Measure.ERROR_SHARE, Measure.FALLBACK_SHARE, Measure.GOOD_FIT_SHARE, Measure.SCORE})
"""Measures whose every value is in [0, 1]."""

_MATTERS = 0.02  # the smallest difference that does, of shares and scores
_MATTERS_RELATIVE = 0.05  # likewise of cost and latency, of the first arm's mean

_LOOKS = 200  # moments at most
_SAYS_NOTHING = frozenset({CallStatus.CANCELLED, CallStatus.INVALID_REQUEST})  # of errors and latency
_COST_RANK = {CostSource.TOKENS: 1, CostSource.REPORTED: 2}  # what was only reserved is no cost that anybody told
_PER_DOLLAR = 1_000_000


def smallest_effect(measure: Measure, first_mean: float, other_mean: float) -> float:
    """The smallest difference that matters, in the measure's unit; 0 where both means are."""
    if measure in SHARES:
        return _MATTERS
    return _MATTERS_RELATIVE * (first_mean or other_mean)


def report_of(catalog: str, experiment: Experiment, rows: Iterable[ReportRow]) -> ExperimentReport:
    """The arms' means, and how the others differ from the first, with intervals that hold whenever somebody looks.

    Several reports of one decision are one: what was told first holds, but for a failure, which any of them may tell,
    and for a cost, where one that was reported outdoes one that was computed from tokens.

    Args:
        catalog: Where the experiment is.
        experiment: Its arms are those that are reported of; rows of others are passed over.
        rows: Oldest first.
    """
    run = _Run(experiment)
    for row in rows:
        run.add(row)
    run.look()
    last = run.looks[-1].effects if run.looks else run.effects()
    return ExperimentReport(
        catalog,
        experiment,
        len(run.told),
        run.first_us,
        run.last_us,
        tuple(run.arm_measures()),
        tuple(last),
        tuple(Look(moment.time_us, effect) for moment in run.looks for effect in moment.effects),
    )


# --- What decisions tell ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Told:
    """What is known of one decision."""

    values: dict[Measure, float] = field(default_factory=dict)
    cost_rank: int = 0


def _values(report: Report) -> Mapping[Measure, float]:
    """What a report tells of its decision, but for fallback and cost."""
    values: dict[Measure, float] = {}
    if report.status not in _SAYS_NOTHING:
        values[Measure.ERROR_SHARE] = float(report.has_failed)
        if report.latency_ms is not None:
            values[Measure.LATENCY_MS] = float(report.latency_ms)
    if report.verdict is not None:
        values[Measure.GOOD_FIT_SHARE] = float(report.verdict is Verdict.GOOD_FIT)
    if report.score is not None:
        values[Measure.SCORE] = report.score
    return values


# --- What arms add up to ------------------------------------------------------------------------------------------


class _Clusters:
    """Sums of one arm and measure, and of each of its units."""

    def __init__(self) -> None:
        self.sums = Sums()
        self._units: dict[str, tuple[float, int]] = {}

    def add(self, unit: str, value: float, instead_of: float | None) -> None:
        """Count a decision's value, or put it in the place of the one before."""
        y, x = self._units.get(unit, (0.0, 0))
        more_y, more_x = (value, 1) if instead_of is None else (value - instead_of, 0)
        self.sums.move(y, x, more_y, more_x)
        self._units[unit] = (y + more_y, x + more_x)


@dataclass(frozen=True, slots=True)
class _Moment:
    time_us: int
    effects: tuple[Effect, ...]


class _Run:
    """An experiment as its reports come in."""

    def __init__(self, experiment: Experiment) -> None:
        self._arms = {f"{experiment.name}/{arm.name}": arm.name for arm in experiment.arms}
        self._clusters = {name: {measure: _Clusters() for measure in Measure} for name in self._arms.values()}
        self._p_values: dict[tuple[str, Measure], float] = {}
        self._until_look, self._step = 1, 1
        self.told: dict[str, _Told] = {}  # by the decision's key
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.looks: list[_Moment] = []

    def add(self, row: ReportRow) -> None:
        arm = self._arms.get(row.arm)
        if arm is None:
            return
        told = self.told.get(row.key)
        if told is None:
            told = self.told[row.key] = _Told()
            self._tell(arm, row.unit, told, Measure.FALLBACK_SHARE, float(row.fell_back))
        self._merge(arm, row, told)
        self.first_us = row.reported_us if self.first_us is None else self.first_us
        self.last_us = row.reported_us
        self._until_look -= 1
        if not self._until_look:
            self.look()

    def _merge(self, arm: str, row: ReportRow, told: _Told) -> None:
        for measure, value in _values(row.report).items():
            if measure not in told.values or (measure is Measure.ERROR_SHARE and value > told.values[measure]):
                self._tell(arm, row.unit, told, measure, value)
        rank = _COST_RANK.get(row.cost_source, 0)
        if rank > told.cost_rank:
            self._tell(arm, row.unit, told, Measure.COST_USD, row.cost_usd_micros / _PER_DOLLAR)
            told.cost_rank = rank

    def _tell(self, arm: str, unit: str, told: _Told, measure: Measure, value: float) -> None:
        self._clusters[arm][measure].add(unit, value, told.values.get(measure))
        told.values[measure] = value

    def look(self) -> None:
        """Note how the effects stand, unless nothing came since; of too many moments every other one is forgotten."""
        if self.last_us is None or (self.looks and self._until_look == self._step):
            return
        self.looks.append(_Moment(self.last_us, self.effects()))
        if len(self.looks) >= _LOOKS:
            del self.looks[:-1:2]
            self._step *= 2
        self._until_look = self._step

    def effects(self) -> tuple[Effect, ...]:
        """Of all arms but the first, measure by measure."""
        first, *others = self._clusters or [""]
        return tuple(self._effect(first, other, measure) for measure in Measure for other in others)

    def _effect(self, first: str, other: str, measure: Measure) -> Effect:
        share = measure in SHARES
        one, two = (self._clusters[arm][measure].sums for arm in (first, other))
        p = self._p_values.get((other, measure), 1.0)
        open_effect = Effect(other, measure, _difference(one, two), None, None, p, Direction.OPEN, None)
        before, after = estimate(one, share=share), estimate(two, share=share)
        if before is None or after is None:
            return open_effect
        tau = smallest_effect(measure, before.mean, after.mean)
        if not tau:
            return open_effect
        p = self._p_values[other, measure] = min(p, difference_p_value(before, after, tau))
        within = difference_interval(before, after, tau, share=share)
        direction = Direction.MORE if within.low > 0 else Direction.LESS if within.high < 0 else Direction.OPEN
        alike = max(
            one.units / before.units, two.units / after.units
        )  # how many units tell as much as one of even size
        needed = math.ceil(alike * units_needed(before, after, tau))
        return replace(
            open_effect, low=within.low, high=within.high, p_value=p, direction=direction, units_needed=needed
        )

    def arm_measures(self) -> Iterable[ArmMeasure]:
        """Each measure of each arm."""
        for measure in Measure:
            sums = {name: clusters[measure].sums for name, clusters in self._clusters.items()}
            for name, of in sums.items():
                yield _arm_measure(name, measure, of, estimate(of, share=measure in SHARES))


def _difference(one: Sums, two: Sums) -> float | None:
    return None if one.mean is None or two.mean is None else two.mean - one.mean


def _arm_measure(arm: str, measure: Measure, sums: Sums, found: Estimate | None) -> ArmMeasure:
    plain = ArmMeasure(arm, measure, sums.units, round(sums.x), sums.mean, None, None)
    tau = smallest_effect(measure, found.mean, found.mean) if found is not None else 0.0
    if found is None or not tau:
        return plain
    within = interval(found, tau, share=measure in SHARES, alpha=ALPHA)
    return replace(plain, low=within.low, high=within.high)
