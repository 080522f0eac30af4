"""The share of out-of-scope texts, estimated from texts whose labels nobody knows."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from fingerpost.serve.share import ShareEstimate, bounds, share_now
from fingerpost.types import ScopeMap
from tests.fakes import decider

SHARES = st.floats(0.01, 0.9)
SCOPE = ScopeMap(0.0, (1.0, 0.0, 0.0, 0.0, 0.0), 0.15)


def likelihood_ratios(share: float, count: int) -> list[float]:
    """Of in scope against out of scope, for texts whose evidence is normal, one apart and a half, seeded."""
    draw = random.Random(7)  # noqa: S311  # a seeded sample is no secret
    evidence = (draw.gauss(-0.75 if draw.random() < share else 0.75, 1.0) for _ in range(count))
    return [math.exp(1.5 * value) for value in evidence]


def in_scope(ratio: float, share: float) -> float:
    return ratio * (1 - share) / (ratio * (1 - share) + share)


def whole_expectation_maximisation(ratios: list[float], share: float) -> float:
    """The twin that looks at all texts again and again until nothing changes."""
    for _ in range(500):
        share = sum(1 - in_scope(ratio, share) for ratio in ratios) / len(ratios)
    return share


@pytest.mark.parametrize(("stated", "true"), [(0.15, 0.15), (0.15, 0.35), (0.3, 0.12), (0.5, 0.5)])
def test_it_comes_to_the_share_of_the_traffic(stated: float, true: float) -> None:
    """As near as the twin comes that has all texts at once."""
    ratios = likelihood_ratios(true, 20_000)
    estimate = ShareEstimate(stated, stated)
    for ratio in ratios:
        estimate = estimate.after(in_scope(ratio, estimate.value))
    twin = whole_expectation_maximisation(ratios, stated)
    assert abs(twin - true) < 0.02
    assert abs(estimate.value - twin) < 0.04
    assert estimate.texts == len(ratios)


@given(stated=SHARES, chances=st.lists(st.floats(0, 1), max_size=300), flood=st.sampled_from([0.0, 1.0]))
def test_no_flood_moves_it_past_its_bounds(stated: float, chances: list[float], flood: float) -> None:
    """Fourfold in the odds either way, and the first text moves it by half a percent at most."""
    low, high = bounds(stated)
    assert low < stated < high
    assert high / (1 - high) == pytest.approx(4 * stated / (1 - stated))
    assert low / (1 - low) == pytest.approx(stated / (1 - stated) / 4)
    estimate = ShareEstimate(stated, stated)
    assert abs(estimate.after(flood).value - stated) < 0.005
    for chance in (*chances, *([flood] * 5_000)):
        estimate = estimate.after(chance)
        assert low <= estimate.value <= high
    assert estimate.value == pytest.approx(low if flood else high)


def test_it_is_off_unless_the_policy_wants_it() -> None:
    """And without a scope map there is nothing to weight."""
    plain = decider(scope_map=SCOPE)
    wanted = replace(plain, policy=replace(plain.policy, adapt_out_of_scope_share=True))
    known = ShareEstimate(0.15, 0.3, 500)
    assert share_now(plain, known) is None
    assert share_now(replace(wanted, scope_map=None), known) is None
    assert share_now(wanted, known) is known
    assert share_now(wanted, None) == ShareEstimate(0.15, 0.15)


def test_another_stated_share_begins_anew() -> None:
    """What was learned beside another share says nothing."""
    plain = decider(scope_map=replace(SCOPE, out_of_scope_share=0.4))
    wanted = replace(plain, policy=replace(plain.policy, adapt_out_of_scope_share=True))
    assert share_now(wanted, ShareEstimate(0.15, 0.3, 500)) == ShareEstimate(0.4, 0.4)
