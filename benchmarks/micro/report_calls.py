"""Counts reports a second that a server takes, each durable in SQLite before it is acknowledged.

    .venv/bin/python -m benchmarks.micro.report_calls DATA [--reports 20000] [--at-once 4]

DATA is a published data folder, such as `data`; a copy of it is served. Reports come in calls of 256, so many at once,
from this process; each is of a decision of its own, without an account of a budget and then with two. Afterwards the
ledger is read: what was acknowledged must be there.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc

from benchmarks.serving import ServerUnderTest
from fingerpost.backends.ledger.opening import open_database
from fingerpost.backends.ledger.reports import SqlReports
from fingerpost.backends.ledger.treasury import SqlTreasury
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.key_file import key_in
from fingerpost.serve.decision_id import Claims, DecisionIds, name_hash, new_key
from fingerpost.types import AccountKey, Debit, Want
from fingerpost.v1 import outcome_service_pb2 as pb
from fingerpost.v1.outcome_service_pb2_grpc import OutcomeServiceStub

_BATCH = 256
_LEAST = 2_000
"""Reports a second."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--reports", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=4, help="calls under way at a time")
    given = parser.parse_args()
    slowest = float("inf")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(shutil.copytree(given.data, Path(folder) / "data", ignore=shutil.ignore_patterns("*.sock")))
        data = DataFolder(root)
        with ServerUnderTest(root, {"admin_listen": "none"}) as server:
            for name, debits in (("without a budget", ()), ("settling two accounts", _accounts(data))):
                took = asyncio.run(_reported(server.address, _requests(data, debits, given.reports), given.at_once))
                slowest = min(slowest, given.reports / took)
                print(f"{given.reports:,} reports {name}: {took:.2f} s, {given.reports / took:,.0f} a second")
        _check(data, 2 * given.reports)
    if slowest < _LEAST:
        sys.exit(f"report_calls: {slowest:,.0f} a second are fewer than {_LEAST:,}")


def _accounts(data: DataFolder) -> tuple[Debit, ...]:
    """Two accounts with enough taken out of them."""
    database = open_database(data.ledger, data.store)
    keys = [AccountKey("default", "benchmark", holder, 0) for holder in ("one", "two")]
    wants = [Want(uuid.uuid4().hex, key, 4_000_000_000, 10**12, True, 10**11) for key in keys]
    given = SqlTreasury(database).lease("benchmark", wants)
    database.close()
    return tuple(Debit(one.account, 300) for one in given)


def _requests(data: DataFolder, debits: tuple[Debit, ...], count: int) -> Sequence[pb.ReportOutcomesRequest]:
    ids, now_s = DecisionIds(key_in(data.decision_key)), int(time.time())
    catalog, route = name_hash("default"), name_hash("code")
    names = [ids.name(Claims(new_key(), now_s, catalog, route, debits=debits), "") for _ in range(count)]
    items = [
        pb.ReportOutcomeRequest(
            report=pb.OutcomeReport(
                decision_id=name,
                model="coder",
                status=pb.CALL_STATUS_OK,
                input_tokens=800,
                output_tokens=200,
                cost_usd_micros=250,
                latency_ms=900,
                verdict=pb.VERDICT_GOOD_FIT,
            )
        )
        for name in names
    ]
    return [pb.ReportOutcomesRequest(requests=items[at : at + _BATCH]) for at in range(0, count, _BATCH)]


async def _reported(address: str, requests: Sequence[pb.ReportOutcomesRequest], at_once: int) -> float:
    """Seconds until all are acknowledged."""
    waiting = list(requests)

    async def caller() -> None:
        stub: Any = OutcomeServiceStub(channel)
        while waiting:
            reply = await stub.ReportOutcomes(waiting.pop(), timeout=60)
            if not all(one.HasField("response") and not one.response.repeated for one in reply.results):
                raise SystemExit(f"report_calls: not kept: {reply.results[0]}")

    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(at_once)))
        return time.perf_counter() - began


def _check(data: DataFolder, count: int) -> None:
    database = open_database(data.ledger, data.store)
    kept = len(SqlReports(database).reports())
    database.close()
    if kept != count:
        raise SystemExit(f"report_calls: {count:,} were acknowledged and {kept:,} are there")


if __name__ == "__main__":
    main()
