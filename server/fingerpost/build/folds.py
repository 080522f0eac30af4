"""Folds: which utterances are held out together? Near-duplicates never stand on both sides."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Exemplar, Vectors

NEAR_DUPLICATE = 0.95
"""Cosine from which two utterances of a route say the same."""


def fold_numbers(vectors: Vectors, exemplars: Sequence[Exemplar], count: int) -> NDArray[np.int64]:
    """A fold, 0 to `count` - 1, for each text; a route's texts are spread evenly.

    Texts of a route that are near-duplicates, directly or through others, share a fold. The order within a route comes
    from the texts' hashes, so neither files nor lines nor chance matter.

    Args:
        vectors: Shape (n, dim), float32, unit rows.
        exemplars: n texts.
        count: At least 2.
    """
    routes = np.array([exemplar.route for exemplar in exemplars], dtype=np.int64)
    folds = np.zeros(len(exemplars), dtype=np.int64)
    for route in np.unique(routes):
        members = np.flatnonzero(routes == route)
        groups = _groups(vectors[members])
        keys = [_key(exemplars[member].text) for member in members.tolist()]
        ordered = sorted(groups, key=lambda group: min(keys[place] for place in group))
        first = int(_key(f"{route}"), 16) % count  # so that small routes do not all miss the last folds
        sizes = np.zeros(count, dtype=np.int64)
        for group in ordered:
            fold = min(range(count), key=lambda f: (sizes[f], (f - first) % count))
            sizes[fold] += len(group)
            folds[members[group]] = fold
    return folds


def _groups(vectors: Vectors) -> list[list[int]]:
    """Places of texts that hang together by near-duplicates."""
    near = vectors @ vectors.T >= NEAR_DUPLICATE
    left = set(range(len(vectors)))
    groups = []
    while left:
        group, waiting = [], [min(left)]
        left.discard(waiting[0])
        while waiting:
            place = waiting.pop()
            group.append(place)
            found = [int(other) for other in np.flatnonzero(near[place]) if int(other) in left]
            left.difference_update(found)
            waiting.extend(found)
        groups.append(sorted(group))
    return groups


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
