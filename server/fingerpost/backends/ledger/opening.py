"""Opening: the database of a ledger, and who tells of its changes; loads the driver of the engine that is used."""

from pathlib import Path

from fingerpost.backends.ledger.database import Database
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.ports import PointerNews


def open_database(path: Path, url: str) -> Database:
    """The ledger's database.

    Args:
        path: Of SQLite's file, used when there is no URL.
        url: Of PostgreSQL; empty: none.

    Raises:
        InvalidRequest: that is no such URL.
        FailedPrecondition: STORE_INCOMPATIBLE, also where the packages for PostgreSQL are missing.
        DataLoss, Unavailable, StorageFull
    """
    if not url:
        from fingerpost.backends.ledger.sqlite import open_sqlite

        return open_sqlite(path)
    try:
        from fingerpost.backends.ledger.postgres import open_postgres
    except ImportError as error:
        raise _missing() from error
    return open_postgres(url)


def open_news(url: str) -> PointerNews:
    """Who tells when a pointer in PostgreSQL has moved; connects when somebody waits.

    Raises:
        InvalidRequest: that is no URL of a PostgreSQL database.
        FailedPrecondition: STORE_INCOMPATIBLE, the packages for PostgreSQL are missing.
    """
    try:
        from fingerpost.backends.ledger.news import PostgresNews
    except ImportError as error:
        raise _missing() from error
    return PostgresNews(url)


def _missing() -> FailedPrecondition:
    return FailedPrecondition(
        "the packages for PostgreSQL are not installed: pip install 'fingerpost[postgres]'",
        ErrorReason.STORE_INCOMPATIBLE,
    )
