"""FaissIndex: in the place of semantic-router's LocalIndex, with FAISS."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PrivateAttr
from semantic_router.index.base import SR_ROUTE, SR_UTTERANCE, BaseIndex, IndexConfig, check_records
from semantic_router.schema import SparseEmbedding

from fingerpost.integrations.semantic_router.records import Record, Records
from fingerpost.types import Neighbour, Vector, Vectors

_QUICK_NUMBERS = 1_000_000
"""A search over so many numbers takes about as long as the way to another thread and back."""


class FaissIndex(BaseIndex):  # type: ignore[misc]  # the library is not typed for us
    """An exact index of cosines for semantic-router 1.x, in memory.

    It finds what the library's LocalIndex finds. Of equal scores the record counts as nearer that was added first;
    LocalIndex leaves that open. Searches need no lock and see one state from their beginning to their end, whatever is
    added or deleted meanwhile: a change makes a new state beside the old one and swaps one reference. It copies all
    vectors, so add many records in one call.

    Vectors need not have unit length; they are scaled once, when they are added. All must have the same dimension, that
    of `dimensions` where it is given, else that of the first. A vector that is all zeros or not finite has no cosine
    and is refused. Wrong input raises ValueError, as elsewhere in the library, and changes nothing.
    """

    type: str = "faiss"
    _records: Records = PrivateAttr(default_factory=Records)
    _writing: threading.Lock = PrivateAttr(default_factory=threading.Lock)  # one change at a time; readers never wait

    def add(
        self,
        embeddings: Sequence[Sequence[float]] | NDArray[Any],
        routes: list[str],
        utterances: list[Any],
        metadata_list: list[dict[str, Any]] | None = None,
        sparse_embeddings: list[SparseEmbedding] | None = None,
        **kwargs: Any,  # noqa: ANN401  the library's signature
    ) -> None:
        """Add n records or replace them: a route and an utterance, as text, make the same record again.

        Raises:
            ValueError: the lists differ in length, a vector cannot be used, or there are sparse ones.
        """
        if sparse_embeddings is not None:
            raise ValueError("FaissIndex holds dense vectors alone: use HybridLocalIndex for sparse ones")
        metadata = check_records(embeddings, routes, utterances, metadata_list)
        if not len(routes):
            return
        given = map(Record.of, routes, utterances, metadata)
        vectors = _unit_rows(embeddings)
        with self._writing:
            self._check_dimension(vectors.shape[1], self._records, "the vectors to add")
            self._records = self._records.with_added(list(given), vectors)

    async def aadd(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  those of `add`
        """As `add`, in a thread."""
        await asyncio.to_thread(self.add, *args, **kwargs)

    def query(
        self,
        vector: NDArray[Any],
        top_k: int = 5,
        route_filter: list[str] | None = None,
        sparse_vector: dict[int, float] | SparseEmbedding | None = None,
    ) -> tuple[NDArray[np.float64], list[str]]:
        """The nearest records' cosines and routes, the nearest last, as the library's own index gives them.

        Args:
            vector: Shape (dim,), of any length.
            top_k: At least 1; all are found when there are fewer.
            route_filter: Routes to look among; unknown ones have no records.
            sparse_vector: Not looked at: there are dense vectors alone.

        Raises:
            ValueError: nothing was ever added, no route of the filter has records, or the vector cannot be used. Where
                the last record was deleted nothing is found.
        """
        records = self._records
        return _search(records, self._unit(vector, records), top_k, route_filter)

    async def aquery(
        self,
        vector: NDArray[Any],
        top_k: int = 5,
        route_filter: list[str] | None = None,
        sparse_vector: dict[int, float] | SparseEmbedding | None = None,
    ) -> tuple[NDArray[np.float64], list[str]]:
        """As `query`; a search that takes longer than the way to a thread goes there, and leaves the loop free."""
        records = self._records
        asked = (records, self._unit(vector, records), top_k, route_filter)
        if len(records.rows) * (records.dim or 0) <= _QUICK_NUMBERS:
            return _search(*asked)
        return await asyncio.to_thread(_search, *asked)

    def delete(self, route_name: str) -> None:
        """Delete the records of a route; one that is not there changes nothing."""
        self._delete(route_name)

    async def adelete(self, route_name: str) -> list[str]:
        """As `delete`, in a thread; gives the ids of the records that were deleted."""
        return await asyncio.to_thread(self._delete, route_name)

    def delete_all(self) -> None:
        """Delete all records; afterwards vectors of another dimension may be added, unless `dimensions` was given."""
        with self._writing:
            self._records = Records()

    def delete_index(self) -> None:
        """As `delete_all`."""
        self.delete_all()

    async def adelete_index(self) -> None:
        """As `delete_all`."""
        self.delete_all()

    def describe(self) -> IndexConfig:
        """Type, dimension (0 before there is one) and number of records."""
        records = self._records
        return IndexConfig(type=self.type, dimensions=records.dim or self.dimensions or 0, vectors=len(records.rows))

    def is_ready(self) -> bool:
        """Whether it can be searched: something was added since the start or the last `delete_all`."""
        return self._records.dim is not None

    async def ais_ready(self) -> bool:
        """As `is_ready`."""
        return self.is_ready()

    def __len__(self) -> int:
        return len(self._records.rows)

    def _get_all(
        self, prefix: str | None = None, include_metadata: bool = False
    ) -> tuple[list[str], list[dict[str, Any]]]:
        """Ids that begin so, and what the library makes utterances and routes of."""
        records = [record for record in self._records.rows if not prefix or record.id.startswith(prefix)]
        return [record.id for record in records], [_metadata(record) for record in records] if include_metadata else []

    async def _async_get_all(
        self, prefix: str | None = None, include_metadata: bool = False
    ) -> tuple[list[str], list[dict[str, Any]]]:
        return self._get_all(prefix, include_metadata)

    def _delete(self, route: str) -> list[str]:
        with self._writing:
            before = self._records
            self._records = before.without(route)
        return [before.rows[row].id for row in before.rows_of([route])]

    def _unit(self, vector: NDArray[Any], records: Records) -> Vector:
        given = np.asarray(vector)
        if given.ndim != 1:
            raise ValueError(f"a query is one vector of shape (dim,), not {given.shape}")
        self._check_dimension(len(given), records, "the query")
        unit: Vector = _unit_rows(given[np.newaxis])[0]
        return unit

    def _check_dimension(self, found: int, records: Records, what: str) -> None:
        wanted = self.dimensions or records.dim
        if wanted and found != wanted:
            raise ValueError(
                f"{what}: {found} numbers a vector, but the index has {wanted}: use the encoder that it was made with"
            )


def _search(
    records: Records, vector: Vector, top_k: int, route_filter: list[str] | None
) -> tuple[NDArray[np.float64], list[str]]:
    if top_k < 1:
        raise ValueError(f"top_k is at least 1, not {top_k}")
    if records.dim is None:
        raise ValueError("the index holds no records: add routes first")
    rows = None if route_filter is None else records.rows_of(route_filter)
    if rows is not None and not len(rows):
        raise ValueError("no routes match route_filter: the index holds no records of them")
    found: list[Neighbour] = records.index.nearest(vector, top_k, rows)[::-1] if records.index else []
    scores = np.array([neighbour.similarity for neighbour in found])
    return scores, [records.rows[neighbour.exemplar].route for neighbour in found]


def _unit_rows(embeddings: Sequence[Sequence[float]] | NDArray[Any]) -> Vectors:
    """Scaled to unit length: shape (n, dim), float32.

    Raises:
        ValueError: they differ in length, hold no numbers, or one has no direction.
    """
    try:
        rows = np.array(embeddings, dtype=np.float64)  # a copy, to be scaled in place
    except (TypeError, ValueError) as error:
        raise ValueError("the vectors must be numbers, and as many in each") from error
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"n vectors have the shape (n, dim), not {rows.shape}")
    with np.errstate(over="ignore"):  # what is too large to be squared is refused below
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0.0))
    if len(bad):
        raise ValueError(f"vector {bad[0]} is all zeros or not finite, so it has no cosine")
    rows /= lengths[:, np.newaxis]
    return rows.astype(np.float32)


def _metadata(record: Record) -> dict[str, Any]:
    return {**record.metadata, SR_ROUTE: record.route, SR_UTTERANCE: record.utterance}
