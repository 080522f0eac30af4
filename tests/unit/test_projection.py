"""Laying vectors out in the plane."""

import numpy as np
import pytest

from fingerpost.backends.projection import project
from tests.clouds import clustered, unit_rows


def test_near_texts_stay_near() -> None:
    """The nearest text in the plane is nearly always of the same cloud; the same vectors give the same places."""
    vectors, exemplars = clustered(4, 20, spread=0.4)
    places = project(vectors)
    distances = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    np.fill_diagonal(distances, np.inf)
    routes = np.array([exemplar.route for exemplar in exemplars])
    assert (routes[distances.argmin(axis=1)] == routes).mean() > 0.9
    np.testing.assert_allclose(project(vectors), places, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 11, 12, 13])
def test_few_texts(count: int) -> None:
    """Any number of texts has finite places, two each."""
    places = project(unit_rows(count, 8, 1))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()


def test_equal_texts() -> None:
    """Texts with the same vector have places too."""
    places = project(np.repeat(unit_rows(1, 8, 1), 20, axis=0))
    assert np.isfinite(places).all()
