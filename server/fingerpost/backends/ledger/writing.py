"""Writing: many rows at once, in words that both engines understand."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Row, Table, bindparam, func, select
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
    """Insert those that are not there yet; columns of these. All rows have the same names.

    A row of the same key that another transaction has inserted and not committed is waited for. Who inserts several
    must do so in the order of their keys, or two could wait for one another.
    """
    if not rows:
        return []
    postgres = connection.dialect.name == "postgresql"
    found: list[Row[Any]] = []
    for some in chunks(rows):
        if postgres:
            statement, values = _from_arrays(table, list(some[0])), _arrays(some)
            found += connection.execute(statement.on_conflict_do_nothing().returning(*columns), values)
        else:
            found += connection.execute(
                sqlite.insert(table).on_conflict_do_nothing().returning(*columns), [dict(row) for row in some]
            )
    return found


def _from_arrays(table: Table, names: Sequence[str]) -> postgresql.Insert:
    """One array a column: a parameter a value takes PostgreSQL longer than the work."""
    arrays = [bindparam(name, type_=postgresql.ARRAY(table.c[name].type)) for name in names]
    rows = func.unnest(*arrays).table_valued(*names).render_derived(name="new")
    return postgresql.insert(table).from_select(names, select(*(rows.c[name] for name in names)))


def _arrays(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}
