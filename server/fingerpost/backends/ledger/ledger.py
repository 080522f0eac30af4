"""Ledger: pointers, what is set by hand, and the audit in a database; a change and its entry are one transaction."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from fingerpost.backends.ledger import overriding
from fingerpost.backends.ledger.accounts import clear
from fingerpost.backends.ledger.database import Database
from fingerpost.backends.ledger.schema import activations, audit, audit_head, pointers, secrets
from fingerpost.backends.ledger.writing import insert_new
from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.failpoints import Step, reached
from fingerpost.ports import Records
from fingerpost.types import Action, Activation, AuditEntry, AuditHead, Event, Override, Standing

_KEY_CHARACTERS = 128
_PAGE_ENTRIES = 5_000
_BEFORE_ALL = -(2**63)  # whatever somebody else may have put there

Seal = Callable[[Event, str, int, AuditHead], AuditEntry]
"""Makes the entry of an event, given its key, its time in microseconds, and the head that it follows."""


class SqlLedger:
    """See `ports.Ledger`; safe to use from several threads and processes."""

    def __init__(self, database: Database, clock_us: Callable[[], int], seal: Seal) -> None:
        """Use an open database; whoever opened it closes it.

        Args:
            database: See `opening.open_database`.
            clock_us: Microseconds since the epoch.
            seal: See `release.audit.sealed`.
        """
        self._database = database
        self._clock_us = clock_us
        self._seal = seal

    def change(self, key: str, work: Callable[[Records], Event]) -> AuditEntry:
        if not 1 <= len(key) <= _KEY_CHARACTERS or not key.isprintable():
            description = f"1 to {_KEY_CHARACTERS} printable characters"
            raise InvalidRequest(f"key: {description}", fields=[FieldViolation("key", description)])

        def change(connection: Connection) -> AuditEntry:
            head = _head(connection, lock=True)  # first: who else changes is done by then, this key's last attempt too
            known = connection.execute(select(audit).where(audit.c.key == key)).first()
            if known is not None:
                return _entry(known)
            reached(Step.LEDGER_LOCKED)
            event = work(_Records(connection))
            reached(Step.LEDGER_WORKED)
            entry = self._seal(event, key, self._time_us(connection), head)
            connection.execute(insert(audit).values(_row(entry)))
            connection.execute(update(audit_head).values(sequence=entry.sequence, hash=entry.hash))
            reached(Step.LEDGER_WRITTEN)
            return entry

        entry = self._database.change(change)
        reached(Step.LEDGER_COMMITTED)
        return entry

    def pointers(self) -> Sequence[Activation]:
        def read(connection: Connection) -> Sequence[Activation]:
            return [Activation(*row) for row in connection.execute(select(pointers).order_by(pointers.c.catalog))]

        return self._database.read(read)

    def history(self, catalog: str) -> Sequence[AuditEntry]:
        def read(connection: Connection) -> Sequence[AuditEntry]:
            rows = connection.execute(select(audit).where(audit.c.catalog == catalog).order_by(audit.c.sequence.desc()))
            return [_entry(row) for row in rows]

        return self._database.read(read)

    def audit(self) -> tuple[Sequence[AuditEntry], AuditHead]:
        return self._database.read(lambda connection: (_audit(connection), _head(connection)))

    def overrides(self) -> Sequence[Override]:
        return self._database.read(overriding.read)

    def secret(self, name: str, proposed: bytes) -> bytes:
        known = self._database.read(lambda connection: _secret(connection, name))
        return self._database.change(lambda connection: _share(connection, name, proposed)) if known is None else known

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

    def head(self) -> AuditHead:
        return _head(self._connection)

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

    def override(self, catalog: str, kind: str, name: str) -> Override | None:
        found = overriding.read(self._connection, *overriding.place(catalog, kind, name))
        return found[0] if found else None

    def put_override(self, override: Override) -> None:
        overriding.put(self._connection, override)

    def drop_override(self, catalog: str, kind: str, name: str) -> None:
        overriding.drop(self._connection, catalog, kind, name)

    def clear_account(self, account: int) -> Standing:
        return clear(self._connection, account)


def _secret(connection: Connection, name: str) -> bytes | None:
    found = connection.execute(select(secrets.c.value).where(secrets.c.name == name)).scalar()
    return None if found is None else bytes(found)


def _share(connection: Connection, name: str, proposed: bytes) -> bytes:
    insert_new(connection, secrets, [{"name": name, "value": proposed}], secrets.c.name)
    return bytes(connection.execute(select(secrets.c.value).where(secrets.c.name == name)).scalar_one())


def _head(connection: Connection, *, lock: bool = False) -> AuditHead:
    query = select(audit_head.c.sequence, audit_head.c.hash)
    row = connection.execute(query.with_for_update() if lock else query).one()
    return AuditHead(row.sequence, row.hash)


def _audit(connection: Connection) -> Sequence[AuditEntry]:
    """All entries, page by page: no statement takes longer the longer the audit is."""
    entries: list[AuditEntry] = []
    last = _BEFORE_ALL
    while rows := connection.execute(
        select(audit).where(audit.c.sequence > last).order_by(audit.c.sequence).limit(_PAGE_ENTRIES)
    ).all():
        entries.extend(map(_entry, rows))
        last = rows[-1].sequence
    return entries


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
