"""Which index a build takes: by size, and by what it finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from fingerpost.backends.index.codes import FaissCodesEngine
from fingerpost.backends.index.engines import ENGINES
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.backends.index.hnsw import FaissHnswEngine
from fingerpost.build.index import MIN_RECALL, build_index
from fingerpost.build.report import Indexed
from fingerpost.engine_ports import IndexEngine, VectorIndex
from fingerpost.errors import DataLoss, ErrorReason, InternalError
from fingerpost.types import Neighbour, Vector, Vectors
from tests.clouds import unit_rows

FLAT = FaissFlatEngine()


@dataclass(frozen=True)
class Spoilt:
    """A flat index that gives something else than it finds."""

    index: VectorIndex
    fault: str

    @property
    def size(self) -> int:
        return self.index.size - (self.fault == "loses one")

    @property
    def dim(self) -> int:
        return self.index.dim

    def search(self, vector: Vector, count: int) -> list[Neighbour]:
        found = self.index.search(vector, count + 5)
        return {
            "forgets one in twenty": found[:1] + found[2 : count + 1],
            "does not find itself": found[1 : count + 1],
            "lies about similarity": [replace(n, similarity=n.similarity + 0.01) for n in found[:count]],
            "repeats itself": found[:1] * count,
            "finds nothing": [],
        }.get(self.fault, found[:count])

    def nearest_between(self, vector: Vector, start: int, stop: int) -> float:
        return self.index.nearest_between(vector, start, stop)


@dataclass
class BadEngine:
    """Implements the Protocol, badly."""

    fault: str
    kind: str = "bad"
    settings: Mapping[str, int] = field(default_factory=dict)
    built: int = 0

    def suits(self, size: int, dim: int) -> bool:
        return self.fault != "suits nothing"

    def build(self, vectors: Vectors) -> bytes:
        self.built += 1
        return FLAT.build(vectors)

    def open(self, data: bytes) -> VectorIndex:
        return Spoilt(FLAT.open(data), self.fault)


FAULTS = [
    "forgets one in twenty",
    "does not find itself",
    "lies about similarity",
    "repeats itself",
    "finds nothing",
    "loses one",
    "suits nothing",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_index_that_finds_too_little_is_not_taken(fault: str) -> None:
    """The next engine's index is taken where the first one's misses neighbours, itself or the truth, or cannot be."""
    built = build_index(unit_rows(300, 16, 1), (BadEngine(fault), FLAT), 20)
    assert built.indexed == Indexed(FLAT.kind, {}, 1.0)
    assert built.data == FLAT.build(unit_rows(300, 16, 1))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_build_without_a_sound_index_fails(fault: str) -> None:
    """Rather than publish an index that does not find what is in it, the build ends."""
    with pytest.raises(InternalError, match="no index of 300 vectors"):
        build_index(unit_rows(300, 16, 1), (BadEngine(fault),), 20)


def test_a_sound_engine_ends_the_search() -> None:
    """Engines after the first good one are not even built."""
    second = BadEngine("none")
    assert build_index(unit_rows(300, 16, 1), (FLAT, second), 20).indexed.kind == FLAT.kind
    assert second.built == 0


@pytest.mark.parametrize(
    ("size", "dim", "kind"),
    [(0, 16, "faiss-flat-ip"), (1, 16, "faiss-flat-ip"), (21, 16, "faiss-flat-ip"), (499, 16, "faiss-flat-ip"),
     (600, 64, "faiss-codes-ip"), (600, 15, "faiss-flat-ip")],
)  # fmt: skip
def test_size_and_dimension_decide_the_kind(size: int, dim: int, kind: str) -> None:
    """Few vectors are compared as they are, more by their codes, which need pairs of dimensions."""
    built = build_index(unit_rows(size, dim, 2), ENGINES, 20)
    assert built.indexed.kind == kind
    assert built.indexed.recall >= MIN_RECALL
    assert (built.index.size, built.index.dim) == (size, dim)


def test_many_vectors_get_a_graph() -> None:
    """HNSW is for catalogs whose codes would be a long read, and keeps the settings that it was built with."""
    engine = FaissHnswEngine()
    assert [engine.suits(size, 384) for size in (15_000, 199_999, 200_000)] == [False, False, True]
    small = FaissHnswEngine(links=8, build_breadth=40, search_breadth=300, min_size=500)
    built = build_index(unit_rows(800, 16, 3), (small, FLAT), 20)
    assert built.indexed.kind == "faiss-hnsw-ip"
    assert built.indexed.settings == {"links": 8, "build_breadth": 40, "search_breadth": 300}
    assert built.indexed.recall >= MIN_RECALL


def test_a_graph_that_is_searched_too_narrowly_is_not_taken() -> None:
    """A setting that misses the floor gives way to the next setting of the same kind."""
    narrow = FaissHnswEngine(links=4, build_breadth=8, search_breadth=21, min_size=500)
    wide = FaissHnswEngine(links=16, build_breadth=100, search_breadth=400, min_size=500)
    built = build_index(unit_rows(2000, 48, 3), (narrow, wide, FLAT), 20)
    assert built.indexed.settings == dict(wide.settings)


def test_crowds_of_near_equals_get_more_candidates() -> None:
    """Where hundreds of texts are nearly the same their codes are too, and the next setting is taken."""
    chance = np.random.default_rng(4)
    crowd = unit_rows(1, 64, 5) + 0.002 * chance.standard_normal((150, 64))
    rows = np.concatenate([crowd, unit_rows(900, 64, 6)])
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    built = build_index(vectors, (FaissCodesEngine(4), FaissCodesEngine(16), FLAT), 20)
    assert built.indexed.settings == {"candidates": 16}
    assert all(built.index.search(vectors[row], 20)[0].exemplar == row for row in range(150))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.kind} {engine.settings}")
def test_bytes_of_another_index_are_refused(engine: IndexEngine) -> None:
    """Another kind, another measure of nearness, half an index and no index at all are DATA_LOSS."""
    vectors = unit_rows(600, 16, 1)
    whole = engine.build(vectors)
    others = [other.build(vectors) for other in ENGINES if other.kind != engine.kind]
    for data in (*others, by_distance(vectors), whole[: len(whole) // 2], whole[:-1], b"", b"junk", b"\0" * 1000):
        with pytest.raises(DataLoss) as caught:
            engine.open(data)
        assert caught.value.reason == ErrorReason.ARTEFACT_CORRUPT


def by_distance(vectors: Vectors) -> bytes:
    """A flat index that finds the smallest Euclidean distance."""
    import faiss

    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    return bytes(faiss.serialize_index(index))
