"""Keeping: the ledger as a server needs it while it serves: opened at the first need, then kept open."""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.types import Alert, Recorded, ReportRow, Slice, Standing, Want

if TYPE_CHECKING:
    from fingerpost.backends.ledger.database import Database
    from fingerpost.backends.ledger.ledger import SqlLedger
    from fingerpost.backends.ledger.reports import SqlReports
    from fingerpost.backends.ledger.treasury import SqlTreasury


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

    def database(self) -> "Database":
        return self._opened()[0]

    def secret(self, name: str, proposed: bytes) -> bytes:
        """See `ports.Ledger`."""
        return self._opened()[1].secret(name, proposed)

    def close(self) -> None:
        """What is called afterwards opens it again."""
        with self._opening:
            if self._open is not None:
                self._open[0].close()
                self._open = None

    def _opened(self) -> "tuple[Database, SqlLedger]":
        from fingerpost.bootstrap.pointing import open_ledger  # only now: SQLAlchemy takes long to import

        with self._opening:
            if self._open is None:
                self._open = open_ledger(self._data)
            return self._open


class KeptTreasury:
    """See `money_ports.Treasury`."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def lease(self, owner: str, wants: Sequence[Want]) -> Sequence[Slice]:
        return self._now().lease(owner, wants)

    def tell(self, owner: str, left: Mapping[str, int]) -> None:
        self._now().tell(owner, left)

    def give_back(self, owner: str, left: Mapping[str, int]) -> None:
        self._now().give_back(owner, left)

    def standings(self, catalog: str = "", *, since_s: int = 0) -> Sequence[Standing]:
        return self._now().standings(catalog, since_s=since_s)

    def notice(self, percents: Sequence[int], now_us: int) -> Sequence[Alert]:
        return self._now().notice(percents, now_us)

    def due_alerts(self, now_us: int, most: int, again_us: int) -> Sequence[Alert]:
        return self._now().due_alerts(now_us, most, again_us)

    def alert_delivered(self, id: str, now_us: int) -> None:
        self._now().alert_delivered(id, now_us)

    def alert_put_off(self, id: str, again_us: int) -> None:
        self._now().alert_put_off(id, again_us)

    def alert_given_up(self, id: str, now_us: int) -> None:
        self._now().alert_given_up(id, now_us)

    def _now(self) -> "SqlTreasury":
        from fingerpost.backends.ledger.treasury import SqlTreasury

        return SqlTreasury(self._keeping.database())


class KeptReports:
    """See `money_ports.ReportStore`."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def record(self, rows: Sequence[ReportRow]) -> Sequence[Recorded]:
        return self._now().record(rows)

    def reports(self, *, catalog: str = "", arms: Sequence[str] = (), since_us: int = 0) -> Sequence[ReportRow]:
        return self._now().reports(catalog=catalog, arms=arms, since_us=since_us)

    def forget(self, before_us: int, most: int) -> int:
        return self._now().forget(before_us, most)

    def _now(self) -> "SqlReports":
        from fingerpost.backends.ledger.reports import SqlReports

        return SqlReports(self._keeping.database())
