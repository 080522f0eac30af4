"""What a text of a length is expected to take."""

from statistics import mean

import pytest
from hypothesis import given, strategies as st

from fingerpost.guard.cost import COSTLIEST_CHARS, TextCost
from fingerpost.guard.decayed import DecayedMean


def test_a_guess_until_something_was_measured() -> None:
    """Longer texts are expected to take longer, up to the length that is cut."""
    cost = TextCost()
    guesses = [cost.estimate(chars) for chars in (0, 50, 500, COSTLIEST_CHARS, 10 * COSTLIEST_CHARS)]
    assert guesses == sorted(guesses)
    assert guesses[-1] == guesses[-2]
    assert guesses[0] > 0


def test_a_length_that_was_measured_is_known() -> None:
    """A slow encoder's time is learned for texts of about that length."""
    cost = TextCost()
    for _ in range(50):
        cost.learn(40, 0.2)
        cost.learn(1000, 0.3)
    assert cost.estimate(33) == cost.estimate(63) == pytest.approx(0.2)
    assert cost.estimate(600) == pytest.approx(0.3)


@pytest.mark.parametrize("slower", [0.2, 5, 40])
def test_other_lengths_are_slower_or_faster_alike(slower: float) -> None:
    """One length that takes so many times what was assumed says the same of those that were never measured."""
    cost = TextCost()
    assumed = {chars: cost.estimate(chars) for chars in (5, 40, 1000)}
    cost.learn(40, slower * assumed[40])
    assert cost.estimate(5) == pytest.approx(slower * assumed[5])
    assert cost.estimate(1000) == pytest.approx(slower * assumed[1000])


def test_a_given_vector_tells_nothing_of_the_encoder() -> None:
    """It is only searched with, however fast or slow that is."""
    cost = TextCost()
    before = cost.estimate(40)
    cost.learn(0, 0.5)
    assert cost.estimate(40) == before
    assert cost.estimate(0) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_a_mean_until_there_are_enough(values: list[float]) -> None:
    """Up to its span it is the plain mean."""
    found = DecayedMean(50)
    for value in values:
        found.add(value)
    assert found.value == pytest.approx(mean(values))


def test_the_latest_count_most() -> None:
    """After a change the mean follows within a few spans."""
    found = DecayedMean(10)
    for value in [1.0] * 100 + [3.0] * 30:
        found.add(value)
    assert found.value == pytest.approx(3.0, abs=0.1)
