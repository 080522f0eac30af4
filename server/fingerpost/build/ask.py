"""Ask: which texts would teach most if a person told their routes?

A text is worth asking for what it says of others: those that are alike and as little known. So the choice is greedy
facility location over all texts, each weighing what is not known of it, starting from what the utterances cover
(Nemhauser et al. 1978; Wei, Iyer & Bilmes 2015, "Submodularity in Data Subset Selection and Active Learning"):
uncertain texts, in dense places, none like another. See docs/decisions/0015-suggestions.md.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Vectors

MAX_CANDIDATES = 4_000
"""The least known texts that are compared with each other: their similarities take 64 MB."""

_LOCAL = 4.0  # power of the similarity: what is told of a text says little of one that is but a bit alike


def choose(
    vectors: Vectors, uncertainty: NDArray[np.float64], weights: NDArray[np.float64], known: Vectors, count: int
) -> list[int]:
    """Rows to ask for, the most telling first.

    Args:
        vectors: Shape (n, dim), float32, unit rows.
        uncertainty: Shape (n,), [0, 1].
        weights: Shape (n,), above 0: how much each text matters, as by how often it was asked.
        known: Shape (m, dim): the utterances, maybe none.
        count: At least 1; all are chosen where there are no more.
    """
    worth = uncertainty * weights
    most = max(MAX_CANDIDATES, count)
    rows = np.sort(np.argsort(-worth, kind="stable")[:most])
    picked = list(_cover(vectors[rows], worth[rows], known, min(count, len(rows))))
    return [int(rows[place]) for place in picked]


def _cover(vectors: Vectors, worth: NDArray[np.float64], known: Vectors, count: int) -> Iterator[int]:
    similarities = _local(vectors @ vectors.T)
    covered = _local((vectors @ known.T).max(axis=1)) if len(known) else np.zeros(len(vectors), dtype=np.float32)
    left = np.ones(len(vectors), dtype=bool)
    weights = worth.astype(np.float32)
    for _ in range(count):
        gains = weights @ np.maximum(similarities - covered[:, None], 0.0)
        best = int(np.argmax(np.where(left, gains, -1.0)))
        left[best] = False
        covered = np.maximum(covered, similarities[best])
        yield best


def _local(similarities: Vectors) -> Vectors:
    local: Vectors = np.maximum(similarities, 0.0) ** np.float32(_LOCAL)
    return local
