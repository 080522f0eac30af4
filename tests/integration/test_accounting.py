"""What stands between decisions and models, wired over a real data folder."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fingerpost.bootstrap.accounting import Accounting, accounting_of
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.errors import ErrorReason, NotFound
from fingerpost.serve.runtime import Runtime
from fingerpost.settings import Settings
from fingerpost.types import Arm, BreakerPosition, Experiment
from tests.integration.test_tls import on_loop
from tests.ledgers import sqlite_store
from tests.money import budget, spending

TRIAL = Experiment("trial", "code", arms=(Arm("control", 50.0), Arm("small", 50.0, model="middle")))


class Counts:
    def __init__(self) -> None:
        self.alerts: Counter[tuple[str, str, int]] = Counter()

    def alerted(self, catalog: str, budget: str, percent: int) -> None:
        self.alerts[catalog, budget, percent] += 1

    def alert_sent(self, result: str) -> None: ...


def accounting(root: Path) -> tuple[Accounting, Runtime]:
    root.mkdir(exist_ok=True)
    runtime = Runtime()
    runtime.swap(spending(budget(), experiments=(TRIAL,)))
    settings: dict[str, Any] = {"data": root}
    return accounting_of(Settings(**settings), DataFolder(root), runtime, Counts(), lambda row, model: None), runtime


@on_loop
async def test_what_runs_is_told_to_other_threads(tmp_path: Path) -> None:
    """Breakers and experiments as the loop has them; not before it has started, and not of other catalogs."""
    made, runtime = accounting(tmp_path / "data")
    with pytest.raises(RuntimeError, match="before the server has started"):
        made.live.breakers("default")
    made.start()
    guards = made.guards.of(runtime.get("default"))
    guards.breakers.set_by_hand("code", BreakerPosition.OPEN, None, "os:ann")
    states = await asyncio.to_thread(made.live.breakers, "default")
    assert [(one.model, one.position) for one in states if one.by_hand] == [("code", BreakerPosition.OPEN)]
    [experiment] = await asyncio.to_thread(made.live.experiments, "default")
    assert experiment.experiment == TRIAL
    for ask in (made.live.breakers, made.live.experiments):
        with pytest.raises(NotFound) as raised:
            await asyncio.to_thread(ask, "elsewhere")
        assert raised.value.reason == ErrorReason.CATALOG_NOT_FOUND
    await made.close()


@on_loop
async def test_what_is_unspent_is_back_when_it_is_closed(tmp_path: Path) -> None:
    """In the ledger of the folder, where the next start finds it; ids of decisions are known to it too."""
    made, runtime = accounting(tmp_path / "data")
    decider = runtime.get("default").decider
    [purse] = made.guards.spending.accounts("default", decider, "acme").common
    made.guards.spending.fill_ahead([purse])
    while not purse.left:
        await asyncio.sleep(0.001)
    purse.take(300)
    await made.close()
    with sqlite_store(tmp_path / "data") as store:
        [standing] = store.treasury().standings("default")
    assert (standing.used_usd_micros, standing.sliced_usd_micros) == (300, 0)
    again, _ = accounting(tmp_path / "data")
    assert again.ids.key == made.ids.key
    await again.close()
