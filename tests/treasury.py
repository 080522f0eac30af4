"""A treasury in memory that keeps the contract of `money_ports.Treasury`, and goes away when told to."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fingerpost.errors import ErrorReason, Unavailable
from fingerpost.types import AccountKey, Alert, Slice, Standing, Want

HOUR_S = 3_600


@dataclass
class _Row:
    alert: Alert
    due_us: int
    end: str = ""  # delivered or given up


@dataclass
class _Account:
    """All in micro-dollars but its number, key and end."""

    number: int
    key: AccountKey
    end_s: int
    limit: int
    hard: bool
    taken: int = 0  # by slices, less what came back
    settled_reserved: int = 0
    settled: int = 0
    cleared: int = 0

    @property
    def unreported(self) -> int:
        return max(0, self.taken - self.settled_reserved)

    @property
    def counted(self) -> int:
        """What counts against the limit, slices whole."""
        return self.unreported + self.settled - self.cleared


@dataclass
class _Slice:
    owner: str
    account: _Account
    usd_micros: int
    left: int


class MemoryTreasury:
    """Accounts that a test fills, or whoever leases; safe to use from several threads."""

    def __init__(self) -> None:
        self.over: set[int] = set()
        self._guard = threading.Lock()
        self._accounts: dict[AccountKey, _Account] = {}
        self._slices: dict[str, _Slice] = {}
        self._rows: dict[tuple[AccountKey, int], _Row] = {}
        self.away: Exception | None = None  # raised by everything
        self.cannot_mark: Exception | None = None  # raised by what puts on record
        self.answers_lost = 0  # of so many leases: they are given, and an error is raised
        self.silent = threading.Event()  # set: nothing comes back until `answer` is set
        self.answer = threading.Event()
        self.came = threading.Semaphore(0)  # released for each that comes while it is silent
        self.asked = 0
        self.wants: list[Want] = []  # in the order in which they were asked for

    def use(
        self,
        used_usd_micros: int,
        limit_usd_micros: int = 1_000_000,
        *,
        budget: str = "monthly",
        holder: str = "",
        start_s: int = 0,
        end_s: int = HOUR_S,
        hard: bool = True,
    ) -> None:
        """An account, from the first second of time on unless told otherwise, with so much used by other processes."""
        key = AccountKey("default", budget, holder, start_s)
        with self._guard:
            account = self._opened(key, end_s, limit_usd_micros, hard)
            account.limit, account.settled = limit_usd_micros, used_usd_micros

    def settle(self, account: int, reserved_usd_micros: int, cost_usd_micros: int) -> None:
        """What a report of a decision does."""
        with self._guard:
            found = next(one for one in self._accounts.values() if one.number == account)
            found.settled_reserved += reserved_usd_micros
            found.settled += cost_usd_micros

    @property
    def taken(self) -> dict[tuple[str, str, int], int]:
        """What is out of each account, slices whole, by budget, holder and start."""
        with self._guard:
            return {(key.budget, key.holder, key.start_s): one.taken for key, one in self._accounts.items()}

    @property
    def open_slices(self) -> int:
        with self._guard:
            return len(self._slices)

    # --- What processes ask -----------------------------------------------------------------------------------------

    def lease(self, owner: str, wants: Sequence[Want]) -> Sequence[Slice]:
        self._come()
        with self._guard:
            self.wants.extend(wants)
            given = [self._given(owner, want) for want in wants]
            if self.answers_lost:
                self.answers_lost -= 1
                raise Unavailable("the connection broke", ErrorReason.STORE_UNAVAILABLE)
            return given

    def tell(self, owner: str, left: Mapping[str, int]) -> None:
        self._come()
        with self._guard:
            for id_, usd_micros in left.items():
                slice_ = self._slices.get(id_)
                if slice_ is not None and slice_.owner == owner:
                    slice_.left = min(usd_micros, slice_.usd_micros)

    def give_back(self, owner: str, left: Mapping[str, int]) -> None:
        self._come()
        with self._guard:
            for id_, usd_micros in left.items():
                slice_ = self._slices.get(id_)
                if slice_ is not None and slice_.owner == owner:
                    slice_.account.taken -= min(usd_micros, slice_.usd_micros)
                    del self._slices[id_]

    def standings(self, catalog: str = "", *, since_s: int = 0) -> Sequence[Standing]:
        self._come()
        with self._guard:
            return [
                self._standing(one)
                for one in self._accounts.values()
                if one.end_s > since_s and catalog in ("", one.key.catalog)
            ]

    def _given(self, owner: str, want: Want) -> Slice:
        account = self._opened(want.key, want.end_s, want.limit_usd_micros, want.hard)
        account.limit = want.limit_usd_micros
        known = self._slices.get(want.id)
        if known is not None:
            return Slice(want.id, account.number, known.usd_micros)
        room = want.limit_usd_micros - account.counted
        usd_micros = min(want.usd_micros, room) if want.hard else want.usd_micros
        if usd_micros < max(1, want.least_usd_micros):
            return Slice(want.id, account.number, 0)
        account.taken += usd_micros
        self._slices[want.id] = _Slice(owner, account, usd_micros, usd_micros)
        return Slice(want.id, account.number, usd_micros)

    def _opened(self, key: AccountKey, end_s: int, limit: int, hard: bool) -> _Account:
        return self._accounts.setdefault(key, _Account(len(self._accounts), key, end_s, limit, hard))

    def _standing(self, one: _Account) -> Standing:
        left = sum(slice_.left for slice_ in self._slices.values() if slice_.account is one)
        sliced = min(left, one.unreported)
        return Standing(
            account=one.number,
            key=one.key,
            end_s=one.end_s,
            limit_usd_micros=one.limit,
            hard=one.hard,
            reported_usd_micros=one.settled,
            reserved_usd_micros=one.unreported - sliced,
            sliced_usd_micros=sliced,
            cleared_usd_micros=one.cleared,
        )

    # --- Alerts -----------------------------------------------------------------------------------------------------

    @property
    def ends(self) -> dict[str, str]:
        """What became of each alert, by id."""
        with self._guard:
            return {row.alert.id: row.end for row in self._rows.values()}

    def due_us(self, id: str) -> int:
        with self._guard:
            return self._row(id).due_us

    def spent(self, numbers: Sequence[int]) -> None:
        self._come()
        with self._guard:
            self.over |= {one.account for one in map(self._standing, self._accounts.values()) if one.hard} & {*numbers}

    def notice(self, percents: Sequence[int], now_us: int) -> Sequence[Alert]:
        self._come()
        with self._guard:
            accounts = [self._standing(one) for one in self._accounts.values()]
            running = [one for one in accounts if now_us < one.end_s * 1_000_000]
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
                if (one.used_usd_micros * 100 >= percent * one.limit_usd_micros or self._is_over(one, percent))
                and (one.key, percent) not in self._rows
            ]
            self._rows |= {(alert.key, alert.percent): _Row(alert, now_us) for alert in new}
            return new

    def _is_over(self, one: Standing, percent: int) -> bool:
        return percent >= 100 and one.account in self.over

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
            self.came.release()
            self.answer.wait()
        if self.away is not None:
            raise self.away
