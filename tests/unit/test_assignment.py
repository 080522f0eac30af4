"""Assignment: stable, in proportion, independent of other experiments; units stay as weights change."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from fingerpost.guard.assignment import Assigned, arm_of, in_sample
from fingerpost.types import Arm, Experiment

KEYS = [f"unit-{number}" for number in range(100_000)]
SOME = KEYS[:200]


def experiment(weights: Sequence[float], name: str = "cheaper") -> Experiment:
    """Arms a, b, c, ... of these weights."""
    return Experiment(name, arms=tuple(Arm("abcdefgh"[number], weight) for number, weight in enumerate(weights)))


def assigned(of: Experiment, key: str, weights: Sequence[float] | None = None, stopped: str = "") -> Assigned:
    given = None if weights is None else {arm.name: weight for arm, weight in zip(of.arms, weights, strict=True)}
    found = arm_of(of, key, given, frozenset(stopped))
    assert found is not None
    return found


def names(of: Experiment, weights: Sequence[float] | None = None, stopped: str = "") -> list[str]:
    return [assigned(of, key, weights, stopped).arm.name for key in SOME]


@st.composite
def splits(draw: st.DrawFn) -> list[float]:
    """Weights of two to six arms, 100 together, some of them 0."""
    cuts = sorted(draw(st.lists(st.integers(0, 1000), min_size=1, max_size=5)))
    edges = [0, *cuts, 1000]
    return [(high - low) / 10 for low, high in pairwise(edges)]


# --- What must never change ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "two", "four", "unit"),
    [
        ("alice", "a", "a", "838ce67c"),
        ("bob", "a", "d", "c4b2e712"),
        ("unit-0", "b", "c", "eac010af"),
        ("unit-1", "a", "a", "ce60a289"),
        ("unit-2", "b", "b", "8c48ea4a"),
        ("größe", "b", "b", "a24d23a2"),
        ("\ud800", "b", "c", "a002ddb1"),
    ],
)
def test_units_are_where_they_always_were(key: str, two: str, four: str, unit: str) -> None:
    """A new version of the program must not move anybody: these values are those of the first one."""
    assert assigned(experiment([50, 50]), key).arm.name == two
    assert assigned(experiment([40, 30, 20, 10]), key).arm.name == four
    assert assigned(experiment([50, 50]), key).unit == unit


# --- Shares -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [[50, 50], [99, 1], [0, 60, 40], [5, 45, 45, 5]])
def test_arms_get_their_shares(weights: list[float]) -> None:
    """Of 100,000 units each arm gets its weight within four standard errors, and says so."""
    of = experiment(weights)
    found = [assigned(of, key) for key in KEYS]
    counts = Counter(one.arm.name for one in found)
    for arm in of.arms:
        expected, share = arm.weight * len(KEYS) / 100, arm.weight / 100
        assert abs(counts[arm.name] - expected) <= 4 * math.sqrt(expected * (1 - share)) + 1e-9
        assert all(one.propensity == pytest.approx(share) for one in found if one.arm == arm)


def test_nobody_without_a_key_or_arms() -> None:
    """A request that does not tell its unit is in no arm, and an experiment without arms has none for anybody."""
    assert arm_of(experiment([50, 50]), "") is None
    assert arm_of(Experiment("shadow", shadow="r1"), "alice") is None


@given(splits(), st.text(min_size=1), st.text(min_size=1))
def test_every_unit_is_in_one_arm_with_a_weight(weights: list[float], name: str, key: str) -> None:
    """Whatever the names: always the same arm, never one of weight 0, and the hash of the unit is of the key alone."""
    of = experiment(weights, name)
    found = assigned(of, key)
    assert found == assigned(of, key)
    assert found.arm.weight > 0
    assert found.propensity == pytest.approx(found.arm.weight / 100)
    assert len(found.unit) == 8
    assert int(found.unit, 16) >= 0
    assert found.unit == assigned(experiment([100.0], name), key).unit


def test_weights_by_hand_hold_instead() -> None:
    """Given weights are used for all arms: one that they do not name gets nobody, and none given changes nothing."""
    of = experiment([50, 50])
    assert set(names(of, [0, 100])) == {"b"}
    assert {arm_of(of, key, {"a": 100.0}) for key in SOME} == {
        Assigned(of.arms[0], 1.0, assigned(of, key).unit) for key in SOME
    }
    assert [arm_of(of, key, {}) for key in SOME] == [arm_of(of, key) for key in SOME]


# --- Changes of weights -------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_growing_arm_keeps_its_units(one: int, other: int) -> None:
    """With two arms, whatever the weights, those in the smaller share are in the larger one too."""
    small, large = sorted((one / 10, other / 10))
    of = experiment([50, 50])
    before, after = names(of, [100 - small, small]), names(of, [100 - large, large])
    assert all(now == "b" for then, now in zip(before, after, strict=True) if then == "b")


@given(st.integers(0, 1000), st.data())
def test_three_arms_never_trade_with_one_another(most: int, data: st.DataObject) -> None:
    """Of three arms the second and the third move units to and from the first alone, if both fit at their largest."""
    second, third = st.integers(0, most), st.integers(0, 1000 - most)
    of = experiment([100, 0, 0])
    then, now = (
        names(of, [(1000 - b - c) / 10, b / 10, c / 10])
        for b, c in data.draw(st.tuples(*[st.tuples(second, third)] * 2))
    )
    assert all(one == other or "a" in (one, other) for one, other in zip(then, now, strict=True))


@given(st.lists(st.integers(0, 250), min_size=3, max_size=3), st.lists(st.integers(0, 250), min_size=3, max_size=3))
def test_many_small_arms_never_trade_with_one_another(before: list[int], after: list[int]) -> None:
    """Arms within their homes, a third of the units each here, move units to and from the first arm alone."""
    of = experiment([100, 0, 0, 0])
    then = names(of, [100 - sum(before) / 10, *(weight / 10 for weight in before)])
    now = names(of, [100 - sum(after) / 10, *(weight / 10 for weight in after)])
    for one, other in zip(then, now, strict=True):
        assert one == other or "a" in (one, other)


@given(splits(), st.sets(st.sampled_from("bcdef")))
def test_units_of_a_stopped_arm_are_the_first_ones(weights: list[float], stopped: set[str]) -> None:
    """Nobody else moves, and the first arm's chance grows by what the stopped ones had."""
    of = experiment(weights)
    first = sum(arm.weight for arm in of.arms if arm.name in stopped or arm is of.arms[0]) / 100
    for key in SOME[:50]:
        then, now = assigned(of, key), assigned(of, key, stopped="".join(stopped))
        if then.arm.name in stopped or then.arm is of.arms[0]:
            assert (now.arm, now.unit) == (of.arms[0], then.unit)
            assert now.propensity == pytest.approx(first)
        else:
            assert now == then


