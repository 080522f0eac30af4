"""Which utterances are held out together."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.build.folds import NEAR_DUPLICATE, fold_numbers
from fingerpost.types import Exemplar, Vectors
from tests.clouds import DIM, clustered, unit_rows

seeds = st.integers(0, 10_000)


def turned(*angles: float) -> Vectors:
    """Unit vectors in a plane, at these angles in degrees."""
    radians = np.radians(angles)
    return np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 25), st.integers(2, 7))
def test_a_routes_texts_are_spread_evenly(routes: int, each: int, count: int) -> None:
    """Without near-duplicates no fold holds two texts of a route more than another, and numbers are in range."""
    exemplars = [Exemplar(f"{route}-{n}", route) for route in range(routes) for n in range(each)]
    folds = fold_numbers(np.eye(len(exemplars), dtype=np.float32), exemplars, count)
    assert set(folds.tolist()) <= set(range(count))
    for route in range(routes):
        sizes = np.bincount(folds[route * each : (route + 1) * each], minlength=count)
        assert sizes.max() - sizes.min() <= 1
    assert fold_numbers(np.eye(len(exemplars), dtype=np.float32), exemplars, count).tolist() == folds.tolist()


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_the_order_of_texts_does_not_matter(seed: int) -> None:
    """A text's fold does not depend on where it stands."""
    vectors, exemplars = clustered(4, 9, seed=seed, spread=0.3)
    order = np.random.default_rng(seed).permutation(len(exemplars))
    folds = fold_numbers(vectors, exemplars, 5)
    assert fold_numbers(vectors[order], [exemplars[i] for i in order], 5).tolist() == folds[order].tolist()


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_other_routes_texts_do_not_matter(seed: int) -> None:
    """A route's folds are the same whatever the other routes say."""
    vectors, exemplars = clustered(3, 9, seed=seed)
    others = [e if e.route == 1 else Exemplar(f"other {n}", e.route) for n, e in enumerate(exemplars)]
    own = [n for n, e in enumerate(exemplars) if e.route == 1]
    changed = vectors.copy()
    changed[[n for n in range(len(exemplars)) if n not in own]] = unit_rows(18, DIM, seed + 1)
    expected = fold_numbers(vectors, exemplars, 5)[own]
    assert fold_numbers(changed, others, 5)[own].tolist() == expected.tolist()
    assert fold_numbers(vectors[own], [exemplars[n] for n in own], 5).tolist() == expected.tolist()


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(0.02, 0.5))
def test_near_duplicates_share_a_fold(seed: int, spread: float) -> None:
    """No two texts of a route on both sides of a fold are near-duplicates."""
    vectors, exemplars = clustered(3, 12, seed=seed, spread=spread)
    folds = fold_numbers(vectors, exemplars, 5)
    for one in range(len(exemplars)):
        for other in range(one):
            if exemplars[one].route == exemplars[other].route and folds[one] != folds[other]:
                assert float(vectors[one] @ vectors[other]) < NEAR_DUPLICATE + 1e-6


def test_near_duplicates_of_near_duplicates_do_too() -> None:
    """Texts that hang together by a chain share a fold, although its ends say different things."""
    chain = turned(0, 15, 30, 45)
    assert float(chain[0] @ chain[3]) < NEAR_DUPLICATE
    folds = fold_numbers(chain, [Exemplar(f"text {n}", 0) for n in range(4)], 5)
    assert len(set(folds.tolist())) == 1


def test_equal_texts_of_two_routes_need_not_share_one() -> None:
    """Near-duplicates are looked for within a route: two routes are spread each for itself."""
    vectors = np.repeat(np.eye(5, dtype=np.float32), 2, axis=0)
    exemplars = [Exemplar(f"text {n // 2}", n % 2) for n in range(10)]
    folds = fold_numbers(vectors, exemplars, 5)
    assert [sorted(folds[route::2].tolist()) for route in range(2)] == [[0, 1, 2, 3, 4]] * 2


@pytest.mark.parametrize("text", ["\ud83c", "", "naïve 東京"])
def test_any_text_has_a_fold(text: str) -> None:
    """A text that no UTF-8 holds is hashed all the same."""
    assert len(fold_numbers(np.eye(1, dtype=np.float32), [Exemplar(text, 0)], 5)) == 1


def test_no_texts_no_folds() -> None:
    """An empty catalog has none."""
    assert len(fold_numbers(np.empty((0, 4), np.float32), [], 5)) == 0
