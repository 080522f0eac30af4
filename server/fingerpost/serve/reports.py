"""Reports: what callers say happened, kept before it is acknowledged, many in one write.

What comes while the store is writing gathers in a line, and goes with the next write. Where the store is away and there
is an outbox, that keeps them, and they go to the store when it is back; the store knows what it has already.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from fingerpost.errors import (
    ErrorReason,
    FailedPrecondition,
    FingerpostError,
    NotFound,
    Overloaded,
    Unavailable,
)
from fingerpost.money_ports import ReportStore
from fingerpost.serve.afford import whole_cost
from fingerpost.serve.aside import Aside
from fingerpost.serve.decision_id import Claims, DecisionIds, name_hash
from fingerpost.serve.guards import CatalogGuards, Guards
from fingerpost.serve.lab import OnBreach
from fingerpost.serve.runtime import Runtime
from fingerpost.types import UNANSWERED_CALLS, CostSource, Recorded, Report, ReportRow

_log = structlog.get_logger(__name__)

IN_LINE = 20_000
AT_A_TIME = 512
_WRITE_SECONDS = 10.0
_DRAIN_SECONDS = 1.0
_SKEW_SECONDS = 86_400  # by which the clock of whoever decided may have been ahead, or ours was set back
_RETRY_MS = 1_000


class Outbox(Protocol):
    """Keeps rows on this machine while the store is away. Blocks; one thread at a time."""

    def put(self, rows: Sequence[ReportRow]) -> None:
        """Keep them, surely, in the order in which they come.

        Raises:
            Unavailable, StorageFull: it is full, or cannot be written; nothing of them is kept.
        """

    def oldest(self) -> tuple[str, Sequence[ReportRow]] | None:
        """What was put first and is still here, and its name; None: nothing is."""

    def drop(self, name: str) -> None:
        """The store has them."""

    @property
    def rows(self) -> int:
        """How many are here."""


OnRecorded = Callable[[ReportRow, str], None]
"""Told a report that is new, and its model if the catalog knows it, else `other`."""


@dataclass(slots=True)
class _InLine:
    row: ReportRow
    done: "asyncio.Future[Recorded]"


class Recorder:
    """Takes reports; of the event loop."""

    def __init__(
        self,
        runtime: Runtime,
        guards: Guards,
        ids: DecisionIds,
        store: ReportStore,
        outbox: Outbox | None,
        window_seconds: int,
        on_breach: OnBreach = lambda catalog, breach: None,
        on_recorded: OnRecorded = lambda row, model: None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            runtime: What is served.
            guards: Hear of calls that failed.
            ids: Reads the ids of decisions.
            store: Of the ledger.
            outbox: Where the store is elsewhere; None: without the store nothing is acknowledged.
            window_seconds: How long after a decision a report of it is taken.
            on_breach: Told of arms that a guardrail stopped.
            on_recorded: Told of each report that is new.
        """
        self._runtime = runtime
        self._guards = guards
        self._ids = ids
        self._store = store
        self._outbox = outbox
        self._window_seconds = window_seconds
        self._on_breach = on_breach
        self._on_recorded = on_recorded
        self._line: list[_InLine] = []
        self._writing: asyncio.Task[None] | None = None
        self._aside, self._putting = Aside("reports"), Aside("outbox")
        self._away = False
        self.recorded = 0  # reports that were new

    @property
    def in_line(self) -> int:
        return len(self._line)

    @property
    def outbox_rows(self) -> int:
        return 0 if self._outbox is None else self._outbox.rows

    async def record(self, report: Report, tenant: str, caller: str) -> Recorded:
        """Keep a report of a decision that was made for the tenant; it is kept when this returns.

        Raises:
            NotFound: DECISION_UNKNOWN. FailedPrecondition: REPORT_LATE.
            Overloaded: more are in line than can be written soon.
            Unavailable, StorageFull: it could not be kept; report again.
        """
        row = self._row(report, tenant, caller)
        if len(self._line) >= IN_LINE:
            raise Overloaded(
                "more reports come than can be written: report again later, several in one call",
                metadata={"cause": "reports"},
                retry_after_ms=_RETRY_MS,
            )
        entry = _InLine(row, asyncio.get_running_loop().create_future())
        self._line.append(entry)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await asyncio.shield(entry.done)

    async def run(self) -> None:
        """For ever: what is in the outbox goes to the store, when there is one."""
        while True:
            await asyncio.sleep(_DRAIN_SECONDS)
            await self.drain()

    async def drain(self) -> None:
        """Once, as far as the store takes it."""
        outbox = self._outbox
        if outbox is None or not outbox.rows:
            return
        try:
            while await self._aside.run(lambda: _moved(outbox, self._store), _WRITE_SECONDS):
                pass
        except (FingerpostError, TimeoutError):
            return  # noted when it went away; what is left stays where it is
        except OSError as error:
            effect = "reports wait: let the server's user read and write in its folder"
            _log.error("outbox_not_read", error=type(error).__name__, effect=effect)
            return
        if self._away:
            self._away = False
            _log.info("reports_caught_up")

    async def close(self) -> None:
        """Write what is in line."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=_WRITE_SECONDS)

    async def _write(self) -> None:
        """Write until the line is empty, one portion after the other."""
        while self._line:
            portion, self._line = self._line[:AT_A_TIME], self._line[AT_A_TIME:]
            rows = [entry.row for entry in portion]
            try:
                kept = await self._kept(rows)
            except Exception as error:  # noqa: BLE001  whoever waits is told, whatever it is
                for entry in portion:
                    entry.done.set_exception(error)
                continue
            for entry, recorded in zip(portion, kept, strict=True):
                entry.done.set_result(recorded)
            for recorded in kept:  # whether or not whoever reported has waited
                self._heard(recorded)

    async def _kept(self, rows: Sequence[ReportRow]) -> Sequence[Recorded]:
        try:
            return await self._aside.run(lambda: self._store.record(rows), _WRITE_SECONDS)
        except (Unavailable, TimeoutError) as error:
            if self._outbox is None:
                raise _not_kept(error) from error
            if not self._away:
                self._away = True
                _log.error("report_store_away", error=str(error), effect="reports wait in the outbox of this machine")
        outbox = self._outbox
        await self._putting.run(lambda: outbox.put(rows))  # which no silent store keeps up
        return [Recorded(repeated=False, kept=row) for row in rows]

    def _row(self, report: Report, tenant: str, caller: str) -> ReportRow:
        claims = self._ids.read(report.decision_id, tenant)
        guards = None if claims is None else self._guards_of(claims)
        now_s = self._guards.spending.now_s()
        if claims is None or guards is None or claims.decided_s > now_s + _SKEW_SECONDS:
            raise NotFound(
                "no such decision was made here for this tenant: report with the decision_id of the reply, and the "
                "tenant of the request",
                ErrorReason.DECISION_UNKNOWN,
            )
        if now_s - claims.decided_s > self._window_seconds:
            raise FailedPrecondition(
                f"the decision is more than {self._window_seconds} s old: what was reserved for it counts as its cost. "
                "Report sooner, or raise FINGERPOST_REPORT_WINDOW_S",
                ErrorReason.REPORT_LATE,
            )
        cost, source = _cost(report, claims, guards)
        return ReportRow(
            key=claims.key,
            caller=caller,
            tenant=tenant,
            catalog=guards.snapshot.catalog,
            report=report,
            decided_s=claims.decided_s,
            reported_us=time.time_ns() // 1000,
            cost_usd_micros=cost,
            cost_source=source,
            route=_route_of(claims, guards),
            fell_back=claims.fell_back,
            arm=guards.lab.arm_named(claims.arm) if claims.arm else "",
            unit=claims.unit,
            debits=claims.debits,
        )

    def _guards_of(self, claims: Claims) -> CatalogGuards | None:
        snapshots = self._runtime.snapshots
        catalog = next((name for name in snapshots if name_hash(name) == claims.catalog), None)
        return None if catalog is None else self._guards.of(snapshots[catalog])

    def _heard(self, recorded: Recorded) -> None:
        """What a new report tells those who guard."""
        row, report = recorded.kept, recorded.kept.report
        snapshot = self._runtime.snapshots.get(row.catalog)
        if recorded.repeated or snapshot is None:
            return
        self.recorded += 1
        self._on_recorded(row, report.model if report.model in snapshot.decider.models else "other")
        guards = self._guards.of(snapshot)
        retry_after = None if report.retry_after_ms is None else report.retry_after_ms / 1000
        guards.breakers.report(report.model, report.status, time.monotonic(), retry_after)
        self._guards.spending.refunded(debit.account for debit in row.debits)
        breach = guards.lab.reported(row) if row.arm else None
        if breach is not None:
            self._on_breach(row.catalog, breach)


def _moved(outbox: Outbox, store: ReportStore) -> bool:
    """Move the oldest portion from the outbox into the store; False: there is none."""
    portion = outbox.oldest()
    if portion is None:
        return False
    name, rows = portion
    store.record(rows)
    outbox.drop(name)
    return True


def _cost(report: Report, claims: Claims, guards: CatalogGuards) -> tuple[int, CostSource]:
    """What the answer cost, as far as it is known."""
    if report.cost_usd_micros is not None:
        return report.cost_usd_micros, CostSource.REPORTED
    inventory = guards.snapshot.plan.inventory
    number = inventory.number.get(report.model)
    if number is not None and (report.input_tokens is not None or report.output_tokens is not None):
        cost = whole_cost(inventory.cost_usd_micros(number, report.input_tokens or 0, report.output_tokens or 0))
        if cost is not None:
            return cost, CostSource.TOKENS
    if report.status in UNANSWERED_CALLS:
        return 0, CostSource.NO_ANSWER
    # A call that failed on the way may have cost all the same: what was reserved is sure to be enough.
    return next((debit.usd_micros for debit in claims.debits), 0), CostSource.RESERVED


def _route_of(claims: Claims, guards: CatalogGuards) -> str:
    return next((name for name in _routes(guards) if name_hash(name) == claims.route), "") if claims.route else ""


def _routes(guards: CatalogGuards) -> Iterator[str]:
    yield from guards.snapshot.plan.route_numbers
    for other in guards.snapshot.others.values():
        yield from other.plan.route_numbers


def _not_kept(error: Exception) -> Unavailable:
    return Unavailable(
        f"the report could not be kept: {str(error) or 'the store does not answer'}: report again",
        ErrorReason.STORE_UNAVAILABLE,
        retry_after_ms=_RETRY_MS,
    )
