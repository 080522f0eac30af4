"""Index: vectors become a searchable index, as bytes; which kind, their number and what it finds decide.

Nothing is timed, so that the same vectors give the same index on any machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from fingerpost.build.report import Indexed
from fingerpost.engine_ports import IndexEngine, VectorIndex
from fingerpost.errors import InternalError
from fingerpost.types import Neighbour, Vectors

MIN_RECALL = 0.995
"""Share of the true nearest neighbours that an index must find."""

_ASKED = 300  # vectors that an index is tried with
_SEED = 20_240
_BLOCK = 100  # vectors whose products with all others are held at once
_SAME = 1e-5  # by how much the same product of float32 vectors may differ

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """An index that was tried."""

    data: bytes
    index: VectorIndex
    indexed: Indexed


def build_index(vectors: Vectors, engines: Sequence[IndexEngine], neighbours: int) -> BuiltIndex:
    """The index of the first engine that suits the vectors and finds what is near in them.

    Each vector of a sample must find itself first, and of its nearest neighbours at least MIN_RECALL, with their
    very similarities.

    Args:
        vectors: Shape (n, dim), float32, unit rows; n may be 0.
        engines: In the order to be tried.
        neighbours: That searches ask for.

    Raises:
        InternalError: no engine's index holds what was put in.
    """
    sample = _Sample.of(vectors, neighbours)
    for engine in engines:
        if not engine.suits(*vectors.shape):
            continue
        data = engine.build(vectors)
        index = engine.open(data)
        recall = sample.recall(index)
        if recall >= MIN_RECALL:
            return BuiltIndex(data, index, Indexed(engine.kind, dict(engine.settings), recall))
        _log.warning("index_refused", kind=engine.kind, **engine.settings, recall=recall, required=MIN_RECALL)
    raise InternalError(f"no index of {len(vectors)} vectors finds what is in it")


@dataclass(frozen=True, slots=True)
class _Sample:
    """Vectors to ask an index for, and how near what it must find is."""

    vectors: Vectors
    rows: NDArray[np.int64]
    neighbours: int  # beside the vector itself
    farthest: NDArray[np.float32]  # similarity of the last true neighbour of each

    @classmethod
    def of(cls, vectors: Vectors, neighbours: int) -> "_Sample":
        size = len(vectors)
        rows = np.sort(np.random.default_rng(_SEED).choice(size, min(size, _ASKED), replace=False))
        neighbours = min(neighbours, max(size - 1, 0))
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
        farthest = [_nearest(vectors[block] @ vectors.T, neighbours + 1) for block in blocks]
        return cls(vectors, rows, neighbours, np.concatenate([np.empty(0, np.float32), *farthest]))

    def recall(self, index: VectorIndex) -> float:
        """Share of the true neighbours that are found; 0 when something is found that is not there, or not itself."""
        if (index.size, index.dim) != self.vectors.shape:
            return 0.0
        found = [index.search(self.vectors[row], self.neighbours + 1) for row in self.rows]
        if not all(map(self._is_true, self.rows, found)):
            return 0.0
        near = [
            sum(n.similarity >= last - _SAME for n in neighbours) - 1  # less the vector itself
            for neighbours, last in zip(found, self.farthest.tolist(), strict=True)
        ]
        wanted = self.neighbours * len(near)
        return sum(near) / wanted if wanted else 1.0

    def _is_true(self, row: int, found: Sequence[Neighbour]) -> bool:
        """Whether the similarities are so, each neighbour comes once and the vector itself, or its equal, first."""
        vector, ids = self.vectors[row], [n.exemplar for n in found]
        if not ids or len(set(ids)) < len(ids):
            return False
        told, true = np.array([n.similarity for n in found]), self.vectors[ids] @ vector
        return bool(np.abs(told - true).max() <= _SAME and told[0] >= vector @ vector - _SAME)


def _nearest(similarities: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Each row's similarity of place `count`, the highest being the first."""
    last = similarities.shape[1] - count
    return np.partition(similarities, last, axis=1)[:, last]
