"""Keeping: the ledger as a server needs it while it serves: opened at the first need, then kept open."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.types import Alert, Recorded, ReportRow, Slice, Standing, Want

if TYPE_CHECKING:
    from fingerpost.backends.ledger.database import Database
    from fingerpost.backends.ledger.ledger import SqlLedger
    from fingerpost.backends.ledger.reports import SqlReports
    from fingerpost.backends.ledger.treasury import SqlTreasury

_CLOSE_SECONDS = 1.0


class Keeping:
    """One ledger; safe to use from several threads.

    Raises, in each method of it and of what it gives:
        Unavailable, StorageFull, DataLoss, FailedPrecondition: it cannot be opened; the next call tries again.
    """

    def __init__(self, data: DataFolder) -> None:
        """Nothing is opened yet."""
        self._data = data
        self._opening = threading.Lock()
        self._open: tuple[Database, SqlLedger] | None = None
        self._users, self._left = 0, threading.Condition()

    def open(self) -> None:
        """Unless it is."""
        with self.using():
            pass

    @contextmanager
    def using(self) -> "Iterator[tuple[Database, SqlLedger]]":
        """As long as somebody uses it, it is not closed."""
        with self._left:
            self._users += 1
        try:
            yield self._opened()
        finally:
            with self._left:
                self._users -= 1
                self._left.notify_all()

    def secret(self, name: str, proposed: bytes) -> bytes:
        """See `ports.Ledger`."""
        with self.using() as (_, ledger):
            return ledger.secret(name, proposed)

    def close(self) -> None:
        """When nobody uses it, or soon; what is called afterwards opens it again."""
        with self._left:
            self._left.wait_for(lambda: self._users == 0, _CLOSE_SECONDS)
        with self._opening:
            if self._open is not None:
                self._open[0].close()
                self._open = None

    def _opened(self) -> "tuple[Database, SqlLedger]":
        from fingerpost.bootstrap.pointing import open_ledger_to_serve  # only now: SQLAlchemy takes long to import

        with self._opening:
            if self._open is None:
                self._open = open_ledger_to_serve(self._data)
            return self._open


class KeptTreasury:
    """See `money_ports.Treasury`."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def lease(self, owner: str, wants: Sequence[Want]) -> Sequence[Slice]:
        with self._now() as now:
            return now.lease(owner, wants)

    def tell(self, owner: str, left: Mapping[str, int]) -> None:
        with self._now() as now:
            now.tell(owner, left)

    def give_back(self, owner: str, left: Mapping[str, int]) -> None:
        with self._now() as now:
            now.give_back(owner, left)

    def standings(self, catalog: str = "", *, since_s: int = 0) -> Sequence[Standing]:
        with self._now() as now:
            return now.standings(catalog, since_s=since_s)

    def spent(self, numbers: Sequence[int]) -> None:
        with self._now() as now:
            now.spent(numbers)

    def notice(self, percents: Sequence[int], now_us: int) -> Sequence[Alert]:
        with self._now() as now:
            return now.notice(percents, now_us)

    def due_alerts(self, now_us: int, most: int, again_us: int) -> Sequence[Alert]:
        with self._now() as now:
            return now.due_alerts(now_us, most, again_us)

    def alert_delivered(self, id: str, now_us: int) -> None:
        with self._now() as now:
            now.alert_delivered(id, now_us)

    def alert_put_off(self, id: str, again_us: int) -> None:
        with self._now() as now:
            now.alert_put_off(id, again_us)

    def alert_given_up(self, id: str, now_us: int) -> None:
        with self._now() as now:
            now.alert_given_up(id, now_us)

    @contextmanager
    def _now(self) -> "Iterator[SqlTreasury]":
        from fingerpost.backends.ledger.treasury import SqlTreasury

        with self._keeping.using() as (database, _):
            yield SqlTreasury(database)


class KeptReports:
    """See `money_ports.ReportStore`."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def record(self, rows: Sequence[ReportRow]) -> Sequence[Recorded]:
        with self._now() as now:
            return now.record(rows)

    def reports(self, *, catalog: str = "", arms: Sequence[str] = (), since_us: int = 0) -> Sequence[ReportRow]:
        with self._now() as now:
            return now.reports(catalog=catalog, arms=arms, since_us=since_us)

    def forget(self, before_us: int, most: int) -> int:
        with self._now() as now:
            return now.forget(before_us, most)

    @contextmanager
    def _now(self) -> "Iterator[SqlReports]":
        from fingerpost.backends.ledger.reports import SqlReports

        with self._keeping.using() as (database, _):
            yield SqlReports(database)
