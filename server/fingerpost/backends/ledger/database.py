"""Database: a ledger's database, open, whichever engine it is; what goes wrong in it is told in our words."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from fingerpost.errors import DataLoss, ErrorReason, FingerpostError, Unavailable

_PAUSES_SECONDS = (0.05, 0.2)
"""Before each repeat of a transaction whose connection was lost."""

_REPEATED_WITHIN_SECONDS = 1.0

Result = TypeVar("Result")


class ConnectionLost(Unavailable):
    """The connection broke; a transaction that was not being committed just then has changed nothing."""

    default_reason = ErrorReason.STORE_UNAVAILABLE


class Told(Protocol):
    """Turns what an engine raised into an error of ours that says what to do; None: that is a fault of ours."""

    def __call__(self, error: SQLAlchemyError) -> FingerpostError | None: ...


@dataclass(frozen=True, slots=True)
class Database:
    """An open database with an up-to-date layout; safe to use from several threads."""

    name: str  # as messages call it: no secret
    engine: Engine
    told: Told
    corrupt: Callable[[], DataLoss]
    restore: str  # a sentence: what to do with a database that lost changes
    before_commit: Callable[[Connection], None] = lambda _: None
    reading: Mapping[str, str] = field(default_factory=dict)  # options of transactions that only read, as one snapshot

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """What the work returns; repeated when the connection is lost.

        Raises:
            Unavailable, StorageFull, DataLoss
        """
        return self._repeated(lambda: self._read(work))

    def change(self, work: Callable[[Connection], Result]) -> Result:
        """What the work returns, committed; repeated when the connection is lost, even while it was being committed.

        So the work must find out by itself whether it was done already, and must first take a lock that it keeps
        until the end: then it waits for the end of the transaction whose outcome is unknown.

        Raises:
            Unavailable: nothing changed, or the message says that it is not known.
            StorageFull, DataLoss: nothing changed.
        """
        return self._repeated(lambda: self._changed(work))

    def close(self) -> None:
        """Close what is not in use; what is opened afterwards must be closed again."""
        self.engine.dispose()

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        with (
            self._telling(),
            self.engine.connect() as connection,
            connection.execution_options(**self.reading).begin(),
        ):
            return work(connection)

    def _changed(self, work: Callable[[Connection], Result]) -> Result:
        with self._telling(), self.engine.connect() as connection, connection.begin() as transaction:
            result = work(connection)
            self.before_commit(connection)
            try:
                with self._telling():
                    transaction.commit()
            except ConnectionLost as error:
                raise _Unknown(error.message) from error
            return result

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            told = self.told(error)
            if told is None:
                raise
            raise told from error
        except (ValueError, KeyError, TypeError) as error:  # a row that cannot be read
            raise self.corrupt() from error

    def _repeated(self, transact: Callable[[], Result]) -> Result:
        ends, unknown, pauses = time.monotonic() + _REPEATED_WITHIN_SECONDS, False, iter(_PAUSES_SECONDS)
        while True:
            try:
                return transact()
            except Unavailable as error:
                unknown = unknown or isinstance(error, _Unknown)
                pause = next(pauses, None)
                if not isinstance(error, ConnectionLost) or pause is None or time.monotonic() > ends:
                    if unknown:
                        raise _unsure(error) from error
                    raise
            time.sleep(pause)


class _Unknown(ConnectionLost):
    """The connection broke in the commit: perhaps it was done, perhaps not."""


def _unsure(error: Unavailable) -> Unavailable:
    doubt = "Whether the change was made is not known: look with `fingerpost history` before repeating it"
    return Unavailable(f"{error.message}. {doubt}", ErrorReason.STORE_UNAVAILABLE)
