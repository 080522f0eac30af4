"""Prices of lists become whole micro-dollars as an obvious twin in fractions says, whatever digits they have."""

import re
from decimal import Decimal
from fractions import Fraction

from hypothesis import example, given, strategies as st

from fingerpost.build.imports.prices import NoPrice, Price, price_of

LARGEST = 2**63 - 1

digits = st.text("0123456789", min_size=1, max_size=30)
exponents = st.integers(-30, 20).map(lambda power: f"e{power}")
decimals = st.builds(
    lambda sign, whole, rest, exponent: f"{sign}{whole}{rest}{exponent}",
    st.sampled_from(["", "", "", "-"]),
    digits,
    st.one_of(st.just(""), digits.map(lambda text: f".{text}")),
    st.one_of(st.just(""), exponents),
)
halves = st.integers(0, 10**6).map(lambda number: f"{number}.5e-12")
prices = st.one_of(decimals, halves, st.integers(0, 10**8).map(lambda micros: f"{micros}e-12"))


def twin(text: str) -> Price | None:
    """By the rule, in fractions; None: no price."""
    exact = Fraction(text) * 10**12
    below = exact.numerator // exact.denominator
    rest = exact - below
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1)
    whole = below + up
    if exact < 0 or whole > LARGEST or (exact > 0 and whole == 0):
        return None
    return Price(whole, rounded=rest != 0)


def priced(value: object) -> Price | None:
    try:
        return price_of(value)
    except NoPrice:
        return None


@given(prices)
@example("0.00000015")
@example("9223372.036854775807")
@example("9223372.0368547758075")
@example("0.5e-12")
@example("0.50000000000000000000000000001e-12")
@example("1.5e-12")
@example("-0")
def test_texts_and_numbers_become_what_the_twin_says(text: str) -> None:
    """A decimal text, and the number of JSON that looks the same, become what the twin says or are refused with it."""
    assert priced(text) == twin(text)
    assert priced(Decimal(text)) == twin(text)


@given(st.integers(-(10**7), 10**8))
def test_whole_dollars(dollars: int) -> None:
    """A number of JSON without a point is a number of dollars too."""
    assert priced(dollars) == twin(str(dollars))


@given(st.one_of(st.text(max_size=12), st.text("0123456789eE+-._ /٣", max_size=12)))
def test_what_is_no_decimal_number_is_no_price(text: str) -> None:
    """Python reads more as numbers than a price list may hold: underscores, spaces, other scripts' digits."""
    plain = re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", text, re.ASCII)
    if plain is None:
        assert priced(text) is None
    elif len(text.lower().partition("e")[2]) < 5:
        assert priced(text) == twin(text)
