"""What all kinds of index share: bytes in and out, the exact vectors, and what a search found.

FAISS never touches a file, since it loses the tail on a full disk: indexes are bytes.
"""

from typing import Any

import faiss
import numpy as np

from fingerpost.errors import DataLoss, ErrorReason
from fingerpost.types import Neighbour, Vector, Vectors


def to_bytes(index: Any) -> bytes:  # noqa: ANN401  FAISS has no types
    return bytes(faiss.serialize_index(index))


def from_bytes(data: bytes) -> Any:  # noqa: ANN401
    """Any FAISS index; the bytes must have been verified, since FAISS loads flipped bits without a word.

    Raises:
        DataLoss: they are none.
    """
    try:
        return faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
    except RuntimeError as error:
        raise DataLoss("the index cannot be read: reindex to publish it anew") from error


def unexpected() -> DataLoss:
    """Of an index that is not of the kind that its revision says."""
    return DataLoss("the index is of an unexpected kind", ErrorReason.ARTEFACT_CORRUPT)


def contiguous(vectors: Vectors) -> Vectors:
    return np.ascontiguousarray(vectors, dtype=np.float32)


class ExactVectors:
    """The vectors as they were put in, in FAISS's flat index: the twin that every kind keeps and answers with."""

    def __init__(self, flat: Any) -> None:  # noqa: ANN401
        """Of a flat index; whoever takes it out of another one keeps that alive.

        Raises:
            DataLoss: it is another one, or measures something else than inner products.
        """
        if not isinstance(flat, faiss.IndexFlat) or flat.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise unexpected()
        self._flat = flat
        # A view of the index's own memory, which lives as long as the index does.
        stored = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d)
        self._vectors: Vectors = stored.reshape(flat.ntotal, flat.d)

    @property
    def size(self) -> int:
        return int(self._flat.ntotal)

    @property
    def dim(self) -> int:
        return int(self._flat.d)

    def search(self, vector: Vector, count: int) -> list[Neighbour]:
        return found(self._flat, vector, count)

    def nearest_between(self, vector: Vector, start: int, stop: int) -> float:
        return float((self._vectors[start:stop] @ vector).max())


def found(index: Any, vector: Vector, count: int) -> list[Neighbour]:  # noqa: ANN401
    """What an index finds, nearest first, equal ones by id; an approximate one may find fewer than `count`."""
    faiss.omp_set_num_threads(1)  # a setting of the calling thread; one query is too small to share
    similarities, ids = index.search(vector.reshape(1, -1), count)
    pairs = sorted(
        zip((-similarities[0]).tolist(), ids[0].tolist(), strict=True)
    )  # FAISS leaves the order of ties open
    return [Neighbour(exemplar, -negated) for negated, exemplar in pairs if exemplar >= 0]  # and fills up with -1
