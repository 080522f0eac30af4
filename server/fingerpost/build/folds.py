"""Folds: which utterances are held out together? Near-duplicates never stand on both sides."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Exemplar, Vectors

NEAR_DUPLICATE = 0.95
"""Cosine from which two utterances of a route say the same."""

FOLDS = 5

MANY_TEXTS = 6000
"""Utterances from which two turns and one group of left-out routes tell enough, and the routes' names add nothing."""

MIN_ROUTES_LEFT_OUT = 4
"""Routes under which leaving some out leaves too few to be near."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Which of n utterances are scored as if the catalog did not hold them."""

    folds: NDArray[np.int64]  # (n,)
    turns: tuple[int, ...]  # the folds that are held out, one after the other
    left_out: tuple[Mask, ...]  # (n,) each; all utterances of some routes, which are out of scope without them


def hold_out(vectors: Vectors, exemplars: Sequence[Exemplar]) -> HoldOut:
    """Every fold in turn, and a fifth of the routes, then another; less where there are many texts.

    Args:
        vectors: Shape (n, dim), float32, unit rows.
        exemplars: n utterances.
    """
    folds = fold_numbers(vectors, exemplars, FOLDS)
    many = len(exemplars) >= MANY_TEXTS
    known: list[int] = np.unique(folds).tolist()
    turns = known if len(known) > 1 else []  # else nothing would be left to train on
    left_out = list(_left_out(np.array([exemplar.route for exemplar in exemplars], dtype=np.int64)))
    return HoldOut(folds, tuple(turns[:2] if many else turns), tuple(left_out[:1] if many else left_out))


def nothing_held_out(count: int) -> HoldOut:
    """Of so many utterances none: they are all learned from."""
    return HoldOut(np.zeros(count, dtype=np.int64), (), ())


def held_from_tuning(judged: Mask, left_out: Mask) -> HoldOut:
    """What a tuned encoder can be judged by: only texts, shape (n,), that its tuning never saw."""
    folds = np.where(judged, 0, 1)
    return HoldOut(folds, (0,) if judged.any() else (), (left_out,) if left_out.any() else ())


def _left_out(routes: NDArray[np.int64]) -> Iterator[Mask]:
    known = np.unique(routes)
    if len(known) < MIN_ROUTES_LEFT_OUT:
        return
    ordered = sorted(known.tolist(), key=lambda route: hashlib.sha256(str(route).encode()).hexdigest())
    groups = min(FOLDS, len(ordered) // 2)
    for group in range(min(groups, 2)):
        yield np.isin(routes, ordered[group::groups])


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
