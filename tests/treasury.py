"""A treasury in memory that keeps the contract of `money_ports.Treasury` for alerts, and goes away when told to."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fingerpost.types import AccountKey, Alert, Slice, Standing, Want

HOUR_S = 3_600


@dataclass
class _Row:
    alert: Alert
    due_us: int
    end: str = ""  # delivered or given up


class MemoryTreasury:
    """Accounts that a test fills; safe to use from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._standings: dict[AccountKey, Standing] = {}
        self._rows: dict[tuple[AccountKey, int], _Row] = {}
        self.away: Exception | None = None  # raised by everything
        self.cannot_mark: Exception | None = None  # raised by what puts on record
        self.silent = threading.Event()  # set: nothing comes back until `answer` is set
        self.answer = threading.Event()
        self.asked = 0

    def use(
        self,
        used_usd_micros: int,
        limit_usd_micros: int = 1_000_000,
        *,
        budget: str = "monthly",
        holder: str = "",
        end_s: int = HOUR_S,
    ) -> None:
        """An account from the first second of time on, with so much used."""
        key = AccountKey("default", budget, holder, 0)
        with self._guard:
            before = self._standings.get(key)
            account = len(self._standings) if before is None else before.account
            self._standings[key] = Standing(account, key, end_s, limit_usd_micros, True, used_usd_micros, 0, 0, 0)

    @property
    def ends(self) -> dict[str, str]:
        """What became of each alert, by id."""
        with self._guard:
            return {row.alert.id: row.end for row in self._rows.values()}

    def due_us(self, id: str) -> int:
        with self._guard:
            return self._row(id).due_us

    def notice(self, percents: Sequence[int], now_us: int) -> Sequence[Alert]:
        self._come()
        with self._guard:
            running = [one for one in self._standings.values() if now_us < one.end_s * 1_000_000]
            new = [
                Alert(
                    f"a{one.account}-{percent}",
                    key=one.key,
                    end_s=one.end_s,
                    percent=percent,
                    used_usd_micros=one.used_usd_micros,
                    limit_usd_micros=one.limit_usd_micros,
                    hard=one.hard,
                    time_us=now_us,
                )
                for one in running
                for percent in percents
                if one.used_usd_micros * 100 >= percent * one.limit_usd_micros and (one.key, percent) not in self._rows
            ]
            self._rows |= {(alert.key, alert.percent): _Row(alert, now_us) for alert in new}
            return new

    def due_alerts(self, now_us: int, most: int, again_us: int) -> Sequence[Alert]:
        self._come()
        with self._guard:
            due = [row for row in self._rows.values() if not row.end and row.due_us <= now_us][:most]
            for row in due:
                row.alert = replace(row.alert, attempts=row.alert.attempts + 1)
                row.due_us = again_us
            return [row.alert for row in due]

    def alert_delivered(self, id: str, now_us: int) -> None:
        self._mark(id, "delivered")

    def alert_given_up(self, id: str, now_us: int) -> None:
        self._mark(id, "given up")

    def alert_put_off(self, id: str, again_us: int) -> None:
        self._come_to_mark()
        with self._guard:
            self._row(id).due_us = again_us

    def _mark(self, id: str, end: str) -> None:
        self._come_to_mark()
        with self._guard:
            self._row(id).end = end

    def _row(self, id: str) -> _Row:
        return next(row for row in self._rows.values() if row.alert.id == id)

    def _come_to_mark(self) -> None:
        self._come()
        if self.cannot_mark is not None:
            raise self.cannot_mark

    def _come(self) -> None:
        self.asked += 1
        if self.silent.is_set():
            self.answer.wait()
        if self.away is not None:
            raise self.away

    # Alerts ask for none of these.

    def lease(self, owner: str, wants: Sequence[Want]) -> Sequence[Slice]:
        raise NotImplementedError

    def tell(self, owner: str, left: Mapping[str, int]) -> None:
        raise NotImplementedError

    def give_back(self, owner: str, left: Mapping[str, int]) -> None:
        raise NotImplementedError

    def standings(self, catalog: str = "", *, since_s: int = 0) -> Sequence[Standing]:
        raise NotImplementedError
