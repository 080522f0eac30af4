"""Quantities as people write them: dollars, durations, weights."""

import re
from collections.abc import Sequence
from decimal import Decimal

from fingerpost.errors import InvalidRequest

_MICROS = 1_000_000
_CENT, _LEAST_SHOWN = 10_000, 100
_MOST_DOLLARS = 1_000_000_000
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_SECONDS = 31_536_000
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")


def micros_of(option: str, given: str) -> int:
    """Micro-dollars of an amount in dollars, as 12.50.

    Raises:
        InvalidRequest: that is no amount, or has more than six decimals.
    """
    try:
        micros = Decimal(given) * _MICROS
    except ArithmeticError:  # no number, or one beyond all bounds
        micros = Decimal("NaN")
    if not (micros.is_finite() and 0 <= micros <= _MOST_DOLLARS * _MICROS and micros == int(micros)):
        raise InvalidRequest(f"{option} {given}: dollars with at most six decimals, as 12.50")
    return int(micros)


def dollars(micros: int) -> str:
    """As $12.50, with as many decimals as it takes, at least two."""
    whole, rest = divmod(abs(micros), _MICROS)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}${whole:,}.{decimals}"


def about(micros: int) -> str:
    """As a table shows it: to the cent, below a dollar to a hundredth of one."""
    if 0 < abs(micros) < _LEAST_SHOWN:
        return f"<{dollars(_LEAST_SHOWN)}"
    step = _LEAST_SHOWN if abs(micros) < _MICROS else _CENT
    return dollars(round(micros / step) * step)


def seconds_of(option: str, given: str) -> int | None:
    """Seconds of a duration, as 90s, 10m, 2h or 1d; None where none was given.

    Raises:
        InvalidRequest: that is none, nothing, or longer than a year.
    """
    if not given:
        return None
    match = _DURATION.fullmatch(given)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 1 <= seconds <= _LONGEST_SECONDS:
        raise InvalidRequest(f"{option} {given}: a number with s, m, h or d, as 10m, at most 365d")
    return seconds


def weights_of(given: Sequence[str]) -> dict[str, float]:
    """Per cent by arm, of ARM=PERCENT.

    Raises:
        InvalidRequest: one is none, or an arm has two.
    """
    weights: dict[str, float] = {}
    for pair in given:
        arm, _, percent = pair.rpartition("=")
        try:
            weight = float(percent)
        except ValueError:
            arm = ""
        if not arm or not 0 <= weight <= 100:
            raise InvalidRequest(f"--weight {pair}: write ARM=PERCENT, 0 to 100")
        if arm in weights:
            raise InvalidRequest(f"--weight {pair}: {arm} has a weight already")
        weights[arm] = weight
    return weights
