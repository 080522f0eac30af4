"""HNSW index: a graph of neighbours leads to the nearest, past nearly all vectors (Malkov and Yashunin 2016)."""

from dataclasses import dataclass
from typing import Any

import faiss

from fingerpost.backends.index.stored import ExactVectors, contiguous, found, from_bytes, to_bytes, unexpected
from fingerpost.engine_ports import VectorIndex
from fingerpost.types import Neighbour, Vector, Vectors

KIND = "faiss-hnsw-ip"

_MIN_SIZE = 200_000
"""Vectors under which what a search saves does not pay for the build: docs/decisions/0010-index-choice.md."""


@dataclass(frozen=True, slots=True)
class FaissHnswEngine:
    """Builds and opens HNSW indexes; built on one thread, since the graph depends on the order of additions."""

    links: int = 32
    """Of a vector to others, a layer; twice as many in the lowest."""

    build_breadth: int = 200
    """Candidates that are kept while a vector's links are chosen."""

    search_breadth: int = 384
    """Candidates that are kept during a search."""

    min_size: int = _MIN_SIZE

    @property
    def kind(self) -> str:
        return KIND

    @property
    def settings(self) -> dict[str, int]:
        return {"links": self.links, "build_breadth": self.build_breadth, "search_breadth": self.search_breadth}

    def suits(self, size: int, dim: int) -> bool:
        return size >= self.min_size

    def build(self, vectors: Vectors) -> bytes:
        faiss.omp_set_num_threads(1)  # a setting of the calling thread
        index = faiss.IndexHNSWFlat(vectors.shape[1], self.links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = self.build_breadth, self.search_breadth
        index.add(contiguous(vectors))
        return to_bytes(index)

    def open(self, data: bytes) -> VectorIndex:
        """Read what `build` made.

        Raises:
            DataLoss: the bytes are no HNSW index for inner products.
        """
        index = from_bytes(data)
        if not isinstance(index, faiss.IndexHNSWFlat) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise unexpected()
        return _HnswIndex(index)


class _HnswIndex(ExactVectors):
    def __init__(self, index: Any) -> None:  # noqa: ANN401  FAISS has no types
        super().__init__(faiss.downcast_index(index.storage))
        self._index = index  # owns the vectors

    def search(self, vector: Vector, count: int) -> list[Neighbour]:
        if count <= self._index.hnsw.efSearch:
            neighbours = found(self._index, vector, count)
            if len(neighbours) == min(count, self.size):
                return neighbours
        return super().search(vector, count)  # the graph cannot promise so many
