"""Prices of lists, in dollars per token, as whole micro-dollars per million tokens; reckoned in decimals, exactly."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

_SHIFT = 12  # decimal places: a million micro-dollars a dollar, a million tokens
_MAX_MICROS = 2**63 - 1  # what the wire and the databases hold
_MAX_DIGITS = 100  # more than any price has; keeps the arithmetic below exact and cheap
_EXACT = Context(prec=_MAX_DIGITS + _SHIFT)
_LARGEST, _SMALLEST = 7, -_SHIFT - 1  # powers of ten of a price per token that can be kept; refuses 1e999999 unread

_NOTHING = "it is at most half a micro-dollar per million tokens, and would become nothing"

_DECIMAL = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Price:
    """A price that can be kept."""

    usd_micros: int  # per million tokens
    rounded: bool  # half-even: the list's price was no whole number of them


class NoPrice(Exception):
    """What stands in the list cannot be kept as a price; the message says why, for a person."""


def price_of(dollars: object) -> Price:
    """The price per million tokens; 0 is what the list calls 0, and nothing else.

    Args:
        dollars: Per token: a decimal number as text, or a number of JSON that was read exactly.

    Raises:
        NoPrice: it is no number, negative, not finite, too large, or so small that it would round to nothing.
    """
    value = _number(dollars)
    if not value.is_finite():
        raise NoPrice("it is not finite")
    if value < 0:
        raise NoPrice("it is negative, which in such lists means that it varies")
    if not value:
        return Price(0, rounded=False)
    if len(value.as_tuple().digits) > _MAX_DIGITS:
        raise NoPrice(f"it has more than {_MAX_DIGITS} digits")
    if value.adjusted() > _LARGEST:
        raise NoPrice("it is too large")
    if value.adjusted() < _SMALLEST:
        raise NoPrice(_NOTHING)
    micros = value.scaleb(_SHIFT, _EXACT)
    whole = int(micros.to_integral_value(ROUND_HALF_EVEN))
    if whole > _MAX_MICROS:
        raise NoPrice("it is too large")
    if not whole:
        raise NoPrice(_NOTHING)
    return Price(whole, rounded=micros != whole)


def _number(dollars: object) -> Decimal:
    if isinstance(dollars, bool) or not isinstance(dollars, str | int | Decimal):
        raise NoPrice("it is no number")
    if isinstance(dollars, str) and (len(dollars) > 2 * _MAX_DIGITS or not _DECIMAL.fullmatch(dollars)):
        raise NoPrice("it is no number")
    return Decimal(dollars)
