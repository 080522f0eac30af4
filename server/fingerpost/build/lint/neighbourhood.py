"""Neighbourhood: of each text, the nearest other one of its own group and of all the others; block by block.

All similarities of n texts are n x n numbers, which do not fit into memory for large n; only one block of rows exists
at a time on each thread.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.ports import Progress
from fingerpost.types import Vectors, VoteParameters

BLOCK_NUMBERS = 1 << 23
"""Similarities of a block: 32 MiB."""

NOTHING = -1
"""Row where there is no such text."""

_NOT_ITSELF = -2.0  # below every cosine


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """Of m asked texts, each left out of what it is compared with; arrays of m."""

    asked: NDArray[np.int64]  # rows
    own: NDArray[np.int64]  # row of the nearest other text of the same group, or NOTHING
    own_similarity: NDArray[np.float32]  # [-1, 1]; less than -1 where there is none
    other: NDArray[np.int64]  # row of the nearest text of any other group, or NOTHING
    other_similarity: NDArray[np.float32]
    voted: NDArray[np.int64]  # group with the most votes, where another group is the nearer one; else the own group
    lead: NDArray[np.float64]  # [0, 1]; share of the votes by which that group leads the own one; else 0


def neighbourhood(
    vectors: Vectors,
    groups: NDArray[np.int64],
    asked: NDArray[np.int64],
    vote: VoteParameters,
    progress: Progress,
    block_numbers: int = BLOCK_NUMBERS,
) -> Neighbourhood:
    """Compare texts with all others.

    Args:
        vectors: Shape (n, dim), float32, unit rows.
        groups: Shape (n,); whose each text is. Texts of a group stand together.
        asked: Rows to compare, ascending.
        vote: How the nearest vote; see `serve.score`.
        progress: Advances by the number of rows done.
        block_numbers: Similarities to be held at once on each thread; any number gives the same result, but for the
            last digits of a similarity.
    """
    if not len(asked):
        none, zero = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        return Neighbourhood(asked, none, zero, none, zero, none, zero.astype(np.float64))
    rows = max(1, block_numbers // len(vectors))
    blocks = [asked[start : start + rows] for start in range(0, len(asked), rows)]
    ground = _Ground(vectors, _spans(groups), vote)
    parts = []
    with ThreadPoolExecutor(min(len(blocks), os.cpu_count() or 1)) as threads:  # a product leaves the interpreter free
        for block, part in zip(blocks, threads.map(ground.compare, blocks), strict=True):
            parts.append(part)
            progress.advance(len(block))
    return Neighbourhood(asked, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def pairs_above(asked: Vectors, vectors: Vectors, floor: float) -> Iterator[tuple[int, int, float]]:
    """For each asked text its nearest one, where that is at least so similar: (asked, nearest, similarity).

    Args:
        asked: Shape (m, dim), float32, unit rows.
        vectors: Shape (n, dim), likewise.
        floor: [-1, 1].
    """
    if not len(vectors):
        return
    rows = max(1, BLOCK_NUMBERS // len(vectors))
    for start in range(0, len(asked), rows):
        similarities = asked[start : start + rows] @ vectors.T
        nearest = similarities.argmax(axis=1)
        for place, row in enumerate(nearest.tolist()):
            if similarities[place, row] >= floor:
                yield start + place, row, float(similarities[place, row])


def _spans(groups: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Group, first row and last row plus one of each stretch."""
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    stops = [*starts[1:].tolist(), len(groups)]
    return list(zip(groups[starts].tolist(), starts.tolist(), stops, strict=True))


_Part = tuple[
    NDArray[np.int64],
    NDArray[np.float32],
    NDArray[np.int64],
    NDArray[np.float32],
    NDArray[np.int64],
    NDArray[np.float64],
]


class _Ground:
    """What the blocks share."""

    def __init__(self, vectors: Vectors, spans: Sequence[tuple[int, int, int]], vote: VoteParameters) -> None:
        self._vectors = vectors
        self._spans = spans
        self._groups = np.array([group for group, _, _ in spans], dtype=np.int64)
        self._starts = np.array([start for _, start, _ in spans], dtype=np.int64)
        self._span_of = np.repeat(np.arange(len(spans)), [stop - start for _, start, stop in spans])
        self._vote = vote

    def compare(self, rows: NDArray[np.int64]) -> _Part:
        similarities = self._vectors[rows] @ self._vectors.T
        places, spans = np.arange(len(rows)), self._span_of[rows]
        similarities[places, rows] = _NOT_ITSELF
        nearest = np.maximum.reduceat(similarities, self._starts, axis=1)  # of each group
        own_similarity = nearest[places, spans]
        nearest[places, spans] = _NOT_ITSELF
        rivals = nearest.argmax(axis=1)
        other_similarity = nearest[places, rivals]
        own, other = self._rows(similarities, spans, own_similarity), self._rows(similarities, rivals, other_similarity)
        voted, lead = self._groups[spans], np.zeros(len(rows))
        for place in np.flatnonzero(other_similarity > own_similarity).tolist():
            voted[place], lead[place] = self._votes(similarities[place], int(spans[place]))
        return own, own_similarity, other, other_similarity, voted, lead

    def _rows(
        self, similarities: NDArray[np.float32], spans: NDArray[np.int64], nearest: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        """Which row of its span is the nearest one of each text."""
        found = np.full(len(spans), NOTHING, dtype=np.int64)
        for place in np.flatnonzero(nearest > _NOT_ITSELF).tolist():
            _, start, stop = self._spans[spans[place]]
            found[place] = start + similarities[place, start:stop].argmax()
        return found

    def _votes(self, similarities: NDArray[np.float32], own: int) -> tuple[int, float]:
        """The group that the nearest vote for, and its lead on the own one."""
        count = min(self._vote.neighbours, len(similarities) - 1)
        near = np.argpartition(similarities, -count)[-count:]
        weights = np.exp((similarities[near] - similarities[near].max()) / self._vote.temperature)
        votes = np.bincount(self._span_of[near], weights, len(self._spans))
        best = int(votes.argmax())
        return int(self._groups[best]), float((votes[best] - votes[own]) / votes.sum())
