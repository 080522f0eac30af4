"""The report of an experiment: what counts, what is merged, looks on the way, and how seldom it is wrong."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
from hypothesis import given, strategies as st

from benchmarks.quality.experiments import mingled
from fingerpost.guard.sequential import ALPHA
from fingerpost.release.experiment_report import report_of, smallest_effect
from fingerpost.types import (
    FAILED_CALLS,
    Arm,
    ArmMeasure,
    CallStatus,
    CostSource,
    Direction,
    Effect,
    Experiment,
    ExperimentReport,
    ExperimentUnit,
    Measure,
    Report,
    ReportRow,
    Verdict,
)

ARMS = (Arm("usual", 50.0), Arm("small", 30.0, model="small"), Arm("tiny", 20.0, model="tiny"))
PRICE = Experiment("price", unit=ExperimentUnit.SESSION, arms=ARMS)
BLANK = Report("d", "m", CallStatus.OK)


def row(
    key: int,
    arm: str = "usual",
    report: Report = BLANK,
    *,
    unit: int | None = None,
    caller: str = "gateway",
    cost: int = 0,
    source: CostSource = CostSource.RESERVED,
    fell_back: bool = False,
    time_us: int | None = None,
) -> ReportRow:
    """A report of decision `key`, whose unit is its own unless one is given."""
    return ReportRow(
        f"{key:024x}",
        caller,
        "",
        "default",
        report,
        0,
        key if time_us is None else time_us,
        cost,
        source,
        fell_back=fell_back,
        arm=f"price/{arm}",
        unit=f"{key if unit is None else unit:08x}",
    )


def reported(rows: Iterable[ReportRow], experiment: Experiment = PRICE) -> ExperimentReport:
    return report_of("default", experiment, rows)


def arm_measure(report: ExperimentReport, arm: str, measure: Measure) -> ArmMeasure:
    return next(one for one in report.arms if (one.arm, one.measure) == (arm, measure))


def effect(report: ExperimentReport, arm: str, measure: Measure) -> Effect:
    return next(one for one in report.effects if (one.arm, one.measure) == (arm, measure))


def means(rows: Sequence[ReportRow]) -> dict[Measure, tuple[int, float]]:
    """Of the first arm: how many tell it, and the mean, to nine digits."""
    report = reported(rows)
    found = {measure: arm_measure(report, "usual", measure) for measure in Measure}
    return {measure: (of.reports, round(of.mean, 9)) for measure, of in found.items() if of.mean is not None}


# --- What counts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", CallStatus)
def test_which_calls_count(status: CallStatus) -> None:
    """What speaks against the model is an error; a cancelled or invalid request says nothing of errors and latency."""
    told = means([row(1, report=replace(BLANK, status=status, latency_ms=70, score=0.5))])
    assert told[Measure.SCORE] == (1, 0.5)
    assert told[Measure.FALLBACK_SHARE] == (1, 0.0)
    if status in (CallStatus.CANCELLED, CallStatus.INVALID_REQUEST):
        assert told.keys() == {Measure.SCORE, Measure.FALLBACK_SHARE}
    else:
        assert told[Measure.ERROR_SHARE] == (1, float(status in FAILED_CALLS))
        assert told[Measure.LATENCY_MS] == (1, 70.0)


def test_means_are_over_reports_that_tell_the_measure() -> None:
    """A verdict here, a cost there; what was only reserved is no cost that anybody told."""
    rows = [
        row(1, report=replace(BLANK, verdict=Verdict.GOOD_FIT), fell_back=True),
        row(2, report=replace(BLANK, verdict=Verdict.OVERPROVISIONED), cost=3_000, source=CostSource.TOKENS),
        row(3, report=replace(BLANK, verdict=Verdict.FAILED), cost=5_000, source=CostSource.REPORTED),
        row(4, cost=9_000_000, source=CostSource.RESERVED),
    ]
    told = means(rows)
    assert told[Measure.GOOD_FIT_SHARE] == (3, round(1 / 3, 9))
    assert told[Measure.COST_USD] == (2, 0.004)
    assert told[Measure.FALLBACK_SHARE] == (4, 0.25)
    assert Measure.LATENCY_MS not in told


def test_rows_of_others_are_passed_over() -> None:
    """Another experiment, an arm that is gone, no arm at all: none of them counts, nor moves the times."""
    others = [replace(row(key), arm=arm) for key, arm in enumerate(("other/usual", "price/gone", "", "price", "usual"))]
    report = reported([*others, row(7, time_us=70), row(8, "small", time_us=90), replace(row(9), arm="prices/usual")])
    assert (report.reports, report.first_us, report.last_us) == (2, 70, 90)
    assert [arm_measure(report, arm.name, Measure.FALLBACK_SHARE).units for arm in ARMS] == [1, 1, 0]


def test_an_experiment_of_which_nothing_is_known() -> None:
    """Every arm and effect is there, and says nothing."""
    report = reported([])
    assert (report.reports, report.first_us, report.last_us, report.looks) == (0, None, None, ())
    assert {(one.arm, one.measure) for one in report.arms} == {(arm.name, one) for arm in ARMS for one in Measure}
    assert {(one.arm, one.measure) for one in report.effects} == {
        (arm.name, one) for arm in ARMS[1:] for one in Measure
    }
    assert {one.direction for one in report.effects} == {Direction.OPEN}
    assert {(one.difference, one.low, one.p_value, one.units_needed) for one in report.effects} == {
        (None, None, 1.0, None)
    }
    assert reported([row(1)], Experiment("shadow", shadow="r1")).effects == ()


# --- Several reports of one decision ------------------------------------------------------------------------------


def test_a_judge_and_a_gateway_tell_of_one_decision() -> None:
    """The judge's verdict and the gateway's cost and failure are of one decision, in whichever order they come."""
    gateway = row(
        1, report=replace(BLANK, status=CallStatus.TIMEOUT, latency_ms=900), cost=400, source=CostSource.TOKENS
    )
    judge = row(1, report=replace(BLANK, verdict=Verdict.GOOD_FIT, score=0.75), caller="judge", cost=0)
    for rows in ([gateway, judge], [judge, gateway]):
        assert means(rows) == {
            Measure.ERROR_SHARE: (1, 1.0),
            Measure.FALLBACK_SHARE: (1, 0.0),
            Measure.GOOD_FIT_SHARE: (1, 1.0),
            Measure.SCORE: (1, 0.75),
            Measure.COST_USD: (1, 0.0004),
            Measure.LATENCY_MS: (1, 900.0),
        }
        assert reported(rows).reports == 1


def test_what_was_told_first_holds() -> None:
    """But for costs: one that was reported outdoes one that was computed from tokens, and not the other way round."""
    first = row(1, report=replace(BLANK, score=0.2, latency_ms=10), cost=100, source=CostSource.TOKENS)
    second = row(1, report=replace(BLANK, score=0.9, latency_ms=99), cost=170, source=CostSource.REPORTED)
    third = row(1, cost=5_000, source=CostSource.TOKENS)
    told = means([first, second, third, replace(second, cost_usd_micros=9)])
    assert told[Measure.SCORE] == (1, 0.2)
    assert told[Measure.LATENCY_MS] == (1, 10.0)
    assert told[Measure.COST_USD] == (1, 0.00017)


STATUSES = st.sampled_from(CallStatus)
SOURCES = st.sampled_from(CostSource)
ROWS = st.lists(
    st.builds(
        lambda key, status, score, cost, source: row(
            key, "usual", replace(BLANK, status=status, score=score), unit=key % 3, cost=cost, source=source
        ),
        st.integers(0, 8),
        STATUSES,
        st.none() | st.floats(0, 1),
        st.integers(0, 1_000_000),
        SOURCES,
    ),
    max_size=30,
)


def twin(rows: Sequence[ReportRow]) -> dict[Measure, tuple[int, float]]:
    """The same, by gathering all rows of a decision first."""
    decisions: dict[str, list[ReportRow]] = {}
    for one in rows:
        decisions.setdefault(one.key, []).append(one)
    told: dict[Measure, list[float]] = {measure: [] for measure in Measure}
    for some in decisions.values():
        told[Measure.FALLBACK_SHARE].append(0.0)
        spoken = [one.report.status for one in some if one.report.status not in ("CANCELLED", "INVALID_REQUEST")]
        told[Measure.ERROR_SHARE] += [float(any(status in FAILED_CALLS for status in spoken))] if spoken else []
        told[Measure.SCORE] += [one.report.score for one in some if one.report.score is not None][:1]
        costs = [
            one.cost_usd_micros / 1e6
            for source in (CostSource.REPORTED, CostSource.TOKENS)
            for one in some
            if one.cost_source is source
        ]
        told[Measure.COST_USD] += costs[:1]
    return {measure: (len(values), sum(values) / len(values)) for measure, values in told.items() if values}


@given(ROWS)
def test_merging_is_as_gathering_all_first(rows: list[ReportRow]) -> None:
    """Whatever is told in whatever order by however many."""
    found, expected = means(rows), twin(rows)
    assert found.keys() == expected.keys()
    for measure, (count, mean) in found.items():
        assert count == expected[measure][0]
        assert mean == pytest.approx(expected[measure][1], abs=1e-8)


# --- Effects ------------------------------------------------------------------------------------------------------


def costly(count: int, seed: int = 1, sizes: tuple[int, ...] = (3,)) -> list[ReportRow]:
    """Sessions of the three arms in turn, of these sizes; `small` costs two thirds, `tiny` as much as usual."""
    chance = np.random.default_rng(seed)
    factors = {"usual": 1.0, "small": 2 / 3, "tiny": 1.0}
    rows = []
    lengths = cycle(size for size in sizes for _ in ARMS)
    sessions = (session for session, size in enumerate(lengths) for _ in range(size))
    for key, session in zip(range(count), sessions, strict=False):
        arm = ARMS[session % 3].name
        cost = round(factors[arm] * 3_000 * chance.lognormal(0, 0.4))
        rows.append(row(key, arm, unit=session, cost=cost, source=CostSource.REPORTED))
    return rows


def test_a_difference_is_found_where_there_is_one() -> None:
    """A third less is found, equal costs are left open, and measures that nobody told have no effect."""
    report = reported(costly(3_000))
    less, same = (effect(report, arm, Measure.COST_USD) for arm in ("small", "tiny"))
    assert less.direction is Direction.LESS
    assert less.low is not None
    assert less.high is not None
    assert less.low < -0.001 < less.high < 0
    assert less.p_value < 0.001
    assert same.direction is Direction.OPEN
    assert same.low is not None
    assert same.high is not None
    assert same.low < 0 < same.high
    assert effect(report, "small", Measure.LATENCY_MS).difference is None


@pytest.mark.parametrize("sizes", [(3,), (1, 9)], ids=["even", "uneven"])
def test_the_units_needed_count_sessions(sizes: tuple[int, ...]) -> None:
    """With so many sessions, of whatever sizes, the range of a difference reaches 0.78 of 5 % to each side."""
    needed = effect(reported(costly(6_000, sizes=sizes)), "tiny", Measure.COST_USD).units_needed
    assert needed is not None
    decisions = round(3 * needed * sum(sizes) / len(sizes))
    report = reported(costly(decisions, sizes=sizes))
    assert arm_measure(report, "tiny", Measure.COST_USD).units == pytest.approx(needed, abs=3)
    enough = effect(report, "tiny", Measure.COST_USD)
    assert enough.low is not None
    assert enough.high is not None
    matters = 0.05 * (arm_measure(report, "usual", Measure.COST_USD).mean or 0.0)
    assert (enough.high - enough.low) / 2 == pytest.approx(0.78 * matters, rel=0.07)


def test_nothing_is_sure_of_five() -> None:
    """Five failures against five successes are no effect, and nobody is told how many more it takes."""
    failed = replace(BLANK, status=CallStatus.SERVER_ERROR)
    report = reported([row(key, "small" if key % 2 else "usual", failed if key % 2 else BLANK) for key in range(10)])
    found = effect(report, "small", Measure.ERROR_SHARE)
    assert (found.difference, found.low, found.high, found.p_value) == (1.0, None, None, 1.0)
    assert (found.direction, found.units_needed) == (Direction.OPEN, None)
    assert arm_measure(report, "small", Measure.ERROR_SHARE).low is None


def test_models_that_cost_nothing() -> None:
    """Where neither arm costs anything there is no interval; where only the first costs nothing, there is."""
    free = [row(key, ARMS[key % 2].name, cost=0, source=CostSource.REPORTED) for key in range(400)]
    found = effect(reported(free), "small", Measure.COST_USD)
    assert (found.difference, found.low, found.direction) == (0.0, None, Direction.OPEN)
    paid = [replace(one, cost_usd_micros=1_000) if one.arm == "price/small" else one for one in free]
    assert effect(reported(paid), "small", Measure.COST_USD).direction is Direction.MORE


def test_the_smallest_effect_that_matters() -> None:
    """Two points of a share or a score, a twentieth of a cost or a latency."""
    for measure in (Measure.ERROR_SHARE, Measure.FALLBACK_SHARE, Measure.GOOD_FIT_SHARE, Measure.SCORE):
        assert smallest_effect(measure, 0.5, 0.1) == 0.02
    for measure in (Measure.COST_USD, Measure.LATENCY_MS):
        assert smallest_effect(measure, 2.0, 9.0) == pytest.approx(0.1)
        assert smallest_effect(measure, 0.0, 9.0) == pytest.approx(0.45)
        assert smallest_effect(measure, 0.0, 0.0) == 0.0


# --- Looks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 199, 200, 201, 1_000, 5_431])
def test_looks_are_spread_evenly_over_the_reports(count: int) -> None:
    """At most 200 moments, each with every effect; the last is the report's own, and none is far off."""
    report = reported(costly(count))
    times = sorted({look.time_us for look in report.looks})
    assert min(count, 100) <= len(times) <= 200
    assert len(report.looks) == len(times) * len(report.effects)
    assert tuple(look.effect for look in report.looks[-len(report.effects) :]) == report.effects
    assert times[-1] == count - 1
    gaps = [later - earlier for earlier, later in zip([-1, *times], times, strict=False)]
    assert max(gaps) <= max(1, count / 90)
    assert len(set(gaps[1:-1])) <= 1


