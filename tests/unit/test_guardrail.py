"""Guardrails: a good arm is seldom stopped however often they are asked, a bad one soon, and words say why."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, strategies as st

from benchmarks.quality.experiments import Stream, costs, mingled, requests, shares, stopped
from fingerpost.guard.guardrail import MIN_OBSERVATIONS, Watched, breach, first_breach
from fingerpost.guard.sequential import ALPHA
from fingerpost.types import Arm, Experiment, ExperimentUnit, GuardedMeasure, Guardrail

ERRORS, FALLBACKS, COST = GuardedMeasure.ERROR_SHARE, GuardedMeasure.FALLBACK_SHARE, GuardedMeasure.COST_USD
REQUEST, SESSION, TENANT = ExperimentUnit.REQUEST, ExperimentUnit.SESSION, ExperimentUnit.TENANT
LENGTH = 1_000


def watched(values: list[tuple[str, float]], of: GuardedMeasure = ERRORS, unit: ExperimentUnit = REQUEST) -> Watched:
    """An arm whose units, by hash, had these values."""
    found = Watched(unit)
    for key, value in values:
        if of is FALLBACKS:
            found.decided(key, fell_back=bool(value))
        elif of is ERRORS:
            found.reported(key, failed=bool(value), cost_usd=None)
        else:
            found.reported(key, failed=None, cost_usd=value)
    return found


def each(*values: float) -> list[tuple[str, float]]:
    """Values of a unit of its own each."""
    return [(f"{number:08x}", value) for number, value in enumerate(values)]


# --- Words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("guardrail", "values", "words"),
    [
        (
            Guardrail(FALLBACKS, max=0.25),
            [1.0, 0.0] * 50,
            "of 100 decisions 50% fell back, surely more than its guardrail allows (at most 25%)",
        ),
        (
            Guardrail(ERRORS, max=0.02, min=0.0),
            [1.0, 0.0, 0.0] * 30,
            "of 90 reported calls 33.3% failed, surely more than its guardrail allows (at most 2%)",
        ),
        (
            Guardrail(FALLBACKS, min=0.5),
            [0.0] * 1_000,
            "of 1,000 decisions 0% fell back, surely less than its guardrail allows (at least 50%)",
        ),
        (
            Guardrail(COST, max=0.01),
            [0.02, 0.03] * 50,
            "100 reported calls cost $0.0250 each, surely more than its guardrail allows (at most $0.0100)",
        ),
        (
            Guardrail(COST, min=1.5),
            [0.00012, 0.0001] * 500,
            "1,000 reported calls cost $0.000110 each, surely less than its guardrail allows (at least $1.50)",
        ),
    ],
)
def test_what_is_said_of_an_arm_outside_its_band(guardrail: Guardrail, values: list[float], words: str) -> None:
    """How much of what, and the edge that it left."""
    assert breach(guardrail, watched(each(*values), guardrail.of)) == words


def test_edges_of_what_can_be() -> None:
    """None may fail: the first failure is one too many, as soon as there are enough; none can be under nothing."""
    assert breach(Guardrail(ERRORS, max=0.0), watched(each(1.0, *[0.0] * 18))) is None
    assert breach(Guardrail(ERRORS, max=0.0), watched(each(1.0, *[0.0] * 19))) is not None
    assert breach(Guardrail(ERRORS, max=0.0), watched(each(1.0, *[0.0] * 19), unit=SESSION)) is not None
    assert breach(Guardrail(ERRORS, min=1.0), watched(each(0.0, *[1.0] * 19))) is not None
    assert breach(Guardrail(ERRORS, max=1.0, min=0.0), watched(each(*[1.0] * 100))) is None
    assert breach(Guardrail(COST, max=0.0), watched(each(*[0.01] * 20), COST)) is not None
    assert breach(Guardrail(COST, min=0.01), watched(each(*[0.0] * 20), COST)) is not None
    assert breach(Guardrail(COST, max=0.0, min=0.0), watched(each(*[0.0] * 100), COST)) is None


@given(
    st.sampled_from(GuardedMeasure),
    st.sampled_from(ExperimentUnit),
    st.lists(st.tuples(st.integers(0, 300), st.floats(0, 1)), max_size=60),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_an_arm_inside_its_band_is_never_stopped(
    of: GuardedMeasure, unit: ExperimentUnit, values: list[tuple[int, float]], one: float, other: float
) -> None:
    """Whatever came, only a mean outside of the band stops it, and nothing under 20 observations."""
    low, high = sorted((one, other))
    counts = watched([(f"{key:08x}", value) for key, value in values], of, unit)
    found = breach(Guardrail(of, max=high, min=low), counts)
    mean = counts.mean(of)
    if mean is None or low <= mean <= high or len(values) < MIN_OBSERVATIONS:
        assert found is None


def test_what_tells_nothing_counts_nothing() -> None:
    """A report without cost or of a call that says nothing of errors is a report all the same."""
    counts = Watched(REQUEST)
    counts.reported("0000000a", failed=None, cost_usd=None)
    counts.reported("0000000a", failed=True, cost_usd=None)
    counts.reported("0000000b", failed=False, cost_usd=0.5)
    counts.decided("0000000c", fell_back=True)
    assert (counts.decisions, counts.reports) == (1, 3)
    assert [counts.count(of) for of in (FALLBACKS, ERRORS, COST)] == [1, 2, 1]
    assert [counts.mean(of) for of in (FALLBACKS, ERRORS, COST)] == [1.0, 0.5, 0.5]
    assert Watched(REQUEST).mean(COST) is None


def test_the_first_guardrail_that_is_left() -> None:
    """With several guardrails and arms each must be surer, so that all together are right in 95 % of experiments."""
    arms = (Arm("usual", 50), Arm("small", 50))
    counts = watched(each(*[1.0, 0.0] * 40))
    left, kept = Guardrail(ERRORS, max=0.1), Guardrail(FALLBACKS, max=0.1)
    assert first_breach(Experiment("price", arms=arms, guardrails=(kept, left)), counts) == breach(left, counts)
    assert first_breach(Experiment("price", arms=arms, guardrails=(kept,)), counts) is None
    assert first_breach(Experiment("price", arms=arms), counts) is None
    barely = watched(each(*[1.0] * 8, *[0.0] * 14))
    assert breach(left, barely) is not None
    assert breach(left, barely, ALPHA / 100) is None
    assert first_breach(Experiment("price", arms=arms * 25, guardrails=(left, kept)), barely) is None


# --- Units that resemble themselves -------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [ERRORS, COST])
def test_one_session_stops_nobody(of: GuardedMeasure) -> None:
    """All 100 calls of one session failed: that says a lot of the session. Of 40 sessions it says a lot of the arm."""
    guardrail = Guardrail(of, max=0.1)
    one, many = [("0000000a", 1.0)] * 100, [(f"{number % 40:08x}", 1.0) for number in range(100)]
    assert breach(guardrail, watched(one, of, SESSION)) is None
    assert breach(guardrail, watched(one, of, REQUEST)) is not None
    assert breach(guardrail, watched(many, of, SESSION)) is not None


def test_the_only_tenant_is_not_left_alone() -> None:
    """Few tenants are taken as they are: an arm whose only tenant gets nothing but errors is stopped."""
    assert breach(Guardrail(ERRORS, max=0.1), watched([("0000000a", 1.0)] * 20, unit=TENANT)) is not None


# --- How often, and how soon --------------------------------------------------------------------------------------


def of_sessions(share: float | None, mean: float = 1.0) -> Callable[[np.random.Generator], Stream]:
    return lambda chance: mingled(share, mean, chance, LENGTH, 20)


def requests_of_shares(share: float) -> Callable[[np.random.Generator], Stream]:
    return lambda chance: requests(shares(share), chance, LENGTH)


def requests_of_costs(sigma: float, mean: float) -> Callable[[np.random.Generator], Stream]:
    return lambda chance: requests(costs(sigma, mean), chance, LENGTH)


CASES = {
    "errors": (Guardrail(ERRORS, max=0.02), REQUEST, requests_of_shares(0.02), requests_of_shares(0.1)),
    "more errors": (Guardrail(ERRORS, max=0.2), REQUEST, requests_of_shares(0.2), requests_of_shares(0.4)),
    "too few errors": (Guardrail(ERRORS, min=0.2), REQUEST, requests_of_shares(0.2), requests_of_shares(0.05)),
    "sessions": (Guardrail(ERRORS, max=0.2), SESSION, of_sessions(0.2), of_sessions(0.5)),
    "even costs": (Guardrail(COST, max=1.0), REQUEST, requests_of_costs(0.3, 1.0), requests_of_costs(0.3, 2.0)),
    "uneven costs": (Guardrail(COST, max=1.0), REQUEST, requests_of_costs(1.0, 1.0), requests_of_costs(1.0, 2.0)),
    "low costs": (Guardrail(COST, min=1.0), REQUEST, requests_of_costs(1.0, 1.0), requests_of_costs(1.0, 0.4)),
    "long tails": (Guardrail(COST, min=1.0), REQUEST, requests_of_costs(1.5, 1.0), requests_of_costs(1.5, 0.2)),
    "sessions' costs": (Guardrail(COST, max=1.0), SESSION, of_sessions(None), of_sessions(None, 3.0)),
    "sessions' low costs": (Guardrail(COST, min=1.0), SESSION, of_sessions(None), of_sessions(None, 0.3)),
}
EVERY_CASE = pytest.mark.parametrize("case", CASES)


def check(case: str, runs: int) -> None:
    guardrail, unit, edge, beyond = CASES[case]
    wrongly = sum(at is not None for at in stopped(guardrail, edge, unit, runs))
    assert wrongly / runs <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
    rightly = sum(at is not None for at in stopped(guardrail, beyond, unit, runs))
    assert rightly >= 0.9 * runs


@EVERY_CASE
def test_an_arm_at_the_edge_is_seldom_stopped_and_one_beyond_it_soon(case: str) -> None:
    """Asked at each of a thousand reports."""
    check(case, 20)


@pytest.mark.long
@pytest.mark.timeout(900)
@EVERY_CASE
def test_an_arm_at_the_edge_is_seldom_stopped_in_many_runs(case: str) -> None:
    """The same with the bound that many runs allow."""
    check(case, 500)


def test_requests_of_a_session_are_not_independent() -> None:
    """Taken for such, they stop arms at the edge too often, which shows that the simulation can tell."""
    wrongly = sum(at is not None for at in stopped(Guardrail(ERRORS, max=0.2), of_sessions(0.2), REQUEST, 40))
    assert wrongly / 40 > 0.15
