"""Intervals that hold whenever somebody looks: their formulas, what they say of few units, and how often they miss."""

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from benchmarks.quality.experiments import (
    WORLDS,
    Claims,
    World,
    claims,
    costs,
    in_general,
    missed,
    sessions,
    shares,
)
from fingerpost.guard.sequential import (
    ALPHA,
    MIN_UNITS,
    Estimate,
    Sums,
    difference_interval,
    difference_p_value,
    estimate,
    half_width,
    interval,
    p_value,
    split_p_value,
    units_needed,
    units_needed_at_once,
)

POSITIVE = st.floats(1e-4, 1e4)
REPORTS = st.lists(st.tuples(st.integers(0, 8), st.floats(0, 1)), min_size=1, max_size=60)


def summed(units: Sequence[Sequence[float]]) -> Sums:
    """Of units with these reports each, as they come one after the other."""
    sums = Sums()
    for unit in units:
        for number, value in enumerate(unit):
            sums.move(sum(unit[:number]), number, value, 1)
    return sums


def sure_of(values: Sequence[float], *, share: bool = True) -> Estimate:
    found = estimate(summed([[value] for value in values]), share=share)
    assert found is not None
    return found


def rarely(runs: int) -> float:
    """What a chance of 5 % stays under in so many runs, almost surely, as a share of them."""
    return ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


# --- Sums and estimates -------------------------------------------------------------------------------------------


@given(REPORTS)
def test_sums_are_those_of_the_units(reports: list[tuple[int, float]]) -> None:
    """Whatever the order of reports, the running sums are what adding up all units at the end gives."""
    sums, units = Sums(), dict[int, tuple[float, int]]()
    for unit, value in reports:
        y, x = units.get(unit, (0.0, 0))
        sums.move(y, x, value, 1)
        units[unit] = (y + value, x + 1)
    ys, xs = np.array(list(units.values())).T
    assert sums.units == len(units)
    expected = (ys.sum(), xs.sum(), (ys**2).sum(), (xs**2).sum(), (xs * ys).sum())
    assert (sums.y, sums.x, sums.yy, sums.xx, sums.xy) == pytest.approx(expected)


@given(REPORTS, st.floats(0, 1))
def test_a_value_can_be_put_in_the_place_of_another(reports: list[tuple[int, float]], other: float) -> None:
    """Taking a report's value back and giving another is as if the other had come at once."""
    values = [value for _, value in reports]
    sums = summed([values])
    sums.move(sum(values), len(values), other - values[-1], 0)
    again = summed([[*values[:-1], other]])
    assert (sums.y, sums.yy, sums.xy) == pytest.approx((again.y, again.yy, again.xy), abs=1e-9)
    assert (sums.units, sums.x, sums.xx) == (again.units, again.x, again.xx)


@given(st.lists(st.floats(0, 1), min_size=MIN_UNITS, max_size=80))
@settings(max_examples=30)
def test_of_single_reports_it_is_the_variance_of_a_mean(values: list[float]) -> None:
    """A unit a report: the sample's variance over the number, and the two cautious units at each end."""
    found = sure_of(values)
    mean, count = float(np.mean(values)), len(values)
    assert found.mean == pytest.approx(mean)
    assert found.units == pytest.approx(count)
    caution = 2 * (mean**2 + (1 - mean) ** 2) / count**2
    assert found.variance == pytest.approx(float(np.var(values, ddof=1)) / count + caution, abs=1e-12)


def test_the_variance_is_that_between_units() -> None:
    """Over many draws of sessions, means differ as much as the estimates say, and more than single requests would."""
    world, chance = sessions(0.3), np.random.default_rng(3)
    means, variances, alone = [], [], []
    for _ in range(1_000):
        y, x = world.draw(chance, 400)
        found = estimate(Sums(400, *(float(part.sum()) for part in (y, x, y * y, x * x, x * y))), share=True)
        assert found is not None
        means.append(found.mean)
        variances.append(found.spread / found.units)
        alone.append(found.mean * (1 - found.mean) / x.sum())
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.15)
    assert np.mean(alone) < 0.4 * np.var(means)


def test_one_large_unit_is_few_units() -> None:
    """Where one unit has half of the reports, a hundred others do not make up for it."""
    units = [[0.0, 1.0]] * 100
    assert estimate(summed(units), share=True) is not None
    assert estimate(summed([*units, [0.0] * 200]), share=True) is None


def test_nothing_is_said_of_few_units() -> None:
    """Five of five are no estimate at all, nor is nothing."""
    assert estimate(summed([[1.0]] * 5), share=True) is None
    assert estimate(summed([[1.0]] * (MIN_UNITS - 1)), share=True) is None
    assert estimate(Sums(), share=True) is None


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_values_are_no_law(value: float) -> None:
    """Of 50 equal ones the interval is open towards what was not seen, and closes as the number grows."""
    few, many = (interval(sure_of([value] * count), 0.02, share=True) for count in (50, 5_000))
    assert few.high - few.low > 0.05
    assert 0 < many.high - many.low < 0.01
    assert few.low <= value <= few.high


