"""Search: which exemplars are near? The checks that an engine cannot be trusted with."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from fingerpost.engine_ports import VectorIndex
from fingerpost.errors import ErrorReason, FieldViolation, InternalError, InvalidRequest
from fingerpost.serve.head import read
from fingerpost.types import OUT_OF_SCOPE, Exemplar, Found, GivenVector, Head, Neighbour, Reading, Vector

PROPOSED_ROUTES = 5
"""How many of the head's best routes are considered beside those of the neighbours."""

_WIDER = 4  # by how much a search grows that found nothing but out-of-scope texts


@dataclass(frozen=True, slots=True)
class Space:
    """What a revision searches."""

    index: VectorIndex  # of n vectors of dimension d
    exemplars: tuple[Exemplar, ...]  # n, by id; with a head, the routes' in the order of their numbers, then the others
    head: Head | None  # of the same dimension; None: neighbours alone
    spans: tuple[tuple[int, int], ...]  # first and last plus one of each route's exemplars

    @classmethod
    def of(cls, index: VectorIndex, exemplars: Sequence[Exemplar], head: Head | None) -> "Space":
        counts = Counter(exemplar.route for exemplar in exemplars)
        stops = list(accumulate(counts[route] for route in range(max(counts, default=OUT_OF_SCOPE) + 1)))
        return cls(index, tuple(exemplars), head, tuple(zip([0, *stops], stops, strict=False)))


def find(space: Space, vector: Vector, count: int) -> Found:
    """The nearest exemplars, what the head says, and how near the routes are that only the head proposes.

    Args:
        space: Of dimension d.
        vector: Shape (d,), float32, unit length.
        count: Neighbours wanted, at least 1.

    Raises:
        InternalError: EMBEDDING_INVALID for a vector of another shape or with numbers that are not finite.
    """
    neighbours = search(space.index, space.exemplars, vector, count)
    if space.head is None or not neighbours:
        return Found(neighbours)
    reading = read(space.head, vector)
    seen = {space.exemplars[n.exemplar].route for n in neighbours}
    proposed = {}
    for route in best_routes(reading):
        start, stop = space.spans[route] if route < len(space.spans) else (0, 0)
        if route not in seen and start < stop:
            proposed[route] = space.index.nearest_between(vector, start, stop)
    return Found(neighbours, reading, proposed)


def best_routes(reading: Reading) -> list[int]:
    """Numbers of the head's best routes, in no order."""
    count = len(reading.probabilities)
    if count <= PROPOSED_ROUTES:
        return list(range(count))
    best: list[int] = reading.probabilities.argpartition(count - PROPOSED_ROUTES)[-PROPOSED_ROUTES:].tolist()
    return best


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
    if vector.shape != (index.dim,) or not math.isfinite(vector.dot(vector)):
        raise InternalError("the encoder gave no usable vector for this text", ErrorReason.EMBEDDING_INVALID)
    if index.size == 0:
        return []
    wanted = min(count, index.size)
    found = index.search(vector, wanted)
    while (place := _first_routed(found, exemplars)) is None and len(found) < index.size:
        found = index.search(vector, min(_WIDER * len(found), index.size))
    nearest = found[:wanted]
    return nearest if place is None or place < wanted else [*nearest, found[place]]


def _first_routed(neighbours: Sequence[Neighbour], exemplars: Sequence[Exemplar]) -> int | None:
    """Place of the nearest that belongs to a route."""
    return next((place for place, n in enumerate(neighbours) if exemplars[n.exemplar].route != OUT_OF_SCOPE), None)


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
