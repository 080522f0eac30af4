"""SQLite: the ledger's file, opened so that what was committed survives a kill and a power cut."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from fingerpost.backends.ledger.database import Database
from fingerpost.backends.ledger.migrating import migrate
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition, FingerpostError, StorageFull, Unavailable

_BUSY_MS = 5_000
_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": _BUSY_MS}
"""As SQLite answers them: synchronous 2 is FULL."""

_BEGINS = "begins"  # the option of a transaction that begins otherwise than others

_RESTORE = (
    "was its -wal file removed? Put a backup in its place, or move it away: the next command makes a new one from the "
    "pointers in catalogs/"
)

_SHARED = {"9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
"""File systems of several machines: SQLite's write-ahead log needs memory that one machine's processes share."""


def open_sqlite(path: Path) -> Database:
    """The file's database, its layout brought up to date; the folder must exist.

    Raises:
        FailedPrecondition: STORE_INCOMPATIBLE, made by a newer program, or on a file system of several machines.
        DataLoss: STORE_CORRUPT.
        Unavailable, StorageFull
    """
    check_file_system(path, Path("/proc/self/mountinfo"))
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": _BUSY_MS / 1000})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    database = Database(
        str(path),
        engine,
        lambda error: _told(error, path),
        lambda: _corrupt(path),
        _RESTORE,
        reading={_BEGINS: "BEGIN"},  # as one snapshot that neither waits for writers nor keeps them waiting
    )

    def bring_up_to_date(connection: Connection) -> None:
        _check_whole(connection, path)
        migrate(connection)

    database.change(bring_up_to_date)
    return database


def check_file_system(path: Path, mounts: Path) -> None:
    """Refuse a file system that several machines share.

    Args:
        path: Of the file.
        mounts: As /proc/self/mountinfo; one that is not there tells nothing.

    Raises:
        FailedPrecondition: STORE_INCOMPATIBLE.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    kinds = {Path(line.split()[4].replace(r"\040", " ")): line.partition(" - ")[2].split()[0] for line in lines}
    folder = path.resolve().parent
    kind = next((kinds[one] for one in (folder, *folder.parents) if one in kinds), "")
    if kind in _SHARED:
        raise FailedPrecondition(
            f"{path} lies on {kind}, a file system that machines share: keep the data folder on a disk of this machine",
            ErrorReason.STORE_INCOMPATIBLE,
        )


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver thinks
    for name, value in _PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}")
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != value:
            raise FailedPrecondition(
                f"SQLite has {name} {found}, not {value}: keep the data folder on a local disk",
                ErrorReason.STORE_INCOMPATIBLE,
            )


def _begin(connection: Connection) -> None:
    # Otherwise two that read first and write then would meet in the middle, and one could only give up.
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGINS, "BEGIN IMMEDIATE"))


def _check_whole(connection: Connection, path: Path) -> None:
    found = connection.execute(text("PRAGMA quick_check(1)")).scalar()
    if found != "ok":
        raise _corrupt(path)


def _corrupt(path: Path) -> DataLoss:
    return DataLoss(
        f"{path} is damaged: servers go on with what they serve. Put a backup in its place, or move it and its -wal "
        "file away: the next command makes a new one from the pointers in catalogs/, and the history begins anew",
        ErrorReason.STORE_CORRUPT,
    )


def _told(error: SQLAlchemyError, path: Path) -> FingerpostError | None:
    if not isinstance(error, DatabaseError):
        return None
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    # On a disk without any room SQLite cannot even make the file by which processes share its index, and says IOERR.
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path.parent)):
        return StorageFull("no room left in the ledger: free some space and repeat")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _corrupt(path)
    if isinstance(error, OperationalError):
        words = {
            sqlite3.SQLITE_BUSY: "is busy: another change takes long; repeat",
            sqlite3.SQLITE_READONLY: "cannot be written: run this as the user whose file it is",
            sqlite3.SQLITE_CANTOPEN: "cannot be opened: run this as the user whose folder it is",
        }
        return Unavailable(
            f"{path} {words.get(code, 'cannot be read or written: see to the disk')}", ErrorReason.STORE_UNAVAILABLE
        )
    return None


def _is_full(folder: Path) -> bool:
    try:
        return os.statvfs(folder).f_bavail == 0
    except OSError:
        return False