# --- Independence -------------------------------------------------------------------------------------------------


def chi_square(one: Sequence[object], other: Sequence[object]) -> float:
    """Of independence, over the table of both."""
    rows, columns, cells = Counter(one), Counter(other), Counter(zip(one, other, strict=True))
    expected = {(r, c): rows[r] * columns[c] / len(one) for r in rows for c in columns}
    return sum((cells[cell] - count) ** 2 / count for cell, count in expected.items())


def test_experiments_split_independently() -> None:
    """Who is in an arm of one says nothing of another's: chi-square of 2 by 2, over 15.1 once in 10,000."""
    one, other = experiment([50, 50], "one"), experiment([50, 50], "two")
    arms = [[assigned(of, key).arm.name for key in KEYS] for of in (one, other)]
    assert chi_square(*arms) < 15.1
    assert chi_square(arms[0], arms[0]) > 15.1


def test_the_hash_of_a_unit_says_nothing_of_its_arm() -> None:
    """Halves by its first bit are no arms in disguise, and units of two experiments look unrelated."""
    of = experiment([50, 50])
    found = [assigned(of, key) for key in KEYS]
    halves = [one.unit < "8" for one in found]
    assert chi_square([one.arm.name for one in found], halves) < 15.1
    assert chi_square([assigned(experiment([50, 50], "x"), key).unit < "8" for key in KEYS], halves) < 15.1


# --- Samples ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 1, 25, 99])
def test_a_sample_has_its_share(share: float) -> None:
    """Within four standard errors of 100,000 requests."""
    count = sum(in_sample("shadow", key, share) for key in KEYS)
    expected = share * len(KEYS) / 100
    assert abs(count - expected) <= 4 * math.sqrt(expected * (1 - share / 100))


def test_samples_of_nothing_and_of_all() -> None:
    """0 is nobody, 100 is everybody, even without a key; otherwise who has no key is left out."""
    assert not any(in_sample("shadow", key, 0) for key in SOME)
    assert all(in_sample("shadow", key, 100) for key in [*SOME, ""])
    assert not in_sample("shadow", "", 99.9)


@given(st.floats(0, 100), st.floats(0, 100), st.text())
def test_a_larger_sample_keeps_the_smaller_one(one: float, other: float, key: str) -> None:
    """Raising the share only adds requests."""
    small, large = sorted((one, other))
    assert in_sample("shadow", key, small) <= in_sample("shadow", key, large)


def test_a_sample_is_independent_of_arms() -> None:
    """Even of an experiment of the same name."""
    of = experiment([50, 50])
    arms = [assigned(of, key).arm.name for key in KEYS]
    assert chi_square(arms, [in_sample(of.name, key, 50) for key in KEYS]) < 15.1
