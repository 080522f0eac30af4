"""PostgreSQL: the ledger of many machines, opened so that nothing waits for long and no change is made twice."""

import time
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.waiting import Ready, Wait
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool, QueuePool

from fingerpost.backends.ledger.address import Address, parse
from fingerpost.backends.ledger.database import ConnectionLost, Database
from fingerpost.backends.ledger.migrating import is_current, layout_of, migrate
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition, FingerpostError, StorageFull, Unavailable

_CONNECTIONS = 4
_POOL_WAIT_SECONDS = 0.5

_SESSION = {"statement_timeout": 500, "lock_timeout": 500, "idle_in_transaction_session_timeout": 10_000}
"""Milliseconds. The last one: who stops in the middle of a change, as on a laptop that sleeps, does not stop others."""

_SILENCE_SECONDS = 1.0
"""After it a server that says nothing is given up: its own timeouts do not work when it, or the network, hangs."""

_MIGRATION_MS = 60_000
_MIGRATION_LOCK = 7_310_583_429_461_046_131  # ours by chance; locks of this kind are a database's own
_LOOK_SECONDS = 0.05

_READING = {"isolation_level": "REPEATABLE READ"}  # several statements see one state

_RESTORE = (
    "was an older backup restored? Put a later one in its place; or, to go on with what it holds, remove that file on "
    "each machine"
)

# A commit ends by the server's word or not at all: a statement's timeout would end the wait for the standbys, and the
# server would call done what only it knows. Nor may a change that was told be lost by a crash.
_BEFORE_COMMIT = text(
    "SELECT set_config('statement_timeout', '0', true), CASE current_setting('synchronous_commit') "
    "WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END"
)


def open_postgres(url: str, connections: int = _CONNECTIONS) -> Database:
    """The database behind a URL as libpq reads it, its layout brought up to date.

    Args:
        url: With several hosts the one is used that can be written.
        connections: At a time, at most; who finds none free waits for 0.5 s.

    Raises:
        InvalidRequest: that is no such URL.
        FailedPrecondition: STORE_INCOMPATIBLE, made by a newer program, or nothing where tables can be made.
        DataLoss, Unavailable, StorageFull
    """
    address = parse(url)
    engine = _engine(lambda: _connect(address, _SESSION, _SILENCE_SECONDS), connections)
    database = _database(address, engine)
    try:
        if not is_current(database.read(layout_of)):
            _bring_up_to_date(address)
    except BaseException:
        engine.dispose()
        raise
    return database


class PatientConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose patience ends."""

    silence_seconds = _SILENCE_SECONDS

    def wait(self, gen: PQGen[RV], interval: float = _LOOK_SECONDS, timeout: float | None = None) -> RV:
        """As the driver does, but give up a server that says nothing, and with it the connection."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        return super().wait(self._answered(gen), min(interval, _LOOK_SECONDS))

    def _answered(self, gen: PQGen[RV]) -> Generator[Wait, Ready | int, RV]:
        ends = time.monotonic() + self.silence_seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    ends = time.monotonic() + self.silence_seconds
                elif time.monotonic() > ends:
                    self.close()
                    raise psycopg.OperationalError(f"no answer for {self.silence_seconds:g} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            result: RV = done.value
            return result


def _connect(address: Address, settings: Mapping[str, int], silence_seconds: float) -> PatientConnection:
    # Statements are few and short: to prepare them pays little, and a pooler between may not know them.
    connection = PatientConnection.connect(address.conninfo(**settings), prepare_threshold=None)
    connection.silence_seconds = silence_seconds
    return connection


def _engine(connect: Callable[[], PatientConnection], connections: int) -> Engine:
    options: dict[str, Any] = {"poolclass": NullPool}
    if connections:
        bounds = {"pool_size": connections, "max_overflow": 0, "pool_timeout": _POOL_WAIT_SECONDS}
        options = {"poolclass": QueuePool, **bounds}
    engine = create_engine("postgresql+psycopg://", creator=connect, isolation_level="READ COMMITTED", **options)
    event.listen(engine, "handle_error", _leave_standby)
    return engine


def _leave_standby(context: ExceptionContext) -> None:
    """What can only be read is no good, and nor are connections that were made with it: the next one looks anew."""
    if isinstance(context.original_exception, psycopg.errors.ReadOnlySqlTransaction):
        context.is_disconnect = True


def _database(address: Address, engine: Engine) -> Database:
    return Database(
        name=f"the ledger in PostgreSQL ({address.shown})",
        engine=engine,
        told=partial(_told, address),
        corrupt=partial(_corrupt, address),
        restore=_RESTORE,
        before_commit=lambda connection: connection.execute(_BEFORE_COMMIT).close(),
        reading=_READING,
    )


def _bring_up_to_date(address: Address) -> None:
    """In one transaction, which programs that start at the same time wait for."""
    settings = {"statement_timeout": _MIGRATION_MS, "lock_timeout": _MIGRATION_MS}
    engine = _engine(lambda: _connect(address, settings, 2 * _MIGRATION_MS / 1000), connections=0)

    def work(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK}).close()
        migrate(connection)

    _database(address, engine).change(work)


_BUSY = "is busy: another change takes long, repeat"
_WORDS = {
    "40001": _BUSY,
    "40P01": _BUSY,
    "42501": "does not let its user in: grant what is missing",
    "53300": "has too many connections: repeat",
    "55P03": _BUSY,
    "57014": _BUSY,
}
_NOT_OURS = {"3F000", "42P01", "42703"}  # schema, table or column that is not there
_DAMAGED = {"XX001", "XX002"}
_LOST = ("08", "57P", "25P03", "25006")  # the last one: what can only be read, as a standby


def _told(address: Address, error: SQLAlchemyError) -> FingerpostError | None:
    name = f"the ledger in PostgreSQL ({address.shown})"
    if isinstance(error, PoolTimeout):
        return Unavailable(f"{name} is busy: all connections are in use, repeat", ErrorReason.STORE_UNAVAILABLE)
    if not isinstance(error, DBAPIError) or not isinstance(error.orig, psycopg.Error):
        return None
    state = error.orig.sqlstate or ""
    if state == "53100":
        return StorageFull("no room left in the ledger's database: free some space and repeat")
    if state in _DAMAGED:
        return _corrupt(address)
    if state in _NOT_OURS:
        return FailedPrecondition(
            f"{name} has not the tables that it should have: restore it, or give an empty database",
            ErrorReason.STORE_INCOMPATIBLE,
        )
    if state in _WORDS:
        return Unavailable(f"{name} {_WORDS[state]}", ErrorReason.STORE_UNAVAILABLE)
    if state.startswith(_LOST) or (not state and isinstance(error.orig, psycopg.OperationalError)):
        cause = address.without_secret(str(error.orig).strip().partition("\n")[0])
        return ConnectionLost(f"{name} cannot be reached: {cause}")
    return None


def _corrupt(address: Address) -> DataLoss:
    return DataLoss(
        f"the ledger in PostgreSQL ({address.shown}) is damaged: servers go on with what they serve. Restore a backup",
        ErrorReason.STORE_CORRUPT,
    )
