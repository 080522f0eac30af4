"""Kinds of index against sorting all products."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.backends.index.codes import FaissCodesEngine
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.backends.index.hnsw import FaissHnswEngine
from fingerpost.build.index import MIN_RECALL, build_index
from fingerpost.engine_ports import IndexEngine
from fingerpost.types import Vectors
from tests.clouds import clustered, unit_rows

seeds = st.integers(0, 2**32 - 1)
ENGINES: list[IndexEngine] = [FaissFlatEngine(), FaissCodesEngine(), FaissHnswEngine()]
EVERY_KIND = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.kind)


def products(vectors: Vectors, query: Vectors) -> list[float]:
    found: list[float] = (vectors.astype(np.float64) @ query.astype(np.float64)).tolist()
    return found


@EVERY_KIND
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 700), st.integers(1, 120), seeds)
def test_what_is_found_is_true(engine: IndexEngine, size: int, count: int, seed: int) -> None:
    """As many as there are, each once, nearest first and equal ones by id, with the exact similarity."""
    vectors, query = unit_rows(size, 16, seed), unit_rows(1, 16, seed + 1)[0]
    index = engine.open(engine.build(vectors))
    found, exact = index.search(query, min(count, size)), products(vectors, query)
    assert (index.size, index.dim) == (size, 16)
    assert len({n.exemplar for n in found}) == len(found) == min(count, size)
    assert [n.similarity for n in found] == pytest.approx([exact[n.exemplar] for n in found], abs=1e-6)
    assert found == sorted(found, key=lambda n: (-n.similarity, n.exemplar))


@EVERY_KIND
@settings(max_examples=10, deadline=None)
@given(seeds)
def test_similarities_are_the_flat_twins(engine: IndexEngine, seed: int) -> None:
    """A vector that the flat index finds as well has the very similarity there."""
    vectors, query = unit_rows(600, 32, seed), unit_rows(1, 32, seed + 1)[0]
    flat = FaissFlatEngine()
    twin = {n.exemplar: n.similarity for n in flat.open(flat.build(vectors)).search(query, 600)}
    for neighbour in engine.open(engine.build(vectors)).search(query, 20):
        assert neighbour.similarity == pytest.approx(twin[neighbour.exemplar], abs=1e-6)


@EVERY_KIND
@settings(max_examples=10, deadline=None)
@given(st.integers(500, 900), st.integers(1, 40), seeds)
def test_every_vector_finds_itself(engine: IndexEngine, size: int, count: int, seed: int) -> None:
    """A vector that is asked for comes first, whatever the count."""
    vectors = unit_rows(size, 16, seed)
    index = engine.open(engine.build(vectors))
    assert all(index.search(vector, count)[0].exemplar == row for row, vector in enumerate(vectors))


@EVERY_KIND
def test_equal_vectors_come_by_id(engine: IndexEngine) -> None:
    """Of vectors that are there three times the lowest id comes first."""
    vectors = np.concatenate([unit_rows(200, 16, 3)] * 3)
    index = engine.open(engine.build(vectors))
    for row in range(0, 200, 7):
        assert [n.exemplar for n in index.search(vectors[row], 5)[:3]] == [row, row + 200, row + 400]


@EVERY_KIND
@given(st.integers(1, 60), st.data())
def test_nearest_between_is_the_highest_product(engine: IndexEngine, size: int, data: st.DataObject) -> None:
    """Of a stretch of vectors the nearest one's similarity is told."""
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    vectors, query = unit_rows(size, 8, size), unit_rows(1, 8, size + 1)[0]
    nearest = engine.open(engine.build(vectors)).nearest_between(query, start, stop)
    assert nearest == pytest.approx(max(products(vectors, query)[start:stop]), abs=1e-6)


@EVERY_KIND
def test_the_same_vectors_give_the_same_bytes(engine: IndexEngine) -> None:
    """A revision's digest does not change from build to build, and an opened index gives back what it was made of."""
    vectors, other = unit_rows(700, 16, 5), unit_rows(700, 16, 6)
    assert engine.build(vectors) == engine.build(vectors.copy())
    assert engine.build(vectors) != engine.build(other)


@settings(max_examples=10, deadline=None)
@given(st.integers(500, 1500), st.integers(5, 60), seeds)
def test_what_the_build_promises_holds_for_other_texts(size: int, routes: int, seed: int) -> None:
    """The index that the build takes finds of new texts' neighbours what it had to find of its own vectors'."""
    each = -(-size // routes)
    cloud, _ = clustered(routes, each + 2, seed=seed)
    new = np.arange(len(cloud)) % (each + 2) < 2
    vectors, asked = cloud[~new], cloud[new]
    built = build_index(vectors, (FaissCodesEngine(4), FaissCodesEngine(16), FaissFlatEngine()), 20)
    hits = 0
    for query in asked:
        true = sorted(products(vectors, query))[-20]
        hits += sum(n.similarity >= true - 1e-5 for n in built.index.search(query, 20))
    assert built.indexed.recall >= MIN_RECALL
    assert hits / (20 * len(asked)) >= MIN_RECALL - 0.02
