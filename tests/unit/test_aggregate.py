"""The three scores of the nearest utterances, counted by hand."""

import pytest

from fingerpost.backends.index.selective import SelectiveVectors
from fingerpost.build.aggregate import Aggregation, aggregate, best_routes
from fingerpost.ports import NoProgress
from fingerpost.types import Neighbour
from tests.clouds import unit_rows

ROUTE_OF = [0, 0, 1, 2, 2]
NEAR = [Neighbour(2, 0.9), Neighbour(0, 0.8), Neighbour(1, 0.4)]


@pytest.mark.parametrize(
    ("how", "scores"),
    [(Aggregation.MEAN, [0.6, 0.9, 0.0]), (Aggregation.SUM, [1.2, 0.9, 0.0]), (Aggregation.MAX, [0.8, 0.9, 0.0])],
)
def test_scores_of_three_neighbours(how: Aggregation, scores: list[float]) -> None:
    """Only neighbours count; a route without one has 0."""
    assert aggregate(NEAR, ROUTE_OF, 3, how) == pytest.approx(scores)


def test_a_route_without_a_neighbour_is_ahead_of_an_opposite_one() -> None:
    """Nothing found is 0, which is more than a negative cosine: as in the library."""
    assert aggregate([Neighbour(0, -0.2)], ROUTE_OF, 3, Aggregation.MAX) == [-0.2, 0.0, 0.0]


def test_the_best_of_equal_routes_is_the_first() -> None:
    """Two routes with the same utterance: the lower number is taken, whichever was added first."""
    [vector] = unit_rows(1, 8, 1)
    index = SelectiveVectors(vector.reshape(1, -1).repeat(2, axis=0))
    for how in Aggregation:
        assert best_routes(index, [1, 0], 2, vector.reshape(1, -1), how, NoProgress()) == [0]
    assert best_routes(index, [1, 0], 2, unit_rows(1, 8, 1)[:0], Aggregation.MEAN, NoProgress()) == []
