"""Records: what an index inside semantic-router holds at a moment, and what becomes of it by a change."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fingerpost.bootstrap.indexing import selective_index
from fingerpost.engine_ports import SelectiveIndex
from fingerpost.types import Vectors

_Key = tuple[str, str]
"""A record's route and its utterance as text: two records never share one."""


@dataclass(frozen=True, slots=True)
class Record:
    """One utterance of a route; the utterance is mostly a text, but the library allows anything."""

    key: _Key
    utterance: Any
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, route: str, utterance: Any, metadata: Mapping[str, Any]) -> "Record":  # noqa: ANN401
        return cls((route, str(utterance)), utterance, metadata)

    @property
    def route(self) -> str:
        return self.key[0]

    @property
    def id(self) -> str:
        """The same for the same route and utterance in any process."""
        route, utterance = self.key
        return f"{route}#{hashlib.sha256(utterance.encode('utf-8', 'surrogatepass')).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Records:
    """Records in the order in which they were first added, by row, and their vectors.

    Nothing in it ever changes, so whoever has it can read and search it without a lock.
    """

    dim: int | None = None  # of the vectors, also when the last was taken out; None: there never were any
    rows: tuple[Record, ...] = ()
    places: Mapping[_Key, int] = field(default_factory=dict)  # row of each key
    route_rows: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)  # ascending rows of each route
    index: SelectiveIndex | None = None  # None: there are no records

    def with_added(self, records: Sequence[Record], vectors: Vectors) -> "Records":
        """As these, with more: a record that is there already gets the new vector and metadata and keeps its row.

        Args:
            records: n; of several with the same key the last counts.
            vectors: Shape (n, dim), float32, unit rows.
        """
        rows, places = list(self.rows), dict(self.places)
        targets = np.empty(len(records), dtype=np.int64)
        for number, record in enumerate(records):
            targets[number] = place = places.setdefault(record.key, len(rows))
            rows[place : place + 1] = (record,)
        matrix = np.empty((len(rows), vectors.shape[1]), dtype=np.float32)
        if self.index is not None:
            matrix[: len(self.rows)] = self.index.vectors
        matrix[targets] = vectors  # of several for the same row the last stays
        return _records(rows, matrix, places)

    def without(self, route: str) -> "Records":
        """As these, less the records of a route."""
        if self.index is None or route not in self.route_rows:
            return self
        rows = [record for record in self.rows if record.key[0] != route]
        kept = np.delete(self.index.vectors, self.route_rows[route], axis=0)
        return _records(rows, kept, {record.key: row for row, record in enumerate(rows)})

    def rows_of(self, routes: Sequence[str]) -> NDArray[np.int64]:
        """Ascending rows of the routes; those that there are not have none."""
        found = [self.route_rows[route] for route in dict.fromkeys(routes) if route in self.route_rows]
        return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)


def _records(rows: Sequence[Record], vectors: Vectors, places: Mapping[_Key, int]) -> Records:
    by_route: dict[str, list[int]] = {}
    for row, record in enumerate(rows):
        by_route.setdefault(record.key[0], []).append(row)
    return Records(
        dim=vectors.shape[1],
        rows=tuple(rows),
        places=places,
        route_rows={route: np.array(own, dtype=np.int64) for route, own in by_route.items()},
        index=selective_index(vectors) if len(rows) else None,
    )
