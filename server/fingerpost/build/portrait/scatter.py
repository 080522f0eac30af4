"""Scatter: a map of the utterances, near ones near each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Exemplar, Vectors

MOST_SPOTS = 3000
"""Utterances that are placed: more take minutes, and cover each other."""

_SEED = 20_240_229  # any fixed number: the same catalog gives the same map

Projection = Callable[[Vectors], NDArray[np.float64]]
"""Vectors of shape (n, dim), unit rows, to places in the plane, (n, 2)."""


@dataclass(frozen=True, slots=True)
class Spot:
    """An utterance and its place: x to the right, y down, both in [0, 1]."""

    text: str
    route: int  # or OUT_OF_SCOPE
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Scatter:
    """All utterances of a catalog, or a sample with its share of each route."""

    spots: tuple[Spot, ...]
    of: int  # utterances that there are


def scatter_of(exemplars: Sequence[Exemplar], vectors: Vectors, project: Projection, most: int = MOST_SPOTS) -> Scatter:
    """The map.

    Args:
        exemplars: n indexed texts.
        vectors: Shape (n, dim), float32, unit rows.
        project: Lays vectors out in the plane.
        most: Texts to place; of more, a sample is taken.
    """
    chosen = sample([exemplar.route for exemplar in exemplars], most)
    if not chosen:
        return Scatter((), 0)
    places = _within(project(vectors[chosen]))
    spots = tuple(
        Spot(exemplars[row].text, exemplars[row].route, x, y)
        for row, (x, y) in zip(chosen, places.tolist(), strict=True)
    )
    return Scatter(spots, len(exemplars))


def sample(routes: Sequence[int], most: int) -> list[int]:
    """Rows in ascending order: all, or about `most`, and at least one of each route."""
    if len(routes) <= most:
        return list(range(len(routes)))
    random = np.random.default_rng(_SEED)
    numbers = np.array(routes)
    kept: list[int] = []
    for route in np.unique(numbers):
        own = np.flatnonzero(numbers == route)
        count = max(1, len(own) * most // len(routes))
        kept += random.choice(own, count, replace=False).tolist()
    return sorted(kept)


def _within(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same places, moved and stretched into the unit square."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    moved: NDArray[np.float64] = np.where(high > low, (places - low) / span, 0.5)
    return moved