def test_costs_that_are_all_alike_still_vary() -> None:
    """Two arms of constant costs, a tenth apart: open at 50 units, sure at 500."""
    for count, surely in ((50, False), (500, True)):
        first, other = (sure_of([cost] * count, share=False) for cost in (0.010, 0.011))
        within = difference_interval(first, other, 0.05 * 0.010, share=False)
        assert (within.low > 0) is surely


# --- Formulas -----------------------------------------------------------------------------------------------------


def integrated(difference: float, variance: float, tau: float) -> float:
    """The inverse of the likelihood ratio, mixed over normal effects by adding up: the definition, slowly."""
    effects = np.linspace(-12 * tau, 12 * tau, 200_001)
    weights = np.exp(-(effects**2) / (2 * tau**2)) / (tau * math.sqrt(2 * math.pi))
    ratios = np.exp((effects * difference - effects**2 / 2) / variance)
    return min(1.0, 1.0 / float(np.sum(weights * ratios) * (effects[1] - effects[0])))


@pytest.mark.parametrize(("sigmas", "ratio"), list(product([0.0, 1.0, 2.5, 4.0], [0.1, 1.0, 10.0])))
def test_the_p_value_is_that_of_the_mixture(sigmas: float, ratio: float) -> None:
    """The closed form is what integrating over the effects gives (Johari, Pekelis and Walsh 2022)."""
    variance, tau = 0.003, math.sqrt(0.003 * ratio)
    difference = sigmas * math.sqrt(variance)
    assert p_value(difference, variance, tau) == pytest.approx(integrated(difference, variance, tau), rel=1e-6)


@given(POSITIVE, POSITIVE, st.sampled_from([0.001, 0.01, 0.05, 0.2]))
def test_the_interval_holds_what_the_p_value_allows(variance: float, tau: float, alpha: float) -> None:
    """At its half width the p-value is just alpha; beyond it is less."""
    reach = half_width(variance, tau, alpha)
    assert p_value(reach, variance, tau) == pytest.approx(alpha, rel=1e-6)
    assert p_value(1.01 * reach, variance, tau) < alpha < p_value(0.99 * reach, variance, tau)


@given(st.integers(1, 10_000), POSITIVE, st.floats(0.01, 10))
def test_the_interval_is_that_of_the_papers(count: int, sigma: float, rho: float) -> None:
    """With tau = rho sigma it is the asymptotic confidence sequence of Waudby-Smith and others 2024."""
    theirs = sigma * math.sqrt(
        2 * (count * rho**2 + 1) / (count**2 * rho**2) * math.log(math.sqrt(count * rho**2 + 1) / ALPHA)
    )
    assert half_width(sigma**2 / count, rho * sigma) == pytest.approx(theirs, rel=1e-9)


VALUES = st.lists(st.floats(0, 1), min_size=MIN_UNITS, max_size=60)


@given(VALUES, VALUES, st.floats(0.01, 0.5))
@settings(max_examples=30)
def test_intervals_of_differences(one: list[float], other: list[float], tau: float) -> None:
    """They hold the difference, lie within what is possible, turn with the arms, and leave out 0 when p says so."""
    first, second = sure_of(one), sure_of(other)
    within, turned = (difference_interval(a, b, tau, share=True) for a, b in ((first, second), (second, first)))
    assert -1 <= within.low <= second.mean - first.mean + 1e-9
    assert second.mean - first.mean - 1e-9 <= within.high <= 1
    assert (within.low, within.high) == pytest.approx((-turned.high, -turned.low))
    p = difference_p_value(first, second, tau)
    assert 0 < p <= 1
    assert (p < ALPHA) == (within.low > 0 or within.high < 0)


# --- How many units -----------------------------------------------------------------------------------------------

ESTIMATES = st.builds(Estimate, st.floats(0, 1), st.floats(0, 5), st.floats(0.1, 4), st.floats(50, 1e5))


@given(ESTIMATES, ESTIMATES, st.floats(0.005, 0.5))
def test_the_units_needed_are_the_least_that_do(first: Estimate, other: Estimate, effect: float) -> None:
    """With them the half width and 0.84 standard errors fit into the effect; with one less they do not."""
    needed = units_needed(first, other, effect)

    def reach(units: int) -> float:
        variance = first.variance_at(units) + other.variance_at(units)
        return half_width(variance, effect) + 0.8416212 * math.sqrt(variance)

    assert reach(needed) <= effect * (1 + 1e-6)
    assert needed == MIN_UNITS or reach(needed - 1) > effect * (1 - 1e-6)


