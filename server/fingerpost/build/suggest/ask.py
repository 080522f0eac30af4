"""Ask: which texts would teach most if a person told their routes?

A text is worth asking for what it says of others: those that are alike and as little known. So the choice is greedy
facility location (`build.suggest.cover`) over all texts, each weighing what is not known of it, starting from what the
utterances cover: uncertain texts, in dense places, none like another. It follows Wei, Iyer & Bilmes (2015,
"Submodularity in Data Subset Selection and Active Learning"); see docs/decisions/0015-suggestions.md.
"""

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.suggest.cover import cover
from fingerpost.types import Vectors

MAX_CANDIDATES = 4_000
"""The least known texts that are compared with each other: their similarities take 64 MB."""


def choose(
    vectors: Vectors, uncertainty: NDArray[np.float64], weights: NDArray[np.float64], known: Vectors, count: int
) -> list[int]:
    """Rows to ask for, the most telling first.

    Args:
        vectors: Shape (n, dim), float32, unit rows.
        uncertainty: Shape (n,), [0, 1].
        weights: Shape (n,), above 0: how much each text matters, as by how often it was asked.
        known: Shape (m, dim): the utterances, maybe none.
        count: 1 to `MAX_CANDIDATES`; all are chosen where there are no more.
    """
    worth = uncertainty * weights
    rows = np.sort(np.argsort(-worth, kind="stable")[:MAX_CANDIDATES])
    near = vectors[rows]
    covered = _local((near @ known.T).max(axis=1)) if len(known) else np.zeros(len(rows), dtype=np.float32)
    picked = cover(_local(near @ near.T), worth[rows].astype(np.float32), covered)
    return [int(rows[place]) for place, _ in islice(picked, count)]


def _local(similarities: Vectors) -> Vectors:
    """The fourth power: what is told of a text says little of one that is but a bit alike."""
    squared = np.maximum(similarities, 0.0) ** 2
    squared *= squared
    return squared
