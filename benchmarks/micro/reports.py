"""What it costs to keep reports for good: reports a second by the size of a batch, each settling one debit.

    .venv/bin/python -m benchmarks.micro.reports [--store postgresql://USER@HOST/NAME] [--seconds 5]

A batch is one transaction that is on the disk before it is called done (SQLite: synchronous FULL). Batches of each size
come in turns, so that a busy disk or machine slows all of them. The database must be empty: what is written stays
there. Without --store only SQLite is measured, in a folder of TMPDIR, which must be on a disk.
"""

import argparse
import hashlib
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from fingerpost.backends.ledger.opening import open_database
from fingerpost.backends.ledger.reports import SqlReports
from fingerpost.backends.ledger.treasury import SqlTreasury
from fingerpost.types import AccountKey, CallStatus, CostSource, Debit, Report, ReportRow, Verdict, Want

_SIZES = (1, 16, 128, 512)
_TURN_SECONDS = 0.25
_ACCOUNTS = 20
_SLICE_USD_MICROS = 10**12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="", help="URL of an empty PostgreSQL database")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each size of a batch")
    given = parser.parse_args()
    for store in ["", given.store] if given.store else [""]:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder) / "ledger.sqlite", store, given.seconds)


def _measure(path: Path, store: str, seconds: float) -> None:
    database = open_database(path, store)
    rows = _rows(_accounts(SqlTreasury(database)))
    reports = SqlReports(database)
    rates: dict[int, list[float]] = {size: [] for size in _SIZES}
    latencies: dict[int, list[float]] = {size: [] for size in _SIZES}
    for size in itertools.islice(itertools.cycle(_SIZES), round(len(_SIZES) * seconds / _TURN_SECONDS)):
        took = _turn(reports, rows, size)
        latencies[size].extend(took)
        rates[size].append(size * len(took) / sum(took))
    database.close()
    single = median(rates[1])
    print(
        f"{'PostgreSQL' if store else 'SQLite'}: reports a second, each settled; medians of turns of {_TURN_SECONDS} s"
    )
    print(f"  {'batch':>6}{'reports/s':>12}{'x of one':>10}{'ms a batch':>12}")
    for size in _SIZES:
        rate = median(rates[size])
        print(f"  {size:>6}{rate:>12,.0f}{rate / single:>10.1f}{1_000 * median(latencies[size]):>12.1f}")


def _turn(reports: SqlReports, rows: Iterator[ReportRow], size: int) -> list[float]:
    """Seconds of each batch."""
    took: list[float] = []
    while sum(took) < _TURN_SECONDS:
        batch = list(itertools.islice(rows, size))
        started = time.perf_counter()
        reports.record(batch)
        took.append(time.perf_counter() - started)
    return took


def _accounts(treasury: SqlTreasury) -> list[int]:
    wants = [
        Want(f"slice {number}", AccountKey("default", "daily", f"tenant {number}", 0), 86_400, 2 * _SLICE_USD_MICROS,
             True, _SLICE_USD_MICROS)
        for number in range(_ACCOUNTS)
    ]  # fmt: skip
    return [one.account for one in treasury.lease("benchmark", wants)]


def _rows(accounts: list[int]) -> Iterator[ReportRow]:
    """Reports as services send them, each of another decision."""
    for number in itertools.count():
        tenant = number % _ACCOUNTS
        report = Report(
            decision_id=f"d1.{number:0>80}",
            model="coder",
            status=CallStatus.OK,
            input_tokens=1_200,
            output_tokens=340,
            latency_ms=1_800,
            verdict=Verdict.GOOD_FIT,
            score=0.9,
            label="code",
        )
        yield ReportRow(
            key=hashlib.blake2b(str(number).encode(), digest_size=12).hexdigest(),
            caller="spiffe://example/service",
            tenant=f"tenant {tenant}",
            catalog="default",
            report=report,
            decided_s=1_800_000_000,
            reported_us=1_800_000_002_000_000 + number,
            cost_usd_micros=1_234,
            cost_source=CostSource.TOKENS,
            route="code",
            arm="prices/cheap",
            unit=f"{number & 0xFFFFFFFF:08x}",
            debits=(Debit(accounts[tenant], 2_000),),
        )


if __name__ == "__main__":
    main()
