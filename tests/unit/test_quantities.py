"""Dollars, durations and weights as people write them."""

from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from fingerpost.cli.quantities import about, dollars, micros_of, seconds_of, weights_of
from fingerpost.errors import InvalidRequest


@given(st.integers(0, 10**15))
def test_what_is_shown_is_read_as_the_same(micros: int) -> None:
    """An amount that a table shows means, typed back, exactly that amount."""
    shown = dollars(micros).removeprefix("$").replace(",", "")
    assert micros_of("--limit", shown) == micros
    assert Fraction(shown) == Fraction(micros, 1_000_000)
    assert len(shown.partition(".")[2]) >= 2


@pytest.mark.parametrize(
    ("written", "micros"), [("12.50", 12_500_000), ("0", 0), ("1e3", 10**9), ("0.000001", 1), (" 7 ", 7_000_000)]
)
def test_dollars_that_are_some(written: str, micros: int) -> None:
    """Decimals and exponents are read to the last micro-dollar."""
    assert micros_of("--limit", written) == micros


@pytest.mark.parametrize(
    "written", ["", "x", "-1", "0.0000001", "nan", "inf", "-inf", "1000000001", "1e400", "$5", "1,5", "1e999999999"]
)
def test_dollars_that_are_none(written: str) -> None:
    """What is no amount, negative, too fine or too large is refused by the option's name."""
    with pytest.raises(InvalidRequest, match="--limit"):
        micros_of("--limit", written)


def test_less_than_nothing_is_shown_with_its_sign() -> None:
    """A difference may be negative."""
    assert (dollars(-1_234_567), dollars(-10_000_000), dollars(1_234_000_000_000)) == (
        "-$1.234567",
        "-$10.00",
        "$1,234,000.00",
    )


@pytest.mark.parametrize(
    ("micros", "shown"),
    [(0, "$0.00"), (99, "<$0.0001"), (-1, "<$0.0001"), (149, "$0.0001"), (999_900, "$0.9999"), (12_345_678, "$12.35")],
)
def test_tables_show_what_has_room(micros: int, shown: str) -> None:
    """To the cent, below a dollar to a hundredth of one; something is never shown as nothing."""
    assert about(micros) == shown


@pytest.mark.parametrize(
    ("written", "seconds"), [("", None), ("90s", 90), ("10m", 600), ("2h", 7_200), ("365d", 31_536_000)]
)
def test_durations(written: str, seconds: int | None) -> None:
    """A number with its unit; none is no duration."""
    assert seconds_of("--for", written) == seconds


@pytest.mark.parametrize("written", ["0s", "10", "m", "1.5h", "-1m", "366d", "1h30m", "10 m", "١m", "9999999999s"])
def test_what_is_no_duration(written: str) -> None:
    """Without unit, nothing, or longer than a year: refused."""
    with pytest.raises(InvalidRequest, match="--for"):
        seconds_of("--for", written)


def test_weights() -> None:
    """Per cent by arm, whose name may have a sign of equality."""
    assert weights_of(["a=20", "b=c=79.5", "z=0"]) == {"a": 20.0, "b=c": 79.5, "z": 0.0}


@pytest.mark.parametrize("written", [["a"], ["=5"], ["a="], ["a=x"], ["a=-1"], ["a=101"], ["a=nan"], ["a=1", "a=2"]])
def test_what_are_no_weights(written: list[str]) -> None:
    """Without arm or number, out of range, or twice: refused."""
    with pytest.raises(InvalidRequest, match="--weight"):
        weights_of(written)
