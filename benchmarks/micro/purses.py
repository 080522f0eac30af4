"""How long a round over the purses of many tenants takes, and how long it keeps the event loop from calls.

    python -m benchmarks.micro.purses --tenants 20000

A SQLite ledger in a temporary folder; nobody else uses the loop, so that every lag is the round's.
"""

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.keeping import Keeping, KeptTreasury
from fingerpost.guard.budget import Purse
from fingerpost.serve.spending import Spending
from fingerpost.types import (
    Budget,
    BudgetOf,
    BudgetPer,
    Calibration,
    ConfidenceMap,
    Decider,
    Policy,
    VoteParameters,
    WhenSpent,
)

_ROUNDS = 5
_BUDGET = Budget("each", BudgetOf.TENANT, BudgetPer.MONTH, 1_000_000_000, WhenSpent.REFUSE)
_NO_MAP = ConfidenceMap(Calibration.NONE, 0.0, (), 0, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=20_000, help="purses, at most 20,000 are kept")
    given = parser.parse_args()
    table = Table("purses", "spent from", "round, ms", "longest lag, ms")
    with tempfile.TemporaryDirectory() as folder:
        for spent, took, lag in asyncio.run(_measured(Path(folder), given.tenants)):
            table.add_row(f"{given.tenants:,}", f"{spent:,}", f"{took * 1e3:.0f}", f"{lag * 1e3:.0f}")
    Console().print(table)


async def _measured(folder: Path, tenants: int) -> list[tuple[int, float, float]]:
    """How many purses were spent from, and the worst round's seconds and lag."""
    spending = Spending(KeptTreasury(Keeping(DataFolder(folder))))
    decider = Decider((), {}, Policy("none", budgets=(_BUDGET,)), VoteParameters(1, 1.0), _NO_MAP, 0.0)
    for number in range(tenants):
        spending.accounts("default", decider, f"tenant {number}")
    purses = spending.purses
    while unknown := [purse for purse in purses if purse.account is None]:
        spending.fill_ahead(unknown)
        await asyncio.sleep(0.1)
    gc.collect()
    gc.freeze()  # as a server does
    return [(spent, *await _worst(spending, purses[:spent])) for spent in (0, tenants // 20, tenants)]


async def _worst(spending: Spending, spent: Sequence[Purse]) -> tuple[float, float]:
    lags: list[float] = []
    watch, took = asyncio.create_task(_watch(lags)), 0.0
    for _ in range(_ROUNDS):
        for purse in spent:
            purse.take(1)
        began = time.perf_counter()
        await spending.round()
        took = max(took, time.perf_counter() - began)
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
    return took, max(lags)


async def _watch(lags: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        lags.append(time.perf_counter() - began - 0.001)


if __name__ == "__main__":
    main()
