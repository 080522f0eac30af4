"""Select: in which order should a route's models be tried for this request? Pure, and a total order: no tie is left."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.serve.inventory import Inventory, Mask
from fingerpost.types import RoutePolicy, SelectionMode

EXPECTED_OUTPUT_TOKENS = 300
"""Of an answer, where neither the caller nor the route says: it only weighs the two prices against each other."""

DEFAULT_TASK = "default"

MAX_UNFIT = 8
BEST = 4
"""Models of a route that are named for a request: the one that answers, and those to try next."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a selection needs to know of a request."""

    key: str = ""  # of the session or else the request: equal keys draw alike
    input_tokens: int = 0
    output_tokens: int = 0  # that the caller expects; 0: not known
    session_model: str | None = None  # that answered last in the session
    cached_tokens: int = 0  # of the input that this model's provider still has in its prompt cache


@dataclass(frozen=True, slots=True, eq=False)
class Lineup:
    """The m models that a route chooses from, in the order of their names; each array has shape (m,)."""

    route: RoutePolicy
    names: tuple[str, ...]
    numbers: NDArray[np.intp]  # in the inventory
    places: NDArray[np.float64]  # in the route's list
    qualities: NDArray[np.float64]  # [0, 1]; NaN where unknown
    good: Mask  # that reach the floor; an unknown quality reaches none but 0
    input_prices: NDArray[np.float64]  # micro-dollars per token, as the next two; NaN where unknown
    cached_prices: NDArray[np.float64]
    output_prices: NDArray[np.float64]
    latencies_ms: NDArray[np.float64]
    weights: NDArray[np.float64]
    inverse_weights: NDArray[np.float64]  # infinite for none
    salts: NDArray[np.uint64]  # of the names, to draw by
    alone: "Ranked | None"  # of a route with one model that is good enough, which leaves nothing to choose

    @classmethod
    def of(cls, route: RoutePolicy, inventory: Inventory) -> "Lineup":
        listed = route.models or (route.model,)
        names = tuple(sorted(listed))
        models = [inventory.models[inventory.number[name]] for name in names]
        task = route.selection.task or route.name
        numbers = np.array([inventory.number[name] for name in names], dtype=np.intp)
        qualities = np.array([quality_of(model.quality, task) for model in models], dtype=np.float64)
        floor = route.selection.quality_floor
        good = qualities >= floor if floor else np.ones(len(names), dtype=bool)
        weights = np.array([route.selection.weights.get(name, 0.0) for name in names], dtype=np.float64)
        return cls(
            route=route,
            names=names,
            numbers=numbers,
            places=np.array([listed.index(name) for name in names], dtype=np.float64),
            qualities=qualities,
            good=good,
            input_prices=inventory.input_prices[numbers] / 1e6,
            cached_prices=inventory.cached_prices[numbers] / 1e6,
            output_prices=inventory.output_prices[numbers] / 1e6,
            latencies_ms=inventory.latencies_ms[numbers],
            weights=weights,
            inverse_weights=np.array([1 / weight if weight else np.inf for weight in weights.tolist()]),
            salts=np.array([_hashed(name) for name in names], dtype=np.uint64),
            alone=Ranked(names) if len(names) == 1 and good.all() else None,
        )


def quality_of(quality: Mapping[str, float], task: str) -> float:
    """Of that family of tasks, or of any; NaN where neither is known."""
    return quality.get(task, quality.get(DEFAULT_TASK, np.nan))


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best of the models that may answer, and whether the session's was kept before a better one."""

    models: tuple[str, ...]
    kept: bool = False
    unfit: tuple[str, ...] = ()  # some of those that cannot answer, or are not good enough
    propensity: float = 1.0  # probability, [0, 1], with which the first is the first for a request of this kind


def rank(lineup: Lineup, fits: Mask, asked: Asked) -> Ranked:
    """Order the best of the models that fit; those under the quality floor and those without weight are left out.

    Where the floor would leave none, the best of those that fit come first: they were named for the route, and whatever
    the fallback is, nobody said that it is better at this. Taking a model out never changes the order of the others.

    Args:
        lineup: Of the route.
        fits: Which of the inventory's models can answer the request.
        asked: What is known of it.
    """
    if lineup.alone is not None and fits[lineup.numbers[0]]:
        return lineup.alone
    able = fits[lineup.numbers]
    good = able & lineup.good
    if good.all():
        return _ranked(lineup, good, asked)
    unfit = tuple(lineup.names[place] for place in np.flatnonzero(~good)[:MAX_UNFIT].tolist())
    if not good.any():
        return Ranked(_best_of(lineup, able), unfit=tuple(name for name in unfit if not able[lineup.names.index(name)]))
    ranked = _ranked(lineup, good, asked)
    return Ranked(ranked.models, ranked.kept, unfit, ranked.propensity)