def test_p_values_never_rise() -> None:
    """On the way each is the least so far."""
    for arm in ("small", "tiny"):
        looks = [one.effect for one in reported(costly(2_000)).looks]
        values = [one.p_value for one in looks if (one.arm, one.measure) == (arm, Measure.COST_USD)]
        assert values == sorted(values, reverse=True)


def test_a_report_after_the_last_look_counts() -> None:
    """A verdict that comes last, of a decision that is known, is in the effects and in the last look."""
    rows = costly(300)
    late = replace(rows[0], report=replace(BLANK, score=0.25), reported_us=999, caller="judge")
    report = reported([*rows, late])
    assert report.reports == 300
    assert report.last_us == 999
    assert report.looks[-1].time_us == 999
    assert arm_measure(report, "usual", Measure.SCORE).mean == 0.25


# --- How often it is wrong ----------------------------------------------------------------------------------------


def ever_claims(seed: int, count: int) -> bool:
    """Whether a report of mingled sessions, the same in both arms, ever claims a difference in errors."""

    def rows() -> Iterable[ReportRow]:
        stream = mingled(0.3, 0.0, np.random.default_rng(seed), count, 50)
        for key, (unit, value) in enumerate(stream):
            failed = replace(BLANK, status=CallStatus.TIMEOUT) if value else BLANK
            yield row(key, "small" if int(unit, 16) % 2 else "usual", failed, unit=int(unit, 16))

    return effect(reported(rows()), "small", Measure.ERROR_SHARE).p_value < ALPHA


def test_sessions_that_go_on_side_by_side_claim_little() -> None:
    """Looks come in the middle of sessions, which changes nothing."""
    assert sum(ever_claims(seed, 1_500) for seed in range(10)) <= 2


@pytest.mark.long
@pytest.mark.timeout(900)
def test_sessions_that_go_on_side_by_side_claim_little_in_many_runs() -> None:
    """At most 5 % ever do, by chance a few more."""
    runs = 300
    assert sum(ever_claims(seed, 5_000) for seed in range(runs)) / runs <= ALPHA + 3 * math.sqrt(
        ALPHA * (1 - ALPHA) / runs
    )
