"""Writing: many rows at once, in words that both engines understand."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Row, Table
from sqlalchemy.dialects import postgresql, sqlite

_CHUNK = 500
"""Rows or values of a statement: few enough for every limit of an engine, and for its time."""

Item = TypeVar("Item")


def chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """All of them, in their order, so many as a statement takes at a time."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def insert_new(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *columns: Column[Any]
) -> Sequence[Row[Any]]:
    """Insert those that are not there yet; columns of these.

    A row of the same key that another transaction has inserted and not committed is waited for. Who inserts several
    must do so in the order of their keys, or two could wait for one another.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing().returning(*columns)
    return [row for some in chunks(rows) for row in connection.execute(statement, list(some))]
