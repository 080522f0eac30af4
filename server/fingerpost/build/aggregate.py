"""Aggregate: which route has the best mean, sum or maximum of similarity among the nearest utterances?

The three scores of semantic-router's IndexedRouter on our own search: what the vote can be compared with where that
library is not installed. It decides as that router does with its own settings: of the five nearest utterances, and
without a threshold. Out-of-scope texts take no part, since it knows none.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

from fingerpost.engine_ports import SelectiveIndex
from fingerpost.ports import Progress
from fingerpost.types import Neighbour, Vectors

TOP_K = 5
"""Utterances that are looked at."""


class Aggregation(StrEnum):
    """How the similarities of a route's utterances among the nearest become its score."""

    MEAN = "mean"
    SUM = "sum"
    MAX = "max"


def aggregate(
    neighbours: Sequence[Neighbour], route_of: Sequence[int], routes_count: int, how: Aggregation
) -> list[float]:
    """The score of every route, by number; 0 where none of its utterances is among the neighbours.

    A score lies in [-1, 1], a sum in [-n, n] for n neighbours. Cosines may be negative, and then a route without a
    neighbour is ahead: as in the library, where every route has a score.

    Args:
        neighbours: The nearest utterances.
        route_of: Route numbers by utterance.
        routes_count: More than any route number.
        how: Mean, sum or maximum.
    """
    found: dict[int, list[float]] = {}
    for neighbour in neighbours:
        found.setdefault(route_of[neighbour.exemplar], []).append(neighbour.similarity)
    score = _SCORES[how]
    return [score(found[route]) if route in found else 0.0 for route in range(routes_count)]


def best_routes(
    index: SelectiveIndex,
    route_of: Sequence[int],
    routes_count: int,
    vectors: Vectors,
    how: Aggregation,
    progress: Progress,
) -> list[int]:
    """The route with the highest score for each text; of equal ones the one with the lower number.

    Args:
        index: Of n utterances of routes, n at least 1.
        route_of: n route numbers.
        routes_count: More than any route number.
        vectors: Of m texts: shape (m, dim), float32, unit rows.
        how: Mean, sum or maximum.
        progress: Hears the step "aggregate", counted in texts.
    """
    progress.step("aggregate", len(vectors))
    best = []
    for vector in vectors:
        scores = aggregate(index.nearest(vector, TOP_K), route_of, routes_count, how)
        best.append(scores.index(max(scores)))
        progress.advance()
    return best


def _mean(similarities: Sequence[float]) -> float:
    return sum(similarities) / len(similarities)


_SCORES: dict[Aggregation, Callable[[Sequence[float]], float]] = {
    Aggregation.MEAN: _mean,
    Aggregation.SUM: sum,
    Aggregation.MAX: max,
}
