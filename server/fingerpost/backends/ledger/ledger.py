"""Ledger: pointers, history and audit in a database; a change and its audit entry are one transaction."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from fingerpost.backends.ledger.schema import activations, audit, audit_head, pointers
from fingerpost.backends.ledger.sqlite import corrupt, open_sqlite, telling
from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.ports import Records
from fingerpost.types import Action, Activation, AuditEntry, AuditHead, Event

_KEY_CHARACTERS = 128

Seal = Callable[[Event, str, int, AuditHead], AuditEntry]
"""Makes the entry of an event, given its key, its time in microseconds, and the head that it follows."""


class SqlLedger:
    """See `ports.Ledger`; safe to use from several threads and processes."""

    def __init__(self, path: Path, clock_us: Callable[[], int], seal: Seal) -> None:
        """Open the ledger of a data folder, which must exist.

        Args:
            path: Of its file; it is made where there is none.
            clock_us: Microseconds since the epoch.
            seal: See `release.audit.sealed`.

        Raises:
            FailedPrecondition: STORE_INCOMPATIBLE.
            DataLoss: STORE_CORRUPT.
            Unavailable, StorageFull
        """
        self._path = path
        self._clock_us = clock_us
        self._seal = seal
        self._engine = open_sqlite(path)

    def change(self, key: str, work: Callable[[Records], Event]) -> AuditEntry:
        if not 1 <= len(key) <= _KEY_CHARACTERS:
            description = f"1 to {_KEY_CHARACTERS} characters, not {len(key)}"
            raise InvalidRequest(f"key: {description}", fields=[FieldViolation("key", description)])
        with self._transaction() as connection:
            known = connection.execute(select(audit).where(audit.c.key == key)).first()
            if known is not None:
                return _entry(known)
            event = work(_Records(connection))
            entry = self._seal(event, key, self._time_us(connection), _head(connection))
            connection.execute(insert(audit).values(_row(entry)))
            connection.execute(update(audit_head).values(sequence=entry.sequence, hash=entry.hash))
            return entry

    def pointers(self) -> Sequence[Activation]:
        with self._transaction() as connection:
            return [Activation(*row) for row in connection.execute(select(pointers).order_by(pointers.c.catalog))]

    def history(self, catalog: str) -> Sequence[AuditEntry]:
        with self._transaction() as connection:
            rows = connection.execute(select(audit).where(audit.c.catalog == catalog).order_by(audit.c.sequence.desc()))
            return [_entry(row) for row in rows]

    def audit(self) -> tuple[Sequence[AuditEntry], AuditHead]:
        with self._transaction() as connection:
            rows = connection.execute(select(audit).order_by(audit.c.sequence))
            return [_entry(row) for row in rows], _head(connection)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with telling(self._path), self._engine.begin() as connection:
            try:
                yield connection
            except (ValueError, KeyError, TypeError) as error:  # a row that cannot be read
                raise corrupt(self._path) from error

    def _time_us(self, connection: Connection) -> int:
        """Now, or the last entry's time where the clock went back."""
        last = connection.execute(select(audit.c.time_us).order_by(audit.c.sequence.desc()).limit(1)).scalar()
        return max(self._clock_us(), last or 0)


class _Records:
    """See `ports.Records`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pointer(self, catalog: str) -> Activation | None:
        row = self._connection.execute(select(pointers).where(pointers.c.catalog == catalog)).first()
        return None if row is None else Activation(row.catalog, row.revision, row.generation)

    def history(self, catalog: str) -> Sequence[Activation]:
        rows = self._connection.execute(
            select(activations).where(activations.c.catalog == catalog).order_by(activations.c.generation.desc())
        )
        return [Activation(row.catalog, row.revision, row.generation) for row in rows]

    def entries(self, catalog: str, revision: str) -> Sequence[AuditEntry]:
        rows = self._connection.execute(
            select(audit).where(audit.c.catalog == catalog, audit.c.revision == revision).order_by(audit.c.sequence)
        )
        return [_entry(row) for row in rows]

    def point(self, activation: Activation) -> None:
        row = {"revision": activation.revision, "generation": activation.generation}
        if self.pointer(activation.catalog) is None:
            self._connection.execute(insert(pointers).values(catalog=activation.catalog, **row))
        else:
            self._connection.execute(update(pointers).where(pointers.c.catalog == activation.catalog).values(**row))
        self._connection.execute(insert(activations).values(catalog=activation.catalog, **row))


def _head(connection: Connection) -> AuditHead:
    row = connection.execute(select(audit_head.c.sequence, audit_head.c.hash)).one()
    return AuditHead(row.sequence, row.hash)


def _row(entry: AuditEntry) -> dict[str, Any]:
    event = entry.event
    return {
        "sequence": entry.sequence,
        "time_us": entry.time_us,
        "actor": event.actor,
        "action": str(event.action),
        "catalog": event.catalog,
        "revision": event.revision,
        "details": json.dumps(dict(event.details), sort_keys=True),
        "key": entry.key,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def _entry(row: Row[Any]) -> AuditEntry:
    details = {str(name): str(value) for name, value in json.loads(row.details).items()}
    event = Event(row.actor, Action(row.action), row.catalog, row.revision, details)
    return AuditEntry(row.sequence, row.time_us, event, row.key, row.previous_hash, row.hash)
