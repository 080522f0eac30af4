"""Index: vectors become a searchable index, as bytes."""

import numpy as np

from fingerpost.errors import ErrorReason, InternalError
from fingerpost.ports import IndexEngine
from fingerpost.types import Vectors


def build_index(vectors: Vectors, engine: IndexEngine) -> bytes:
    """Serialise an index of the vectors and prove that it finds each of a sample of them.

    Args:
        vectors: Shape (n, dim), float32, unit rows; n may be 0.
        engine: Who builds it.

    Raises:
        InternalError: the index does not hold what was put in.
    """
    data = engine.build(vectors)
    index = engine.open(data)
    if (index.size, index.dim) != vectors.shape:
        raise InternalError(f"the index holds {index.size} x {index.dim} of {vectors.shape} numbers")
    for row in np.linspace(0, len(vectors) - 1, min(len(vectors), 32)).astype(int).tolist():
        found = index.search(vectors[row], 1)[0]
        if abs(found.similarity - 1.0) > 1e-4:
            raise InternalError(f"the index does not find exemplar {row}", ErrorReason.INTERNAL)
    return data
