"""Selective index: the nearest of all vectors, or of some rows alone. Exact; made for another library's index."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from fingerpost.backends.index.stored import ExactVectors, contiguous
from fingerpost.types import Neighbour, Vector, Vectors

_WIDER = 4  # by how much a search grows whose last place is shared


class SelectiveVectors(ExactVectors):
    """`engine_ports.SelectiveIndex` by FAISS's flat index, which keeps the only copy of the vectors."""

    def __init__(self, vectors: Vectors) -> None:
        """Copy vectors of shape (n, dim), float32, unit rows."""
        flat = faiss.IndexFlatIP(vectors.shape[1])
        flat.add(contiguous(vectors))
        super().__init__(flat)
        self._vectors.flags.writeable = False

    @property
    def vectors(self) -> Vectors:
        return self._vectors

    def nearest(self, vector: Vector, count: int, rows: NDArray[np.int64] | None = None) -> list[Neighbour]:
        available = self.size if rows is None else len(rows)
        asked = count + 1  # one more tells whether equal ones stand on both sides of the cut
        found = self._found(vector, asked, rows)
        while asked < available and found[-1].similarity == found[count - 1].similarity:
            asked *= _WIDER
            found = self._found(vector, asked, rows)
        return found[:count]

    def _found(self, vector: Vector, asked: int, rows: NDArray[np.int64] | None) -> list[Neighbour]:
        """As many of the nearest as there are, equal ones by row: FAISS leaves open which of them it gives, and how."""
        among: dict[str, Any] = {}
        if rows is not None:
            parameters: Any = faiss.SearchParameters  # whose stubs know no arguments
            among["params"] = parameters(sel=faiss.IDSelectorArray(rows))
        with _one_thread():
            similarities, ids = self._flat.search(vector.reshape(1, -1), asked, **among)
        pairs = sorted(zip((-similarities[0]).tolist(), ids[0].tolist(), strict=True))
        return [Neighbour(row, -negated) for negated, row in pairs if row >= 0]


@contextmanager
def _one_thread() -> Iterator[None]:
    """One query is too small to share; the calling thread is not ours, so its setting is given back."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
