"""What requests cost before and after, counted by hand, and what is left out of it."""

import pytest

from fingerpost.build.diff.prices import Tokens, cost_of
from fingerpost.types import Model

CHEAP = Model("cheap", "cheap-1", input_price_usd_micros=100_000, output_price_usd_micros=400_000)
DEAR = Model("dear", "dear-1", input_price_usd_micros=3_000_000, output_price_usd_micros=15_000_000)
FREE = Model("free", "free-1", input_price_usd_micros=0, output_price_usd_micros=0)
UNKNOWN = Model("unknown", "unknown-1")
HALF = Model("half", "half-1", input_price_usd_micros=100_000)


def test_counted_by_hand() -> None:
    """A thousand requests of 200 input and 50 output tokens: prices are micro-dollars per million tokens."""
    cost = cost_of([(CHEAP, DEAR)], Tokens(200, 50))
    assert cost.before_usd_micros == pytest.approx(1_000 * (200 * 0.1 + 50 * 0.4))  # 0.04 dollars
    assert cost.after_usd_micros == pytest.approx(1_000 * (200 * 3.0 + 50 * 15.0))  # 1.35 dollars
    assert (cost.texts, cost.unpriced, cost.tokens) == (1, (), Tokens(200, 50))


def test_the_mix_of_the_texts_is_that_of_the_requests() -> None:
    """Of four texts three are cheap, so are 750 of 1,000 requests; a model without a price is no model of price 0."""
    cost = cost_of([(CHEAP, CHEAP), (CHEAP, CHEAP), (CHEAP, CHEAP), (DEAR, FREE)], Tokens(1_000, 0))
    assert cost.before_usd_micros == pytest.approx(750 * 100 + 250 * 3_000)
    assert cost.after_usd_micros == pytest.approx(750 * 100)


@pytest.mark.parametrize("lacking", [UNKNOWN, HALF])
def test_a_model_without_a_price_is_named_and_left_out(lacking: Model) -> None:
    """A text that such a model answers, before or after, counts in neither sum, and half a price is none."""
    cost = cost_of([(CHEAP, lacking), (lacking, DEAR), (CHEAP, DEAR)], Tokens(1_000, 0))
    assert cost.before_usd_micros == pytest.approx(1_000 * 100)
    assert cost.after_usd_micros == pytest.approx(1_000 * 3_000)
    assert (cost.texts, cost.unpriced) == (1, (lacking.name,))


def test_nothing_to_count() -> None:
    """Without texts, or where no model has a price, there is no cost."""
    assert cost_of([], Tokens()).before_usd_micros is None
    cost = cost_of([(UNKNOWN, HALF)], Tokens())
    assert (cost.before_usd_micros, cost.after_usd_micros, cost.texts) == (None, None, 0)
    assert cost.unpriced == ("half", "unknown")


def test_a_price_that_changes_is_a_change_of_cost() -> None:
    """The same model at another price costs another sum: each revision has its own prices."""
    dearer = Model("cheap", "cheap-1", input_price_usd_micros=200_000, output_price_usd_micros=400_000)
    cost = cost_of([(CHEAP, dearer)], Tokens(1_000, 0))
    assert cost.before_usd_micros == pytest.approx(100_000)
    assert cost.after_usd_micros == pytest.approx(200_000)