def _best_of(lineup: Lineup, able: Mask) -> tuple[str, ...]:
    """By quality alone."""
    places = np.flatnonzero(able)
    order = places[np.argsort(-lineup.qualities[places], kind="stable")[:BEST]]
    return tuple(lineup.names[place] for place in order.tolist())


def _ranked(lineup: Lineup, takes: Mask, asked: Asked) -> Ranked:
    mode = lineup.route.selection.mode
    if mode is SelectionMode.WEIGHTED:
        takes = takes & (lineup.weights > 0)
    costs = _costs(lineup, asked)
    worth = _WORTH[mode](lineup, costs, asked)
    places = np.flatnonzero(takes)
    order = places[np.lexsort((costs[places], -worth[places]))[:BEST]].tolist()  # stable: then in the order of names
    ranked = tuple(lineup.names[place] for place in order)
    if ranked and mode is SelectionMode.WEIGHTED:
        return Ranked(ranked, propensity=float(lineup.weights[order[0]] / lineup.weights[takes].sum()))
    return _with_session(ranked, lineup, takes, worth, asked)


def _costs(lineup: Lineup, asked: Asked, cached_tokens: int = 0) -> NDArray[np.float64]:
    """Of the request with each model, micro-dollars; some of the input may be in the prompt cache."""
    output = asked.output_tokens or lineup.route.selection.output_tokens or EXPECTED_OUTPUT_TOKENS
    costs = lineup.input_prices * (asked.input_tokens - cached_tokens) + lineup.output_prices * output
    return costs + lineup.cached_prices * cached_tokens if cached_tokens else costs


_Worth = Callable[[Lineup, NDArray[np.float64], Asked], NDArray[np.float64]]
"""What makes a model come first, greater is better; shape (m,)."""


def _by_place(lineup: Lineup, costs: NDArray[np.float64], asked: Asked) -> NDArray[np.float64]:
    return -lineup.places


def _by_draw(lineup: Lineup, costs: NDArray[np.float64], asked: Asked) -> NDArray[np.float64]:
    """Weighted rendezvous hashing: each model draws by itself, so that others moving in or out change no order.

    The greatest of ln(u)/w, u uniform and own to key and model, falls on a model as often as its share of the weights:
    the exponential race (Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006).
    """
    mixed = _mixed(lineup.salts ^ np.uint64(_hashed(asked.key)))
    uniform = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54  # in (0, 1)
    return np.log(uniform) * lineup.inverse_weights


def _by_cost(lineup: Lineup, costs: NDArray[np.float64], asked: Asked) -> NDArray[np.float64]:
    return -costs


def _by_latency(lineup: Lineup, costs: NDArray[np.float64], asked: Asked) -> NDArray[np.float64]:
    return -lineup.latencies_ms


def _by_value(lineup: Lineup, costs: NDArray[np.float64], asked: Asked) -> NDArray[np.float64]:
    """Quality less what the cost weighs: micro-dollars a request are dollars per thousand requests times a thousand."""
    return lineup.qualities - lineup.route.selection.cost_weight * costs / 1000


_WORTH: Mapping[SelectionMode, _Worth] = {
    SelectionMode.FIXED: _by_place,
    SelectionMode.WEIGHTED: _by_draw,
    SelectionMode.CHEAPEST: _by_cost,
    SelectionMode.FASTEST: _by_latency,
    SelectionMode.BEST_VALUE: _by_value,
}

_STICKY = {SelectionMode.CHEAPEST, SelectionMode.FASTEST, SelectionMode.BEST_VALUE}
"""A fixed order has no better model to change to, and a weighted draw has the session for its key."""


def _with_session(
    ranked: tuple[str, ...],
    lineup: Lineup,
    takes: Mask,
    worth: NDArray[np.float64],
    asked: Asked,
) -> Ranked:
    """The session's model first, unless the best one gains more than the margin although its prompt cache is lost."""
    current, selection = asked.session_model, lineup.route.selection
    own = lineup.names.index(current) if current in lineup.names else None
    if own is None or not takes[own] or current is None or current == ranked[0] or selection.mode not in _STICKY:
        return Ranked(ranked)
    cached = _costs(lineup, asked, min(asked.cached_tokens, asked.input_tokens))
    kept_worth = float(_WORTH[selection.mode](lineup, cached, asked)[own])
    gain = float(worth[lineup.names.index(ranked[0])]) - kept_worth
    if selection.mode is not SelectionMode.BEST_VALUE:  # of costs and times the share that is saved counts
        gain = gain / -kept_worth if kept_worth else 0.0
    if gain > selection.switch_margin:
        return Ranked(ranked)
    others = tuple(name for name in ranked if name != current)
    return Ranked((current, *others)[:BEST], kept=True)


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
