"""How often experiments claim a difference and guardrails stop an arm, simulated: the tables of record 26.

    .venv/bin/python -m benchmarks.quality.experiments equal --runs 1000
    .venv/bin/python -m benchmarks.quality.experiments different --runs 300
    .venv/bin/python -m benchmarks.quality.experiments guardrails --runs 400

Every run is looked at again and again, and what counts is whether it ever claimed anything. The long tests use the same
simulations with bounds (`tests/unit/test_sequential.py`, `tests/unit/test_guardrail.py`).
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.guard.guardrail import Watched, breach
from fingerpost.guard.sequential import (
    ALPHA,
    Estimate,
    Sums,
    difference_p_value,
    estimate,
    interval,
    units_needed,
    units_needed_at_once,
)
from fingerpost.release.experiment_report import smallest_effect
from fingerpost.types import ExperimentUnit, GuardedMeasure, Guardrail, Measure

SEED = 1
Z = 1.959964  # beyond which a test that looks once claims a difference
_LARGEST_SESSION = 20

Numbers = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Numbers, Numbers]]
"""Sums of so many units, and their numbers of reports."""


@dataclass(frozen=True, slots=True)
class World:
    """What units are like."""

    name: str
    measure: Measure
    mean: float
    draw: Draw


def shares(share: float) -> World:
    """Units of one report that has something or not."""

    def draw(chance: np.random.Generator, units: int) -> tuple[Numbers, Numbers]:
        return (chance.random(units) < share).astype(float), np.ones(units)

    return World(f"share {share:g}", Measure.ERROR_SHARE, share, draw)


def costs(sigma: float, mean: float = 1.0) -> World:
    """Units of one report whose cost is lognormal."""

    def draw(chance: np.random.Generator, units: int) -> tuple[Numbers, Numbers]:
        return mean * np.exp(sigma * chance.standard_normal(units) - sigma**2 / 2), np.ones(units)

    return World(f"costs, lognormal, sigma {sigma:g}", Measure.COST_USD, mean, draw)


def sessions(share: float) -> World:
    """Units of 1 to 20 reports; each has a share of its own, from a beta distribution: intraclass correlation 1/3."""

    def draw(chance: np.random.Generator, units: int) -> tuple[Numbers, Numbers]:
        sizes = chance.integers(1, _LARGEST_SESSION + 1, units)
        own = chance.beta(2 * share, 2 * (1 - share), units)
        return chance.binomial(sizes, own).astype(float), sizes.astype(float)

    return World(f"sessions of 1 to 20, share {share:g}", Measure.ERROR_SHARE, share, draw)


def dear_sessions(mean: float = 1.0) -> World:
    """Units of 1 to 20 reports, with costs that differ as much between units as within them."""

    def draw(chance: np.random.Generator, units: int) -> tuple[Numbers, Numbers]:
        sizes = chance.integers(1, _LARGEST_SESSION + 1, units)
        own = np.repeat(np.exp(0.7 * chance.standard_normal(units) - 0.245), sizes)
        each = mean * own * np.exp(0.7 * chance.standard_normal(own.size) - 0.245)
        return np.add.reduceat(each, np.concatenate([[0], np.cumsum(sizes)[:-1]])), sizes.astype(float)

    return World("sessions of 1 to 20, costs", Measure.COST_USD, mean, draw)


# --- Experiments --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claims:
    """Of many runs: at how many units in the first arm a difference was first claimed; None: never."""

    sequential: Sequence[int | None]
    looked_once_at_a_time: Sequence[int | None]  # the test for one look, at every look
    apart: Sequence[int | None]  # ours, with each report taken as a unit of its own

    @staticmethod
    def share(claims: Sequence[int | None], within: float = math.inf) -> float:
        return sum(at is not None and at <= within for at in claims) / len(claims)


def claims(
    first: World,
    other: World,
    *,
    runs: int,
    units: int = 5_000,
    every: int = 10,
    portion: float = 1.0,
    alternatives: bool = True,
    seed: int = SEED,
) -> Claims:
    """Compare two arms, with a look at each so many units of the first.

    Args:
        first: What the first arm is like.
        other: What the other is like; for an experiment without a difference the same.
        runs: How many experiments.
        units: Of the first arm in each.
        every: So many units of the first arm from look to look.
        portion: Units of the other arm for each of the first.
        alternatives: Whether the wrong tests are tried too.
        seed: Of all runs together.
    """
    chance = np.random.default_rng(seed)
    found: list[tuple[int | None, ...]] = []
    for _ in range(runs):
        arms = [
            _running(world.draw(chance, max(1, int(units * part)))) for world, part in ((first, 1.0), (other, portion))
        ]
        looks = [(look, max(1, int(look * portion))) for look in range(every, units + 1, every)]
        tests = (_is_claimed, _is_claimed_once, _is_claimed_apart) if alternatives else (_is_claimed,)
        found.append(tuple(_first(test, arms, looks, first.measure) for test in tests))
    columns = list(zip(*found, strict=True))
    return Claims(*columns) if alternatives else Claims(columns[0], (), ())


Running = Sequence[list[float]]
"""The sums of an arm after each unit, in the order of the fields of `Sums`."""
_Test = Callable[[Sequence[Sums], Measure], bool]


def _running(drawn: tuple[Numbers, Numbers]) -> Running:
    y, x = drawn
    return [np.cumsum(part).tolist() for part in (y, x, y * y, x * x, x * y)]


def _at(arm: Running, units: int) -> Sums:
    return Sums(units, *(part[units - 1] for part in arm))


def _first(test: _Test, arms: Sequence[Running], looks: Sequence[tuple[int, int]], measure: Measure) -> int | None:
    for look in looks:
        if test([_at(arm, units) for arm, units in zip(arms, look, strict=True)], measure):
            return look[0]
    return None


def _is_claimed(sums: Sequence[Sums], measure: Measure) -> bool:
    share = measure is Measure.ERROR_SHARE
    first, other = (estimate(one, share=share) for one in sums)
    if first is None or other is None:
        return False
    tau = smallest_effect(measure, first.mean, other.mean)
    return bool(tau) and difference_p_value(first, other, tau) < ALPHA


def _is_claimed_once(sums: Sequence[Sums], measure: Measure) -> bool:
    first, other = (estimate(one, share=measure is Measure.ERROR_SHARE) for one in sums)
    if first is None or other is None:
        return False
    variance = first.spread / first.units + other.spread / other.units
    return variance > 0 and abs(other.mean - first.mean) > Z * math.sqrt(variance)


def _is_claimed_apart(sums: Sequence[Sums], measure: Measure) -> bool:
    """Of shares alone: there the sum of squares of the reports is their sum."""
    if measure is not Measure.ERROR_SHARE:
        return _is_claimed(sums, measure)
    return _is_claimed([Sums(round(one.x), one.y, one.x, one.y, one.x, one.y) for one in sums], measure)


def missed(world: World, *, runs: int, units: int = 5_000, every: int = 10, seed: int = SEED) -> float:
    """In which share of runs the interval of a single arm ever left out its true mean."""
    chance, share = np.random.default_rng(seed), world.measure is Measure.ERROR_SHARE

    def misses(sums: Sequence[Sums], measure: Measure) -> bool:
        found = estimate(sums[0], share=share)
        tau = smallest_effect(measure, found.mean, found.mean) if found is not None else 0.0
        if found is None or not tau:
            return False
        within = interval(found, tau, share=share)
        return not within.low <= world.mean <= within.high

    looks = [(look,) for look in range(every, units + 1, every)]
    runs_missed = 0
    for _ in range(runs):
        arm = _running(world.draw(chance, units))
        runs_missed += any(misses([_at(arm, *look)], world.measure) for look in looks)
    return runs_missed / runs


def in_general(world: World, units: int = 200_000) -> Estimate:
    """What very many units say."""
    sums = _running(world.draw(np.random.default_rng(SEED), units))
    found = estimate(_at(sums, units), share=world.measure is Measure.ERROR_SHARE)
    assert found is not None  # noqa: S101
    return found


# --- Guardrails ---------------------------------------------------------------------------------------------------

Stream = Iterator[tuple[str, float]]
"""Reports as they come: the hash of the unit, and the value."""


def requests(world: World, chance: np.random.Generator, count: int) -> Stream:
    """Each of a unit of its own."""
    values = world.draw(chance, count)[0].tolist()
    return ((f"{number * 2_654_435_761 % 2**32:08x}", value) for number, value in enumerate(values))


def mingled(share: float | None, mean: float, chance: np.random.Generator, count: int, at_once: int) -> Stream:
    """Requests of sessions of 1 to 20, so many of which go on at a time; without a share they have costs."""
    live: list[list[float]] = []  # number, own share or cost, requests left
    opened = 0
    for _ in range(count):
        while len(live) < at_once:
            own = (
                mean * math.exp(0.7 * chance.standard_normal() - 0.245)
                if share is None
                else chance.beta(2 * share, 2 * (1 - share))
            )
            live.append([opened, own, float(chance.integers(1, _LARGEST_SESSION + 1))])
            opened += 1
        session = live[int(chance.integers(at_once))]
        number, own, _ = session
        yield (
            f"{int(number) * 2_654_435_761 % 2**32:08x}",
            own * math.exp(0.7 * chance.standard_normal() - 0.245) if share is None else float(chance.random() < own),
        )
        session[2] -= 1
        if not session[2]:
            live.remove(session)


def stopped(
    guardrail: Guardrail, stream: Callable[[np.random.Generator], Stream], unit: ExperimentUnit, runs: int
) -> list[int | None]:
    """After how many reports each run was stopped by a guardrail that is asked at each; None: never."""
    chance = np.random.default_rng(SEED)
    return [_stopped(guardrail, stream(chance), unit) for _ in range(runs)]


def _stopped(guardrail: Guardrail, stream: Stream, unit: ExperimentUnit) -> int | None:
    watched = Watched(unit)
    for number, (key, value) in enumerate(stream, 1):
        if guardrail.of is GuardedMeasure.COST_USD:
            watched.reported(key, failed=None, cost_usd=value)
        else:
            watched.reported(key, failed=bool(value), cost_usd=None)
        if breach(guardrail, watched) is not None:
            return number
    return None


# --- Tables -------------------------------------------------------------------------------------------------------

WORLDS = (shares(0.02), shares(0.3), shares(0.5), costs(0.3), costs(1.0), costs(1.5), sessions(0.3), dear_sessions())


def _print_without_a_difference(runs: int) -> None:
    print("| units | ever claimed | arms 10 to 1 | one look's test | requests apart | an arm's own interval |")
    print("| --- | --- | --- | --- | --- | --- |")
    for world in WORLDS:
        even = claims(world, world, runs=runs)
        uneven = claims(world, world, runs=runs, portion=0.1, alternatives=False)
        apart = f"{Claims.share(even.apart):.3f}" if list(even.apart) != list(even.sequential) else ""
        cells = (
            Claims.share(even.sequential),
            Claims.share(uneven.sequential),
            Claims.share(even.looked_once_at_a_time),
        )
        numbers = " | ".join(f"{cell:.3f}" for cell in cells)
        print(f"| {world.name} | {numbers} | {apart} | {missed(world, runs=runs):.3f} |", flush=True)


def _print_with_a_difference(runs: int) -> None:
    print("| units | difference | needed, one look | found by 3 times that | needed, any time | found by then |")
    print("| --- | --- | --- | --- | --- | --- |")
    for first, other in (
        (shares(0.3), shares(0.32)),
        (shares(0.3), shares(0.34)),
        (shares(0.02), shares(0.04)),
        (costs(1.0), costs(1.0, 0.95)),
        (costs(1.0), costs(1.0, 0.9)),
        (sessions(0.3), sessions(0.34)),
    ):
        effect = abs(other.mean - first.mean)
        before, after = in_general(first), in_general(other)
        # Sessions are of unequal sizes: so many of them tell as much as one of the estimate's.
        alike = 200_000 / before.units
        once, any_time = (
            math.ceil(alike * count(before, after, effect)) for count in (units_needed_at_once, units_needed)
        )
        found = claims(first, other, runs=runs, units=3 * any_time, every=max(10, any_time // 100), alternatives=False)
        later, then = (Claims.share(found.sequential, units) for units in (3 * once, any_time))
        print(f"| {first.name} | {effect:.2g} | {once:,} | {later:.2f} | {any_time:,} | {then:.2f} |", flush=True)


def _print_guardrails(runs: int) -> None:
    share, cost, count = GuardedMeasure.ERROR_SHARE, GuardedMeasure.COST_USD, 3_000
    each, together = ExperimentUnit.REQUEST, ExperimentUnit.SESSION
    print("| reports | edge | at the edge, ever stopped | beyond it | stopped after, median | nine of ten by |")
    print("| --- | --- | --- | --- | --- | --- |")

    def row(name: str, guardrail: Guardrail, unit: ExperimentUnit, edge: Streams, beyond: Streams, how: str) -> None:
        wrong = sum(at is not None for at in stopped(guardrail, edge, unit, runs)) / runs
        late = sorted(at or count + 1 for at in stopped(guardrail, beyond, unit, runs))
        limits = f"at most {guardrail.max:g}" if guardrail.max is not None else f"at least {guardrail.min:g}"
        print(f"| {name} | {limits} | {wrong:.3f} | {how} | {late[runs // 2]} | {late[int(0.9 * runs)]} |", flush=True)

    def each_of(world: World) -> "Streams":
        return lambda chance: requests(world, chance, count)

    def many(share: float | None, mean: float) -> "Streams":
        return lambda chance: mingled(share, mean, chance, count, 20)

    row("requests", Guardrail(share, max=0.02), each, each_of(shares(0.02)), each_of(shares(0.1)), "0.1")
    row("requests", Guardrail(share, max=0.2), each, each_of(shares(0.2)), each_of(shares(0.4)), "0.4")
    row("requests", Guardrail(share, min=0.2), each, each_of(shares(0.2)), each_of(shares(0.05)), "0.05")
    row("sessions", Guardrail(share, max=0.2), together, many(0.2, 0), many(0.4, 0), "0.4")
    for sigma in (0.3, 1.0, 1.5):
        high, low = Guardrail(cost, max=1.0), Guardrail(cost, min=1.0)
        name = f"costs, sigma {sigma:g}"
        row(name, high, each, each_of(costs(sigma)), each_of(costs(sigma, 2.0)), "2")
        row(name, low, each, each_of(costs(sigma)), each_of(costs(sigma, 0.4)), "0.4")
    row("sessions, costs", Guardrail(cost, max=1.0), together, many(None, 1.0), many(None, 2.0), "2")
    row("sessions, costs", Guardrail(cost, min=1.0), together, many(None, 1.0), many(None, 0.4), "0.4")


Streams = Callable[[np.random.Generator], Stream]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--runs", type=int, default=1_000)
    options = parser.parse_args()
    TABLES[options.table](options.runs)


TABLES: dict[str, Callable[[int], None]] = {
    "equal": _print_without_a_difference,
    "different": _print_with_a_difference,
    "guardrails": _print_guardrails,
}


if __name__ == "__main__":
    main()
