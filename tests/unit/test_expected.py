"""What a revision expects of the traffic."""

import numpy as np
import pytest

from fingerpost.build.expected import expected_of
from fingerpost.build.held_out import NO_ROUTE, Sample
from fingerpost.build.maps import Maps
from fingerpost.serve.calibrate import FEATURES, SCOPE_FEATURES
from fingerpost.types import MEASURE_BOUNDS, Calibration, ConfidenceMap

SIMILARITY_ALONE = ConfidenceMap(Calibration.POOLED, 0.0, (4.0, 0.0, 0.0), 100, 0.0)


def sample_of(best: list[float], second: list[float | None], weights: list[float]) -> Sample:
    """Texts by the similarities of their two best routes."""
    count = len(best)
    rows = np.zeros((count, len(FEATURES)))
    rows[:, 0] = best
    rivals = np.zeros((count, len(FEATURES)))
    rivals[:, 0] = [0.0 if one is None else one for one in second]
    numbers = np.array([NO_ROUTE if one is None else 1 for one in second])
    ones, zeros = np.ones(count, dtype=bool), np.zeros(count, dtype=np.int64)
    scope = np.zeros((count, len(SCOPE_FEATURES)))
    return Sample(rows, scope, zeros, ones, ones, np.array(weights), zeros, rivals, numbers)


def test_shares_are_weighed_and_rise_to_all() -> None:
    """Each distribution counts texts by weight at or under each bound, and the last bound holds all."""
    found = expected_of(sample_of([0.1, 0.55, 0.9], [None, None, None], [1.0, 1.0, 2.0]), Maps(SIMILARITY_ALONE, None))
    assert found is not None
    at = dict(zip(MEASURE_BOUNDS, found.similarity, strict=True))
    assert (at[0.1], at[0.5], at[0.6], at[0.8], at[0.9], at[1.0]) == (0.25, 0.25, 0.5, 0.5, 1.0, 1.0)
    for shares in (found.similarity, found.margin, found.confidence):
        assert list(shares) == sorted(shares)
        assert shares[-1] == 1.0


def test_the_margin_is_taken_to_the_second_route() -> None:
    """Two equally near routes have no margin; without a second route the margin is the confidence."""
    maps = Maps(SIMILARITY_ALONE, None)
    equal = expected_of(sample_of([0.5], [0.5], [1.0]), maps)
    alone = expected_of(sample_of([0.5], [None], [1.0]), maps)
    assert equal is not None
    assert alone is not None
    assert equal.margin[0] == pytest.approx(1.0)
    assert alone.margin == alone.confidence


def test_nothing_without_calibration() -> None:
    """Where no confidence can be told, none is expected."""
    none = ConfidenceMap(Calibration.NONE, 0.0, (0.0, 0.0, 0.0), 0, 0.5)
    assert expected_of(sample_of([0.5], [None], [1.0]), Maps(none, None)) is None
    assert expected_of(sample_of([], [], []), Maps(SIMILARITY_ALONE, None)) is None
