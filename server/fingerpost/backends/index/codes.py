"""Index of codes: two bits a dimension find candidates, the exact vectors rank them.

A search reads a sixteenth of the vectors' bytes and a few whole vectors, which is what counts between two runs of the
encoder: its weights have pushed the index out of the processor's caches (docs/decisions/0010-index-choice.md).
"""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from fingerpost.backends.index.stored import ExactVectors, contiguous, found, from_bytes, to_bytes, unexpected
from fingerpost.engine_ports import VectorIndex
from fingerpost.types import Neighbour, Vector, Vectors

KIND = "faiss-codes-ip"

_MIN_SIZE = 500
"""Vectors under which comparing all of them is as fast: docs/decisions/0010-index-choice.md."""

_LEAST = 20
"""Candidates are found for at least so many neighbours: few of few would miss the nearest."""

_LEVELS = np.array([-1.5104, -0.4528, 0.4528, 1.5104])
"""The four values that stand for normally distributed numbers with the least squared error (Lloyd 1982; Max 1960)."""


@dataclass(frozen=True, slots=True)
class FaissCodesEngine:
    """Builds and opens indexes of codes; nothing is trained, so that a build takes as long as writing it down."""

    candidates: int = 4
    """Vectors that are compared for each neighbour that is wanted."""

    @property
    def kind(self) -> str:
        return KIND

    @property
    def settings(self) -> dict[str, int]:
        return {"candidates": self.candidates}

    def suits(self, size: int, dim: int) -> bool:
        return size >= _MIN_SIZE and dim % 2 == 0

    def build(self, vectors: Vectors) -> bytes:
        faiss.omp_set_num_threads(1)  # of the calling thread; more save little, and lose much where others work
        dim = vectors.shape[1]
        # FAISS scans codes of four bits fastest: one for each pair of dimensions.
        codes = faiss.IndexPQFastScan(dim, dim // 2, 4, faiss.METRIC_INNER_PRODUCT)
        faiss.copy_array_to_vector(_centroids(vectors).ravel(), codes.pq.centroids)
        codes.is_trained = True
        index = faiss.IndexRefineFlat(codes)
        index.k_factor = float(self.candidates)
        index.add(contiguous(vectors))
        return to_bytes(index)

    def open(self, data: bytes) -> VectorIndex:
        """Read what `build` made.

        Raises:
            DataLoss: the bytes are no index of codes for inner products with its vectors.
        """
        index = from_bytes(data)
        if not isinstance(index, faiss.IndexRefine) or not _is_sound(index):
            raise unexpected()
        return _CodesIndex(index)


def _centroids(vectors: Vectors) -> NDArray[np.float32]:
    """Shape (dim / 2, 16, 2): what each code of a pair of dimensions stands for."""
    mean, deviation = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
    levels = mean[:, None] + deviation[:, None] * _LEVELS
    first, second = np.repeat(levels[0::2], 4, axis=1), np.tile(levels[1::2], (1, 4))
    return np.stack([first, second], axis=-1).astype(np.float32)


def _is_sound(index: Any) -> bool:  # noqa: ANN401  FAISS has no types
    codes = faiss.downcast_index(index.base_index)
    return bool(
        isinstance(codes, faiss.IndexPQFastScan)
        and codes.metric_type == index.metric_type == faiss.METRIC_INNER_PRODUCT
        and codes.ntotal == index.refine_index.ntotal == index.ntotal
        and codes.d == index.refine_index.d == index.d
        and index.k_factor >= 1
    )


class _CodesIndex(ExactVectors):
    def __init__(self, index: Any) -> None:  # noqa: ANN401
        super().__init__(faiss.downcast_index(index.refine_index))
        self._index = index  # owns the vectors

    def search(self, vector: Vector, count: int) -> list[Neighbour]:
        wanted = max(count, _LEAST)
        if wanted * self._index.k_factor >= self.size:
            return super().search(vector, count)
        return found(self._index, vector, wanted)[:count]
