"""Reports: what callers say of decisions, kept once a decision and caller, and settled once a decision."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any

from sqlalchemy import Connection, Row, delete, select, tuple_

from fingerpost.backends.ledger.accounts import settle
from fingerpost.backends.ledger.database import Database
from fingerpost.backends.ledger.schema import reports, settlements
from fingerpost.backends.ledger.writing import chunks, insert_new
from fingerpost.types import Attempt, CallStatus, CostSource, Debit, Recorded, Report, ReportRow, Verdict

_PAGE_REPORTS = 2_000
_PORTION = 500
"""Reports that a statement removes at most."""

_Name = tuple[str, str]  # of a report: decision and caller


class SqlReports:
    """See `money_ports.ReportStore`; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        """Use an open database; whoever opened it closes it."""
        self._database = database

    def record(self, rows: Sequence[ReportRow]) -> Sequence[Recorded]:
        return self._database.change(lambda connection: _record(connection, rows)) if rows else []

    def reports(self, *, catalog: str = "", arms: Sequence[str] = (), since_us: int = 0) -> Sequence[ReportRow]:
        def read(connection: Connection) -> Sequence[ReportRow]:
            # Arms one by one: each is a stretch of an index, so that no page takes longer than another.
            wanted = [{"arm": arm} for arm in sorted(set(arms))] or [{}]
            found = [row for one in wanted for row in _read(connection, since_us, catalog, **one)]
            return found if len(wanted) == 1 else sorted(found, key=lambda row: (row.reported_us, *_name(row)))

        return self._database.read(read)

    def forget(self, before_us: int, most: int) -> int:
        return self._database.change(lambda connection: _forget(connection, before_us, most))


# --- Keeping -------------------------------------------------------------------------------------------------------


def _record(connection: Connection, rows: Sequence[ReportRow]) -> Sequence[Recorded]:
    first: dict[_Name, ReportRow] = {}
    for row in rows:
        first.setdefault(_name(row), row)
    new = _insert(connection, first)
    # Only with new reports: a decision whose report is there was settled with it.
    _settle(connection, [row for name, row in first.items() if name in new and _settles(row)])
    kept = {**first, **_kept(connection, first.keys() - new)}
    seen: set[_Name] = set()
    told: list[Recorded] = []
    for row in rows:
        name = _name(row)
        # A report that is there and equal in everything, its time too, is this one: of an attempt whose end was lost.
        told.append(Recorded(repeated=name in seen or kept[name] != row, kept=kept[name]))
        seen.add(name)
    return told


def _insert(connection: Connection, rows: Mapping[_Name, ReportRow]) -> set[_Name]:
    values = [_values(rows[name]) for name in sorted(rows)]
    return {(row.key, row.caller) for row in insert_new(connection, reports, values, reports.c.key, reports.c.caller)}


def _kept(connection: Connection, names: Iterable[_Name]) -> dict[_Name, ReportRow]:
    wanted = sorted(names)
    place = tuple_(reports.c.key, reports.c.caller)
    return {
        (row.key, row.caller): _report_row(row)
        for some in chunks(wanted)
        for row in connection.execute(select(reports).where(place.in_(some)))
    }


def _settles(row: ReportRow) -> bool:
    """Whether it says what its decision cost; where it does not, another caller's may yet."""
    return bool(row.debits) and row.cost_source is not CostSource.RESERVED


def _settle(connection: Connection, rows: Sequence[ReportRow]) -> None:
    """Put the cost of decisions in the place of what they reserved, unless that was done."""
    settling: dict[str, ReportRow] = {}
    for row in rows:
        settling.setdefault(row.key, row)
    values = [{"key": key, "caller": settling[key].caller} for key in sorted(settling)]
    more: dict[int, tuple[int, int]] = {}
    for settled in insert_new(connection, settlements, values, settlements.c.key):
        row = settling[settled.key]
        for account in {debit.account for debit in row.debits}:
            reserved, cost = more.get(account, (0, 0))
            reserved += sum(debit.usd_micros for debit in row.debits if debit.account == account)
            more[account] = (reserved, cost + row.cost_usd_micros)
    settle(connection, more)


# --- Reading and removing ------------------------------------------------------------------------------------------


