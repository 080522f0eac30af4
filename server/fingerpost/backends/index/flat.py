"""Flat index: every vector is compared, so what it finds is exact. The twin that other kinds are measured against."""

import faiss

from fingerpost.backends.index.stored import ExactVectors, contiguous, from_bytes, to_bytes
from fingerpost.engine_ports import VectorIndex
from fingerpost.types import Vectors

KIND = "faiss-flat-ip"


class FaissFlatEngine:
    """Builds and opens flat indexes; inner products of unit vectors are their cosines."""

    kind = KIND

    @property
    def settings(self) -> dict[str, int]:
        return {}

    def suits(self, size: int, dim: int) -> bool:
        return True

    def build(self, vectors: Vectors) -> bytes:
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(contiguous(vectors))
        return to_bytes(index)

    def open(self, data: bytes) -> VectorIndex:
        """Read what `build` made.

        Raises:
            DataLoss: the bytes are no flat inner-product index.
        """
        return ExactVectors(from_bytes(data))
