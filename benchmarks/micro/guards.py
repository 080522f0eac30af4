"""Times what budgets, breakers and experiments cost a decision, in this process, where nothing else hides it.

    .venv/bin/python -m benchmarks.micro.guards DATA [--rounds 3000]

DATA is a published data folder whose models have prices, such as `data`; a copy of it is used. Catalogs that differ in
their policy alone take turns, one decision each, on texts whose results are cached: what is left is the decision. Money
comes from a ledger in SQLite beside, as in a server. Medians and 95th percentiles, and what each adds to the first.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from fingerpost.backends.engine.process import EngineProcess
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.keeping import Keeping, KeptTreasury
from fingerpost.bootstrap.serving import SnapshotOpener
from fingerpost.serve.cache import ResultCache
from fingerpost.serve.decision_id import DecisionIds
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.guards import Guards
from fingerpost.serve.pipeline import Pipeline
from fingerpost.serve.plan import Plan
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.spending import Spending
from fingerpost.types import (
    Arm,
    Budget,
    BudgetOf,
    BudgetPer,
    CallStatus,
    Demands,
    Experiment,
    ExperimentUnit,
    GuardedMeasure,
    Guardrail,
    Policy,
    RouteQuery,
    WhenSpent,
)

_TEXTS = tuple(f"why does my loop number {number} never end" for number in range(50))
_TENANTS = 20
_ENOUGH = 10**12

_MOST_MS = 0.1
"""What all together may add to the median."""

_BUDGETS = (
    Budget("all", BudgetOf.CATALOG, BudgetPer.MONTH, _ENOUGH, WhenSpent.REFUSE),
    Budget("tenants", BudgetOf.TENANT, BudgetPer.DAY, _ENOUGH, WhenSpent.CHEAPEST),
    Budget("routes", BudgetOf.ROUTE, BudgetPer.DAY, _ENOUGH, WhenSpent.DOWNGRADE),
    Budget("models", BudgetOf.MODEL, BudgetPer.HOUR, _ENOUGH, WhenSpent.ALERT),
)


def _experiments(snapshot: Snapshot) -> tuple[Experiment, ...]:
    """One of all requests by session, and one of a route by tenant, both watched."""
    watched = (Guardrail(GuardedMeasure.FALLBACK_SHARE, max=0.999), Guardrail(GuardedMeasure.ERROR_SHARE, max=0.5))
    halves = (Arm("a", 50.0), Arm("b", 50.0))
    models = (Arm("own", 50.0), Arm("fallback", 50.0, model=snapshot.decider.policy.fallback_model))
    route = snapshot.decider.routes[0].name
    return (
        Experiment("all", None, ExperimentUnit.SESSION, halves, watched),
        Experiment("route", route, ExperimentUnit.TENANT, models, watched),
    )


def _policies(snapshot: Snapshot) -> Mapping[str, Policy]:
    plain = replace(snapshot.decider.policy, budgets=(), experiments=())
    return {
        "nothing": plain,
        "breakers, two models open": plain,
        "four budgets": replace(plain, budgets=_BUDGETS),
        "two experiments": replace(plain, experiments=_experiments(snapshot)),
        "all of it": replace(plain, budgets=_BUDGETS, experiments=_experiments(snapshot)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=3_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(shutil.copytree(given.data, Path(folder) / "data", ignore=shutil.ignore_patterns("*.sock")))
        times = asyncio.run(_measured(DataFolder(data), given.rounds))
    added = _show(times)
    if added > _MOST_MS:
        sys.exit(f"guards: {added:.3f} ms are more than {_MOST_MS}")


async def _measured(data: DataFolder, rounds: int) -> Mapping[str, list[float]]:
    """Milliseconds of decisions, by catalog."""
    engine = EngineProcess(1, lambda passed: _engine(data, passed))
    keeping, runtime = Keeping(data), Runtime()
    await asyncio.gather(engine.start(), asyncio.to_thread(keeping.open))
    queue = EmbedQueue(engine.lanes, 60.0, 60.0)
    guards = Guards(Spending(KeptTreasury(keeping)))
    spending = asyncio.create_task(guards.spending.run())
    try:
        snapshot = await SnapshotOpener(data, engine).open(data.active("default"))
        cache = ResultCache(1 << 28, 3_600, time.monotonic)
        policies = _policies(snapshot)
        for catalog, policy in policies.items():
            plan = Plan.of(replace(snapshot.decider, policy=policy))
            shown = replace(snapshot, plan=plan, activation=replace(snapshot.activation, catalog=catalog))
            runtime.swap(shown)
            cache.activate(catalog, [shown.revision])
        pipeline = Pipeline(runtime, queue, cache, guards, DecisionIds())
        for catalog in ("breakers, two models open", "all of it"):
            _break(guards, runtime.get(catalog))
        return await _in_turns(pipeline, list(policies), rounds)
    finally:
        spending.cancel()
        await guards.spending.close()
        queue.close()
        await engine.close()
        keeping.close()


def _engine(data: DataFolder, passed: Sequence[int]) -> list[str]:
    return [sys.executable, "-m", "fingerpost.bootstrap.engine", str(data.root), "text", *map(str, passed)]


def _break(guards: Guards, snapshot: Snapshot) -> None:
    """Two models are left alone, so that each decision has to pass over them."""
    breakers, names = guards.of(snapshot).breakers, [route.model for route in snapshot.decider.routes]
    for name in list(dict.fromkeys(names))[:2]:
        breakers.report(name, CallStatus.MISCONFIGURED, time.monotonic())


async def _in_turns(pipeline: Pipeline, catalogs: list[str], rounds: int) -> Mapping[str, list[float]]:
    times: dict[str, list[float]] = {catalog: [] for catalog in catalogs}
    for number in range(-len(_TEXTS), rounds):
        for catalog in catalogs:
            query = RouteQuery(
                f"r{number}",
                catalog,
                _TEXTS[number % len(_TEXTS)],
                tenant=f"tenant {number % _TENANTS}",
                session_id=f"session {number}",
                demands=Demands(input_tokens=200, output_tokens=300),
            )
            began = time.perf_counter()
            await pipeline.route(query, time.monotonic() + 60)
            if number >= 0:  # before that each text was seen for the first time
                times[catalog].append((time.perf_counter() - began) * 1e3)
    return times


def _show(times: Mapping[str, list[float]]) -> float:
    """Print a table; what all together add to the median, milliseconds."""
    table = Table(box=None, title="milliseconds of a decision whose result is cached")
    for column in ("guards", "p50", "p95", "adds to p50"):
        table.add_column(column, justify="left" if column == "guards" else "right")
    middles = {catalog: median(values) for catalog, values in times.items()}
    base = middles["nothing"]
    for catalog, values in times.items():
        high = quantiles(values, n=20)[18]
        table.add_row(catalog, f"{middles[catalog]:.3f}", f"{high:.3f}", f"{middles[catalog] - base:+.3f}")
    Console().print(table)
    return middles["all of it"] - base


if __name__ == "__main__":
    main()
