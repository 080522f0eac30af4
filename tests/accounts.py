"""Money of tests: accounts, wants and reports in short, a slow and obvious twin of the ledger, and busy processes."""

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from fingerpost.backends.ledger.opening import open_database
from fingerpost.backends.ledger.reports import SqlReports
from fingerpost.backends.ledger.treasury import SqlTreasury
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.errors import Unavailable
from fingerpost.types import (
    AccountKey,
    CallStatus,
    CostSource,
    Debit,
    Recorded,
    Report,
    ReportRow,
    Slice,
    Standing,
    Want,
)

HOUR_S = 3_600
_PATIENCE_SECONDS = 60

Result = TypeVar("Result")


def account(holder: str = "", start_s: int = 0, catalog: str = "default") -> AccountKey:
    """Of a budget of hours."""
    return AccountKey(catalog, "hourly", holder, start_s)


def want(
    id: str,
    usd_micros: int,
    limit: int = 100,
    *,
    key: AccountKey | None = None,
    hard: bool = True,
    least: int = 1,
) -> Want:
    key = key or account()
    return Want(id, key, key.start_s + HOUR_S, limit, hard, usd_micros, least)


def report_row(decision: str, caller: str = "ann", cost: int = 0, *debits: Debit, **others: object) -> ReportRow:
    """A report that came at second 2 of a decision of second 1, unless others say otherwise."""
    row = ReportRow(
        key=f"{decision:0>24}",
        caller=caller,
        tenant="tenant",
        catalog="default",
        report=Report(f"id of {decision}", "coder", CallStatus.OK, cost_usd_micros=cost),
        decided_s=1,
        reported_us=2_000_000,
        cost_usd_micros=cost,
        cost_source=CostSource.REPORTED,
        debits=debits,
    )
    return replace(row, **others)  # type: ignore[arg-type]


def patiently(work: Callable[[], Result]) -> Result:
    """Repeat what a busy ledger refuses, as callers do."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return work()
        except Unavailable:
            if time.monotonic() > ends:
                raise


# --- The twin ------------------------------------------------------------------------------------------------------


@dataclass
class _Slice:
    owner: str
    key: AccountKey
    usd_micros: int
    left: int


@dataclass
class _Account:
    end_s: int
    limit: int
    hard: bool
    sliced: int = 0
    reserved: int = 0
    cost: int = 0
    cleared: int = 0

    @property
    def counted(self) -> int:
        return self.sliced - self.reserved + self.cost - self.cleared


@dataclass
class Twin:
    """What accounts, slices and reports must be, as plain objects; accounts have no numbers here."""

    accounts: dict[AccountKey, _Account] = field(default_factory=dict)
    slices: dict[str, _Slice] = field(default_factory=dict)
    reports: dict[tuple[str, str], ReportRow] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)

    def lease(self, owner: str, wants: Sequence[Want]) -> list[int]:
        """Micro-dollars of each want's slice."""
        return [self._lease_one(owner, want) for want in wants]

    def _lease_one(self, owner: str, want: Want) -> int:
        found = self.accounts.setdefault(want.key, _Account(0, 0, hard=False))
        found.end_s, found.limit, found.hard = want.end_s, want.limit_usd_micros, want.hard
        if want.id in self.slices:
            known = self.slices[want.id]
            return known.usd_micros if (known.owner, known.key) == (owner, want.key) else 0
        given = min(want.usd_micros, found.limit - found.counted) if want.hard else want.usd_micros
        if want.hard and given < want.least_usd_micros:
            return 0
        found.sliced += given
        self.slices[want.id] = _Slice(owner, want.key, given, given)
        return given

    def tell(self, owner: str, id: str, left: int) -> None:
        if id in self.slices and self.slices[id].owner == owner:
            self.slices[id].left = min(left, self.slices[id].usd_micros)

    def give_back(self, owner: str, id: str, left: int) -> None:
        if id in self.slices and self.slices[id].owner == owner:
            gone = self.slices.pop(id)
            found = self.accounts[gone.key]
            found.sliced = max(found.reserved, found.sliced - min(left, gone.usd_micros))

    def record(self, row: ReportRow, debits: Sequence[tuple[AccountKey, int]]) -> Recorded:
        """Debits by key; those of the row have the numbers of the same accounts."""
        name = (row.key, row.caller)
        if name in self.reports:
            return Recorded(repeated=self.reports[name] != row, kept=self.reports[name])
        self.reports[name] = row
        if debits and row.key not in self.settled:
            self.settled.add(row.key)
            for key, reserved in debits:
                self.accounts[key].reserved = min(self.accounts[key].sliced, self.accounts[key].reserved + reserved)
            for key in {key for key, _ in debits}:
                self.accounts[key].cost += row.cost_usd_micros
        return Recorded(repeated=False, kept=row)

    def clear(self, key: AccountKey) -> None:
        found = self.accounts[key]
        whole = sum(one.usd_micros for one in self.slices.values() if one.key == key)
        found.cleared = max(found.cleared, found.counted + found.cleared - whole)

    def standings(self, numbers: dict[AccountKey, int]) -> list[Standing]:
        return [self._standing(key, numbers[key]) for key in sorted(self.accounts, key=str)]

    def _standing(self, key: AccountKey, number: int) -> Standing:
        found = self.accounts[key]
        unreported = found.sliced - found.reserved
        left = min(unreported, sum(one.left for one in self.slices.values() if one.key == key))
        return Standing(
            account=number,
            key=key,
            end_s=found.end_s,
            limit_usd_micros=found.limit,
            hard=found.hard,
            reported_usd_micros=found.cost,
            reserved_usd_micros=unreported - left,
            sliced_usd_micros=left,
            cleared_usd_micros=found.cleared,
        )


# --- Processes -----------------------------------------------------------------------------------------------------


def lease_until_nothing_is_left(data: DataFolder, owner: str, usd_micros: int, limit: int) -> list[Slice]:
    """All slices that a process of its own gets when it asks for so much again and again."""
    with closing(open_database(data.ledger, data.store)) as database:
        return lease_all(SqlTreasury(database), owner, usd_micros, limit)


def lease_all(treasury: SqlTreasury, owner: str, usd_micros: int, limit: int) -> list[Slice]:
    """All slices that somebody gets who asks for so much until nothing is left."""
    found: list[Slice] = []
    while True:
        wanted = want(f"{owner} {len(found)}", usd_micros, limit)
        [given] = patiently(lambda wanted=wanted: treasury.lease(owner, [wanted]))  # type: ignore[misc]
        if given.usd_micros == 0:
            return found
        found.append(given)


def spend_for_ever(data: DataFolder, log: str) -> None:
    """In a child process, until it is killed: take a slice, spend half of it, give back the rest."""
    with closing(open_database(data.ledger, data.store)) as database, open(log, "a") as out:
        treasury = SqlTreasury(database)
        while True:
            [given] = treasury.lease("child", [want(uuid.uuid4().hex, 10, 10_000_000)])
            out.write(f"taken {given.usd_micros}\n")
            out.flush()
            treasury.give_back("child", {given.id: given.usd_micros // 2})
            out.write(f"back {given.usd_micros // 2}\n")
            out.flush()


def record_in_a_process(data: DataFolder, rows: Sequence[ReportRow]) -> list[Recorded]:
    """By a process of its own."""
    with closing(open_database(data.ledger, data.store)) as database:
        return list(patiently(lambda: SqlReports(database).record(rows)))
