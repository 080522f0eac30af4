"""Search: which exemplars are near? The checks that an engine cannot be trusted with."""

from collections.abc import Sequence

import numpy as np

from fingerpost.errors import ErrorReason, FieldViolation, InternalError, InvalidRequest
from fingerpost.ports import VectorIndex
from fingerpost.types import OUT_OF_SCOPE, Exemplar, GivenVector, Neighbour, Vector

_WIDER = 4  # by how much a search grows that found nothing but out-of-scope texts


def search(index: VectorIndex, exemplars: Sequence[Exemplar], vector: Vector, count: int) -> list[Neighbour]:
    """The `count` nearest exemplars, nearest first; all of them when there are fewer.

    When all of these are out of scope, the nearest utterance of a route comes as one more, so that a best route and its
    similarity can always be told.

    Args:
        index: Of n vectors of dimension d.
        exemplars: The n exemplars by id.
        vector: Shape (d,), float32, unit length.
        count: At least 1.

    Raises:
        InternalError: EMBEDDING_INVALID for a vector of another shape or with numbers that are not finite.
    """
    if vector.shape != (index.dim,) or not np.isfinite(vector).all():
        raise InternalError("the encoder gave no usable vector for this text", ErrorReason.EMBEDDING_INVALID)
    if index.size == 0:
        return []
    wanted = min(count, index.size)
    found = index.search(vector, wanted)
    while not (routed := _routed(found, exemplars)) and len(found) < index.size:
        found = index.search(vector, min(_WIDER * len(found), index.size))
    nearest = found[:wanted]
    return nearest if not routed or routed[0] in nearest else [*nearest, routed[0]]


def _routed(neighbours: Sequence[Neighbour], exemplars: Sequence[Exemplar]) -> list[Neighbour]:
    return [n for n in neighbours if exemplars[n.exemplar].route != OUT_OF_SCOPE]


def unit_vector(given: GivenVector, encoder_digest: str, dim: int) -> Vector:
    """A caller's vector, checked and scaled to unit length.

    Raises:
        InvalidRequest: ENCODER_MISMATCH, DIMENSION_MISMATCH, or INVALID_FIELD for numbers that are not finite or all 0.
    """
    if given.encoder_digest != encoder_digest:
        raise _refused(
            "encoder_digest",
            "the vector is of another encoder than the catalog's: embed the text anew, or send the text itself",
            ErrorReason.ENCODER_MISMATCH,
            {"expected": encoder_digest, "actual": given.encoder_digest[:64]},
        )
    if given.values.shape != (dim,):
        raise _refused(
            "values",
            f"the encoder's vectors have {dim} numbers, not {given.values.size}",
            ErrorReason.DIMENSION_MISMATCH,
            {"expected": str(dim), "actual": str(given.values.size)},
        )
    values = given.values.astype(np.float64)
    norm = float(np.linalg.norm(values))
    if not np.isfinite(norm) or norm == 0.0:
        raise _refused("values", "the numbers must be finite and not all zero", ErrorReason.INVALID_FIELD, {})
    return (values / norm).astype(np.float32)


def _refused(field: str, description: str, reason: ErrorReason, metadata: dict[str, str]) -> InvalidRequest:
    return InvalidRequest(
        description, reason, fields=[FieldViolation(f"embedding.{field}", description)], metadata=metadata
    )
