"""Inventory: which models can answer this request? Models as columns, so that hundreds of them cost microseconds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Demands, Model, SkipReason

_UNBOUNDED = np.iinfo(np.int64).max

NO_DEMANDS = Demands()

_CAPABILITY_OF = {"image": "vision"}
"""Of kinds of parts that models are said to have under another name."""

Mask = NDArray[np.bool_]
"""Shape (models,): one truth a model, in the order of their names."""


@dataclass(frozen=True, slots=True, eq=False)
class Inventory:
    """The n models of a catalog in the order of their names; each array has shape (n,), prices and times float64.

    Prices are micro-dollars per million tokens, NaN where unknown; a limit that is unknown does not bind.
    """

    models: tuple[Model, ...]
    number: Mapping[str, int]  # of a model by its name
    windows: NDArray[np.int64]
    max_outputs: NDArray[np.int64]
    input_prices: NDArray[np.float64]
    cached_prices: NDArray[np.float64]  # the input's where a model has none of its own
    output_prices: NDArray[np.float64]
    latencies_ms: NDArray[np.float64]
    capable: Mapping[str, Mask]
    near: Mapping[str, Mask]  # that run in a region
    anywhere: Mask  # that name no region
    speaking: Mapping[str, Mask]  # that are good at a language
    any_language: Mask  # that name none
    all: Mask  # of every model, read-only
    least_window: int
    least_output: int
    prices: tuple[tuple[float, float], ...]  # of input and output again: numbers of Python are quicker one at a time

    @classmethod
    def of(cls, models: Iterable[Model]) -> "Inventory":
        ordered = tuple(sorted(models, key=lambda model: model.name))
        input_prices = _numbers(model.input_price_usd_micros for model in ordered)
        cached = _numbers(model.cached_input_price_usd_micros for model in ordered)
        output_prices = _numbers(model.output_price_usd_micros for model in ordered)
        windows = _limits(model.context_window_tokens for model in ordered)
        max_outputs = _limits(model.max_output_tokens for model in ordered)
        everyone = np.ones(len(ordered), dtype=bool)
        everyone.flags.writeable = False
        return cls(
            models=ordered,
            number={model.name: number for number, model in enumerate(ordered)},
            windows=windows,
            max_outputs=max_outputs,
            input_prices=input_prices,
            cached_prices=np.where(np.isnan(cached), input_prices, cached),
            output_prices=output_prices,
            latencies_ms=_numbers(model.latency_p50_ms for model in ordered),
            capable=_by_label([model.capabilities for model in ordered]),
            near=_by_label([model.regions for model in ordered]),
            anywhere=np.array([not model.regions for model in ordered], dtype=bool),
            speaking=_by_label([model.languages for model in ordered]),
            any_language=np.array([not model.languages for model in ordered], dtype=bool),
            all=everyone,
            least_window=int(windows.min(initial=_UNBOUNDED)),
            least_output=int(max_outputs.min(initial=_UNBOUNDED)),
            prices=tuple(zip(input_prices.tolist(), output_prices.tolist(), strict=True)),
        )

    def fits(self, demands: Demands) -> Mask:
        """Which models satisfy all demands, not to be changed; as `why_not` says of each."""
        if demands.are_tokens_alone and self._have_room(demands):  # as most requests: no array is needed
            return self.all
        return self._fitting(demands)

    def _fitting(self, demands: Demands) -> Mask:
        fits = self.windows - demands.input_tokens >= demands.output_tokens
        if demands.output_tokens:
            fits &= self.max_outputs >= demands.output_tokens
        for names in demands.allowed:
            fits &= self._named(names)
        for name in demands.forbidden:
            if name in self.number:
                fits[self.number[name]] = False
        for label in demands.capabilities:
            fits &= self.capable.get(label, False)
        for label in demands.forbidden_capabilities:
            if label in self.capable:
                fits &= ~self.capable[label]
        for regions in demands.regions:
            fits &= np.logical_or.reduce([self.anywhere, *(self.near[name] for name in regions if name in self.near)])
        for language in demands.languages:
            fits &= self.any_language | self.speaking.get(language, False)
        return fits

    def costs_usd_micros(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> NDArray[np.float64]:
        """What a request of that many tokens costs with each model, some of its input in the prompt cache."""
        fresh = input_tokens - cached_tokens
        total = self.input_prices * fresh + self.cached_prices * cached_tokens + self.output_prices * output_tokens
        return total / 1e6

    def cost_usd_micros(self, number: int, input_tokens: int, output_tokens: int) -> float:
        """What a request costs with one model; NaN where a price is unknown."""
        input_price, output_price = self.prices[number]
        return (input_price * input_tokens + output_price * output_tokens) / 1e6

    def needed_for(self, parts: Iterable[str]) -> frozenset[str]:
        """Capabilities that parts of a conversation need, as far as any model is said to have them."""
        return frozenset(_CAPABILITY_OF.get(part, part) for part in parts) & self.capable.keys()

    def _have_room(self, demands: Demands) -> bool:
        """Whether every model has."""
        output = demands.output_tokens
        return demands.input_tokens + output <= self.least_window and output <= self.least_output

    def _named(self, names: Iterable[str]) -> Mask:
        mask = np.zeros(len(self.models), dtype=bool)
        mask[[self.number[name] for name in names if name in self.number]] = True
        return mask


def why_not(model: Model, demands: Demands) -> SkipReason | None:
    """What keeps the model from answering, the gravest first; None when nothing does."""
    if model.name in demands.forbidden:
        return SkipReason.FORBIDDEN
    if any(model.name not in names for names in demands.allowed):
        return SkipReason.NOT_ALLOWED
    has = set(model.capabilities)
    if has & demands.forbidden_capabilities:
        return SkipReason.FORBIDDEN
    if not demands.capabilities <= has:
        return SkipReason.CAPABILITY
    if model.regions and any(names.isdisjoint(model.regions) for names in demands.regions):
        return SkipReason.REGION
    if model.languages and not demands.languages <= set(model.languages):
        return SkipReason.LANGUAGE
    window, output = model.context_window_tokens, model.max_output_tokens
    if window is not None and demands.input_tokens + demands.output_tokens > window:
        return SkipReason.CONTEXT_WINDOW
    if output is not None and demands.output_tokens > output:
        return SkipReason.OUTPUT_LIMIT
    return None


def both(one: Demands, other: Demands) -> Demands:
    """All that either demands; of tokens the greater numbers."""
    if other is NO_DEMANDS:
        return one
    return Demands(
        allowed=one.allowed + other.allowed,
        forbidden=one.forbidden | other.forbidden,
        capabilities=one.capabilities | other.capabilities,
        forbidden_capabilities=one.forbidden_capabilities | other.forbidden_capabilities,
        regions=one.regions + other.regions,
        languages=one.languages | other.languages,
        input_tokens=max(one.input_tokens, other.input_tokens),
        output_tokens=max(one.output_tokens, other.output_tokens),
    )


def _numbers(values: Iterable[int | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _limits(values: Iterable[int | None]) -> NDArray[np.int64]:
    return np.array([_UNBOUNDED if value is None else value for value in values], dtype=np.int64)


def _by_label(labels: list[tuple[str, ...]]) -> dict[str, Mask]:
    every = sorted({label for own in labels for label in own})
    return {label: np.array([label in own for own in labels], dtype=bool) for label in every}