def test_the_units_of_a_textbook() -> None:
    """For one look, 16 times the variance over the effect squared (Lehr 1992); for any look about twice that."""
    half = Estimate(0.5, 0.25, 0.0, 1_000)
    assert units_needed_at_once(half, half, 0.1) == pytest.approx(16 * 0.25 / 0.01, rel=0.03)
    assert units_needed(half, half, 0.1) / units_needed_at_once(half, half, 0.1) == pytest.approx(1.94, abs=0.02)


# --- Splits -------------------------------------------------------------------------------------------------------


def ever_lopsided(chance: np.random.Generator, truth: float, weight: float) -> bool:
    """Whether at any of 100 looks at 5,000 units the split looks wrong at 5 %."""
    counts = np.cumsum(chance.random(5_000) < truth)[49::50].tolist()
    looks = ((count, 50 * number - count) for number, count in enumerate(counts, 1))
    return any(split_p_value(look, (weight, 100 - weight)) < ALPHA for look in looks)


@pytest.mark.parametrize("weight", [50.0, 90.0])
def test_a_right_split_seldom_looks_wrong(weight: float) -> None:
    """However often one looks; and one that is off by a tenth of itself nearly always does."""
    chance = np.random.default_rng(5)
    assert sum(ever_lopsided(chance, weight / 100, weight) for _ in range(200)) / 200 <= rarely(200)
    assert sum(ever_lopsided(chance, 0.9 * weight / 100, weight) for _ in range(50)) >= 45


def test_a_split_with_arms_of_no_weight() -> None:
    """Nobody may be in them."""
    assert split_p_value((10, 0), (100, 0)) == 1.0
    assert split_p_value((10, 1), (100, 0)) == 0.0


# --- How often they are wrong -------------------------------------------------------------------------------------

EVERY_WORLD = pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)


@EVERY_WORLD
def test_no_difference_is_seldom_claimed(world: World) -> None:
    """Looked at after every ten units, few experiments of equal arms claim one; the test for one look does."""
    found = claims(world, world, runs=60, units=1_500)
    assert Claims.share(found.sequential) <= rarely(60)
    assert Claims.share(found.looked_once_at_a_time) > rarely(60)


@pytest.mark.long
@pytest.mark.timeout(900)
@EVERY_WORLD
@pytest.mark.parametrize("portion", [1.0, 0.1])
def test_no_difference_is_seldom_claimed_in_many_runs(world: World, portion: float) -> None:
    """The same up to 5,000 units, and with a small arm; the test for one look is wrong three times as often."""
    found = claims(world, world, runs=1_000, portion=portion)
    assert Claims.share(found.sequential) <= rarely(1_000)
    assert Claims.share(found.looked_once_at_a_time) > 0.15


def test_requests_of_a_session_are_not_units() -> None:
    """Taken for units they claim differences that there are none of, which shows that the simulation can tell."""
    found = claims(sessions(0.3), sessions(0.3), runs=60, units=1_500)
    assert Claims.share(found.apart) > 0.2


@pytest.mark.long
@pytest.mark.timeout(900)
@EVERY_WORLD
def test_an_arms_own_interval_seldom_misses_its_mean(world: World) -> None:
    """At any of 500 looks; of costs with the longest tails a little more often than promised, and record 26 says so."""
    assert missed(world, runs=600) <= rarely(600) + 0.02


def found_in_time(first: World, other: World, runs: int, needed: Callable[[Estimate, Estimate, float], int]) -> float:
    """In which share of runs the difference is found with so many units as that says."""
    before, after = in_general(first), in_general(other)
    units = math.ceil(200_000 / before.units * needed(before, after, abs(other.mean - first.mean)))
    found = claims(first, other, runs=runs, units=units, every=max(10, units // 50), alternatives=False)
    return Claims.share(found.sequential)


def test_twice_what_matters_is_found_soon() -> None:
    """Most runs find it within three times the units that one look needs."""
    assert found_in_time(shares(0.3), shares(0.34), 40, lambda *arms: 3 * units_needed_at_once(*arms)) > 0.7


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("first", "other"),
    [(shares(0.3), shares(0.34)), (costs(1.0), costs(1.0, 0.9)), (sessions(0.3), sessions(0.34))],
    ids=["shares", "costs", "sessions"],
)
def test_twice_what_matters_is_found_soon_in_many_runs(first: World, other: World) -> None:
    """Nine of ten runs find it within three times the units that one look needs."""
    assert found_in_time(first, other, 300, lambda *arms: 3 * units_needed_at_once(*arms)) > 0.9


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("first", "other"),
    [(shares(0.3), shares(0.32)), (costs(1.0), costs(1.0, 0.95)), (sessions(0.3), sessions(0.32))],
    ids=["shares", "costs", "sessions"],
)
def test_the_units_needed_are_enough(first: World, other: World) -> None:
    """With as many as it says, the smallest effect that matters is found in 80 % of runs, and not in nearly all."""
    assert 0.8 - 3 * 0.4 / math.sqrt(300) <= found_in_time(first, other, 300, units_needed) <= 0.95
