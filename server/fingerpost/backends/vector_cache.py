"""Vectors remembered between reindexes, in one SQLite file; losing it costs only time: no fault of it is an error."""

import contextlib
import hashlib
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
import structlog

from fingerpost.types import Vector

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")

_Row = tuple[bytes, int, bytes]  # text_sha256, crc32, vector

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    encoder TEXT NOT NULL,      -- digest of the encoder
    text_sha256 BLOB NOT NULL,
    crc32 INTEGER NOT NULL,     -- of the vector: SQLite itself does not notice a flipped bit
    vector BLOB NOT NULL,       -- float32, little-endian
    PRIMARY KEY (encoder, text_sha256)
)
"""
_ASKED_AT_ONCE = 500  # under SQLite's limit of 999 variables in old versions
_BUSY_SECONDS = 10.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FLOAT = np.dtype("<f4")


class SqliteVectorCache:
    """`types.VectorCache` in a file; for the thread that made it. Close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; a damaged one is set aside, and where none can be, memory serves."""
        self._path = path
        self._connection = self._open()

    def __enter__(self) -> "SqliteVectorCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def get(self, encoder_digest: str, texts: Sequence[str]) -> dict[str, Vector]:
        """Those of the texts' vectors that are known and sound, each of shape (dim,), float32."""
        by_key = {_key(text): text for text in texts}
        nothing: list[_Row] = []
        rows = self._tolerant(lambda: self._select(encoder_digest, list(by_key)), nothing)
        return {by_key[key]: _vector(blob) for key, crc, blob in rows if len(blob) % 4 == 0 and zlib.crc32(blob) == crc}

    def put(self, encoder_digest: str, vectors: Mapping[str, Vector]) -> None:
        """Remember vectors of shape (dim,), float32, in one transaction."""
        rows = []
        for text, vector in vectors.items():
            blob = np.asarray(vector, dtype=_FLOAT).tobytes()
            rows.append((encoder_digest, _key(text), zlib.crc32(blob), blob))
        self._tolerant(lambda: self._insert(rows), None)

    def _select(self, encoder: str, keys: list[bytes]) -> list[_Row]:
        rows: list[_Row] = []
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            asked = keys[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(asked))
            query = f"SELECT text_sha256, crc32, vector FROM vectors WHERE encoder = ? AND text_sha256 IN ({marks})"  # noqa: S608  question marks alone
            rows += self._connection.execute(query, [encoder, *asked]).fetchall()
        return rows

    def _insert(self, rows: list[tuple[str, bytes, int, bytes]]) -> None:
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)

    def _tolerant(self, work: Callable[[], _T], otherwise: _T) -> _T:
        """Do the work; on a damaged file begin anew, on any other fault of the database go on without."""
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if _damaged(error):
                self._connection.close()
                self._set_aside()
                self._connection = self._open()
            else:
                _log.warning("vector_cache_unavailable", error=error.sqlite_errorname)
            return otherwise

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return _connect(str(self._path))
        except sqlite3.DatabaseError as error:
            if _damaged(error):
                self._set_aside()
                return _connect(str(self._path))
            _log.warning("vector_cache_unavailable", error=error.sqlite_errorname)
        except OSError as error:
            _log.warning("vector_cache_unavailable", error=type(error).__name__)
        return _connect(":memory:")

    def _set_aside(self) -> None:
        aside = Path(tempfile.mkdtemp(prefix=f"{self._path.name}.damaged-", dir=self._path.parent))
        for suffix in ("", "-wal", "-shm"):  # a log left behind would be replayed into the new file
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").rename(aside / f"{self._path.name}{suffix}")
        _log.warning("vector_cache_damaged", set_aside=aside.name)


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=_BUSY_SECONDS)
    with _closed_on_error(connection):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last chunk, not the file
        connection.execute(_SCHEMA)
    return connection


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _damaged(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _vector(blob: bytes) -> Vector:
    return np.frombuffer(blob, dtype=_FLOAT).astype(np.float32)