def _read(connection: Connection, since_us: int, catalog: str, arm: str | None = None) -> Iterator[ReportRow]:
    order = (reports.c.reported_us, reports.c.key, reports.c.caller)
    query = select(reports).order_by(*order).limit(_PAGE_REPORTS)
    if catalog:
        query = query.where(reports.c.catalog == catalog)
    if arm is not None:
        query = query.where(reports.c.arm == arm)
    page = query.where(reports.c.reported_us >= since_us)
    while rows := connection.execute(page).all():
        yield from map(_report_row, rows)
        last = rows[-1]
        page = query.where(
            reports.c.reported_us >= last.reported_us,  # which the index finds, and the next condition alone may not
            tuple_(*order) > (last.reported_us, last.key, last.caller),
        )


def _forget(connection: Connection, before_us: int, most: int) -> int:
    """A settlement goes with the last report of its decision: as long as one is there, none settles it again."""
    gone = 0
    while gone < most:
        portion = min(_PORTION, most - gone)
        oldest = (
            select(reports.c.key, reports.c.caller)
            .where(reports.c.reported_us < before_us)
            .order_by(reports.c.reported_us)
            .limit(portion)
        )
        removal = delete(reports).where(tuple_(reports.c.key, reports.c.caller).in_(oldest)).returning(reports.c.key)
        keys = list(connection.execute(removal).scalars())
        gone += len(keys)
        if keys:
            others = select(reports.c.key).where(reports.c.key == settlements.c.key).exists()
            connection.execute(delete(settlements).where(settlements.c.key.in_(keys), ~others))
        if len(keys) < portion:
            break
    return gone


# --- Rows ----------------------------------------------------------------------------------------------------------


def _name(row: ReportRow) -> _Name:
    return (row.key, row.caller)


def _values(row: ReportRow) -> dict[str, Any]:
    report = row.report
    return {
        "key": row.key,
        "caller": row.caller,
        "tenant": row.tenant,
        "catalog": row.catalog,
        "decision_id": report.decision_id,
        "model": report.model,
        "status": str(report.status),
        "input_tokens": report.input_tokens,
        "output_tokens": report.output_tokens,
        "told_cost_usd_micros": report.cost_usd_micros,
        "cost_usd_micros": row.cost_usd_micros,
        "cost_source": str(row.cost_source),
        "latency_ms": report.latency_ms,
        "retry_after_ms": report.retry_after_ms,
        "attempts": json.dumps([list(astuple(one)) for one in report.failed_attempts]),
        "verdict": None if report.verdict is None else str(report.verdict),
        "score": report.score,
        "label": report.label,
        "decided_s": row.decided_s,
        "reported_us": row.reported_us,
        "route": row.route,
        "fell_back": row.fell_back,
        "arm": row.arm,
        "unit": row.unit,
        "debits": json.dumps([[debit.account, debit.usd_micros] for debit in row.debits]),
    }


def _report_row(row: Row[Any]) -> ReportRow:
    report = Report(
        decision_id=row.decision_id,
        model=row.model,
        status=CallStatus(row.status),
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_usd_micros=row.told_cost_usd_micros,
        latency_ms=row.latency_ms,
        verdict=None if row.verdict is None else Verdict(row.verdict),
        score=row.score,
        label=row.label,
        retry_after_ms=row.retry_after_ms,
        failed_attempts=tuple(_attempt(*one) for one in json.loads(row.attempts)),
    )
    return ReportRow(
        key=row.key,
        caller=row.caller,
        tenant=row.tenant,
        catalog=row.catalog,
        report=report,
        decided_s=row.decided_s,
        reported_us=row.reported_us,
        cost_usd_micros=row.cost_usd_micros,
        cost_source=CostSource(row.cost_source),
        route=row.route,
        fell_back=row.fell_back,
        arm=row.arm,
        unit=row.unit,
        debits=tuple(Debit(account, usd_micros) for account, usd_micros in json.loads(row.debits)),
    )


def _attempt(model: str, status: str, latency_ms: int | None, retry_after_ms: int | None) -> Attempt:
    return Attempt(model, CallStatus(status), latency_ms, retry_after_ms)
