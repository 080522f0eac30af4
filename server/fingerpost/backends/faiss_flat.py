"""Exact vector index by FAISS: inner product of unit vectors is their cosine."""

from typing import Any

import faiss
import numpy as np

from fingerpost.errors import DataLoss, ErrorReason
from fingerpost.ports import VectorIndex
from fingerpost.types import Neighbour, Vector, Vectors

KIND = "faiss-flat-ip"


class FaissFlatEngine:
    """Builds and opens flat indexes, as bytes; FAISS never touches a file, since it loses the tail on a full disk."""

    kind = KIND

    def build(self, vectors: Vectors) -> bytes:
        """Serialise an index of `vectors`, shape (n, dim), float32, unit rows; ids are row numbers."""
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return bytes(faiss.serialize_index(index))

    def open(self, data: bytes) -> VectorIndex:
        """Read what `build` made; the bytes must have been verified, since FAISS loads flipped bits without a word.

        Raises:
            DataLoss: the bytes are no flat inner-product index.
        """
        try:
            index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        except RuntimeError as error:
            raise DataLoss("the index cannot be read: reindex to publish it anew") from error
        if not isinstance(index, faiss.IndexFlat) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise DataLoss("the index is of an unexpected kind", ErrorReason.ARTEFACT_CORRUPT)
        return _FlatIndex(index)


class _FlatIndex:
    def __init__(self, index: Any) -> None:  # noqa: ANN401  FAISS has no types
        self._index = index
        # A view of the index's own memory, which lives as long as the index does.
        stored = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
        self._vectors: Vectors = stored.reshape(index.ntotal, index.d)

    @property
    def size(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        return int(self._index.d)

    def search(self, vector: Vector, count: int) -> list[Neighbour]:
        faiss.omp_set_num_threads(1)  # a setting of the calling thread; one query is too small to share
        similarities, ids = self._index.search(vector.reshape(1, -1), count)
        found = [
            Neighbour(exemplar, similarity)
            for exemplar, similarity in zip(ids[0].tolist(), similarities[0].tolist(), strict=True)
            if exemplar >= 0  # FAISS fills up with -1
        ]
        found.sort(key=lambda n: (-n.similarity, n.exemplar))  # FAISS leaves the order of ties open
        return found

    def nearest_between(self, vector: Vector, start: int, stop: int) -> float:
        return float((self._vectors[start:stop] @ vector).max())
