"""Pointers of a data folder, as commands have them, with the ledger in either database."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from fingerpost.backends.file_store import FileActivationStore
from fingerpost.backends.ledger.database import Database
from fingerpost.backends.ledger.ledger import SqlLedger
from fingerpost.backends.ledger.opening import open_database
from fingerpost.backends.ledger.reports import SqlReports
from fingerpost.backends.ledger.treasury import SqlTreasury
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import Pointers, open_pointers
from fingerpost.release.audit import sealed
from tests.postgres import Postgres
from tests.tcp_proxy import Proxy, running_proxy


def pointers_of(folder: Path) -> Pointers:
    """Opened as a command opens them; nothing needs closing."""
    with open_pointers(DataFolder(folder)) as pointers:
        return pointers


class Clock:
    """Microseconds that a test sets."""

    def __init__(self, now: int = 1_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Store:
    """A machine's data folder, and its ledger in one of the databases; see `sqlite_store` and `postgres_store`."""

    def __init__(self, data: DataFolder, closing_later: ExitStack) -> None:
        self.data = data
        self._closing_later = closing_later

    @property
    def root(self) -> Path:
        return self.data.root

    def pointers(self) -> Pointers:
        """Opened as a command opens them, and open until the end of the test."""
        return self._closing_later.enter_context(open_pointers(self.data))

    def ledger(self, clock: Clock | None = None) -> SqlLedger:
        """Without a look at the pointer files."""
        return SqlLedger(self.database(), clock or Clock(), sealed)

    def treasury(self) -> SqlTreasury:
        return SqlTreasury(self.database())

    def reports(self) -> SqlReports:
        return SqlReports(self.database())

    def database(self) -> Database:
        """Open until the end of the test."""
        database = open_database(self.data.ledger, self.data.store)
        self._closing_later.callback(database.close)
        return database

    def take_back(self) -> None:
        """Make the layout the first one again."""
        for statement in _BACK_TO_0001:
            self.run(statement)

    def told(self, catalog: str = "default") -> tuple[str, int] | None:
        return told(self.root, catalog)

    def run(self, statement: str) -> list[Any]:
        """Do in the database what somebody can who gets by the program."""
        raise NotImplementedError


_BACK_TO_0001 = (
    *(
        f"DROP TABLE {table}"
        for table in (
            "budget_slices",
            "budget_alerts",
            "budget_accounts",
            "reports",
            "settlements",
            "overrides",
            "secrets",
        )
    ),
    "DROP INDEX audit_by_revision",
    "UPDATE alembic_version SET version_num = '0001'",
)


class SqliteStore(Store):
    def run(self, statement: str) -> list[Any]:
        with closing(sqlite3.connect(self.data.ledger, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()


class PostgresStore(Store):
    def __init__(
        self, root: Path, postgres: Postgres, schema: str, closing_later: ExitStack, port: int | None = None
    ) -> None:
        """With a port, the program goes another way to the server than `run`."""
        super().__init__(DataFolder(root, postgres.url(schema, port)), closing_later)
        self.postgres = postgres
        self.schema = schema

    def run(self, statement: str) -> list[Any]:
        return self.postgres.run(statement, self.schema)


@contextmanager
def sqlite_store(root: Path) -> Iterator[SqliteStore]:
    with ExitStack() as closing_later:
        yield SqliteStore(DataFolder(root), closing_later)


@contextmanager
def postgres_store(
    root: Path, postgres: Postgres, schema: str = "", port: int | None = None
) -> Iterator[PostgresStore]:
    """In a schema of its own, or in one that another machine uses already."""
    with ExitStack() as closing_later:
        yield PostgresStore(root, postgres, schema or postgres.new_schema(), closing_later, port)


@contextmanager
def far_store(root: Path, postgres: Postgres) -> Iterator[tuple[PostgresStore, Proxy]]:
    """One that reaches the database by way of a proxy."""
    with running_proxy(postgres.port) as proxy, postgres_store(root, postgres, port=proxy.port) as made:
        yield made, proxy


def told(folder: Path, catalog: str = "default") -> tuple[str, int] | None:
    """Revision and generation that servers are told."""
    activation = FileActivationStore(folder / "catalogs").read(catalog)
    return None if activation is None else (activation.revision, activation.generation)
