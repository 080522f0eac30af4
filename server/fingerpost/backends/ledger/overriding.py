"""Overriding: what people and guardrails have set in the place of what policies say, as rows."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select

from fingerpost.backends.ledger.schema import overrides
from fingerpost.types import Override


def read(connection: Connection, *which: ColumnElement[bool]) -> Sequence[Override]:
    """By catalog, kind and name; all, or those for which all the conditions hold."""
    found = [_override(row) for row in connection.execute(select(overrides).where(*which))]
    return sorted(found, key=lambda one: (one.catalog, one.kind, one.name))


def place(catalog: str, kind: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return (overrides.c.catalog == catalog, overrides.c.kind == kind, overrides.c.name == name)


def put(connection: Connection, override: Override) -> None:
    """Set it, in the place of what was set before; nobody else may do so meanwhile."""
    drop(connection, override.catalog, override.kind, override.name)
    connection.execute(
        insert(overrides).values(
            catalog=override.catalog,
            kind=override.kind,
            name=override.name,
            value=json.dumps(dict(override.value), sort_keys=True),
            actor=override.actor,
            time_us=override.time_us,
        )
    )


def drop(connection: Connection, catalog: str, kind: str, name: str) -> None:
    connection.execute(delete(overrides).where(*place(catalog, kind, name)))


def _override(row: Row[Any]) -> Override:
    value = {str(name): str(text) for name, text in json.loads(row.value).items()}
    return Override(row.catalog, row.kind, row.name, value, row.actor, row.time_us)
