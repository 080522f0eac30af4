"""Prices: what would the requests cost, were they decided the one way or the other?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fingerpost.types import Model

REQUESTS = 1_000
"""Requests that a cost is told for."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a request is taken to have; the provider's tokens, which are no encoder's."""

    input: int = 100
    output: int = 300


@dataclass(frozen=True, slots=True)
class Cost:
    """Of `REQUESTS` requests that are mixed as the texts are, in micro-dollars; None where no text can be counted."""

    tokens: Tokens
    before_usd_micros: float | None
    after_usd_micros: float | None
    texts: int  # that were counted: those whose models have a price both times
    unpriced: tuple[str, ...]  # models without a price; their texts are left out of both sums


def cost_of(models: Sequence[tuple[Model, Model]], tokens: Tokens) -> Cost:
    """What the models of n texts cost, before and after.

    Args:
        models: Which model answered each text and which one answers it now, with the prices of their time.
        tokens: Of each request.
    """
    priced = [
        (before, after)
        for before, after in ((price_of(one, tokens), price_of(other, tokens)) for one, other in models)
        if before is not None and after is not None
    ]
    return Cost(
        tokens=tokens,
        before_usd_micros=_mean(before for before, _ in priced),
        after_usd_micros=_mean(after for _, after in priced),
        texts=len(priced),
        unpriced=tuple(sorted({m.name for pair in models for m in pair if price_of(m, tokens) is None})),
    )


def price_of(model: Model, tokens: Tokens) -> float | None:
    """Micro-dollars of one request; None where one of the two prices is unknown."""
    if model.input_price_usd_micros is None or model.output_price_usd_micros is None:
        return None
    return (tokens.input * model.input_price_usd_micros + tokens.output * model.output_price_usd_micros) / _MILLION


def _mean(prices: Iterable[float]) -> float | None:
    """Of `REQUESTS` requests, each as dear as these are on average."""
    known = list(prices)
    return REQUESTS * sum(known) / len(known) if known else None
