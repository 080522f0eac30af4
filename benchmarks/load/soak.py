"""Mixed traffic for a long time at about half the knee, with activations, and what the server took meanwhile.

    scripts/bench soak                  half an hour, then some calls that are given up and texts of every length
    scripts/bench soak --minutes 3      a look
    scripts/bench soak --long           100,000 of either afterwards

Writes benchmarks/results/soak.json and the section of docs/performance.md that shows it.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.catalogs import Catalog, published
from benchmarks.child import child
from benchmarks.family import Family
from benchmarks.load import mixture, verdict
from benchmarks.load.activations import Activating, two_revisions
from benchmarks.load.bench import add_places
from benchmarks.load.every import Every
from benchmarks.load.mixture import SERVICE, Plan
from benchmarks.load.page import render
from benchmarks.load.verdict import Sample
from benchmarks.load.workload import prompts, short
from benchmarks.machine import ROOT, commit_of, machine
from benchmarks.serving import ServerUnderTest
from fingerpost.v1 import router_service_pb2 as pb

_ACTIVATION_SECONDS = 60.0
_SAMPLE_SECONDS = 5.0
_KNEE_SHARE = 0.7  # of the ceiling, about; random arrivals queue long before
_CEILING_SECONDS = 10.0
_CALLERS = 16

_CACHE_BYTES = 16_777_216
"""So small that it is full before the warm-up is over, for all that activations empty it."""

_WARM_UP = 2_000  # calls given up, before memory is read
_CANCELLED, _LENGTHS = 5_000, 1_000
_LONG = 100_000

Tick = Callable[[float], None]
"""Told how many more steps are done."""


@dataclass(frozen=True, slots=True)
class _Soak:
    """A server under mixed traffic."""

    server: ServerUnderTest
    texts: tuple[str, ...]
    prompts: tuple[str, ...]
    pipe: Connection

    @property
    def family(self) -> Family:
        return Family(self.server.pid)

    def sample(self, began: float) -> Sample:
        family = self.family
        return Sample(time.monotonic() - began, family.anonymous_bytes / 1e6, family.descriptors, family.threads)

    def mixed(self, rate: float, seconds: float, seed: int, tick: Tick) -> dict[str, Any]:
        """Traffic at a rate, from the process of its own."""
        self.pipe.send(Plan(self.server.address, self.texts, self.prompts, rate, seconds, seed=seed))
        shown = 0.0
        while not self.pipe.poll(1.0):
            tick(1.0)
            shown += 1.0
        tick(seconds - shown)
        found = self.pipe.recv()
        if isinstance(found, str):
            raise RuntimeError(f"the traffic failed: {found}")
        return dict(found)


def main() -> None:
    given = _arguments()
    catalog = published(given.sets, given.work, 1_500, [given.encoders])
    texts, long_ones = tuple(short(given.sets)), tuple(prompts(given.sets))
    revisions = two_revisions(catalog)
    with (
        ServerUnderTest(catalog.data, {"cache_bytes": _CACHE_BYTES}) as server,
        child(mixture.serve) as pipe,
        _bars() as bars,
    ):
        results = _measure(_Soak(server, texts, long_ones, pipe), catalog, revisions, given, bars)
    given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    _show(results)
    render(json.loads(given.load.read_text(encoding="utf-8")), given.page, results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="of mixed traffic")
    parser.add_argument("--long", action="store_true", help=f"{_LONG:,} calls given up and texts of every length")
    parser.add_argument("--rate", type=float, help="calls a second; default: about half the knee, measured first")
    add_places(parser, "soak.json")
    parser.add_argument(
        "--load", type=Path, default=ROOT / "benchmarks/results/load.json", help="the page's other part"
    )
    return parser.parse_args()


def _measure(
    soak: _Soak, catalog: Catalog, revisions: tuple[str, str], given: argparse.Namespace, bars: Progress
) -> dict[str, Any]:
    rate = given.rate or _KNEE_SHARE / 2 * asyncio.run(_ceiling(soak))
    seconds, began, samples = 60 * given.minutes, time.monotonic(), list[Sample]()
    before = soak.server.metrics()
    tick = _ticking(bars, "mixed traffic", seconds)
    with (
        Activating(catalog, revisions, _ACTIVATION_SECONDS) as activating,
        Every(_SAMPLE_SECONDS, lambda: samples.append(soak.sample(began))),
    ):
        found = soak.mixed(rate, seconds, 1, tick)
    time.sleep(1)
    counted = soak.server.metrics().since(before).by("fingerpost_calls_total", "code")
    given_up, texts = (_LONG, _LONG) if given.long else (_CANCELLED, _LENGTHS)
    verdicts = [
        verdict.memory(samples),
        verdict.flat("descriptors", [one.descriptors for one in samples], verdict.SPARE_DESCRIPTORS),
        verdict.flat("threads", [one.threads for one in samples], verdict.SPARE_THREADS),
        verdict.p99(found["tenths_p99_ms"]),
        verdict.codes_seen(found["codes"]),
        verdict.counters(found["codes"], counted),
        verdict.cancelled(given_up, _grown(soak, given_up, bars)),
        verdict.lengths(texts, _lengths(soak, texts, bars)),
        _left(soak),
    ]
    return {
        "commit": commit_of("server", "benchmarks/load"),
        "command": f"scripts/bench soak --minutes {given.minutes:g}" + (" --long" if given.long else ""),
        "machine": machine(),
        "minutes": given.minutes,
        "rate_per_s": round(rate, 1),
        "activations": activating.count,
        "traffic": found,
        "samples": [asdict(one) for one in samples[:: max(1, len(samples) // 60)]],
        "verdicts": [one.row() for one in verdicts],
    }


def _left(soak: _Soak) -> verdict.Verdict:
    now = soak.server.metrics()
    return verdict.nothing_left(now.sum("fingerpost_in_flight_requests"), now.sum("fingerpost_queue_jobs"))


# --- Parts --------------------------------------------------------------------------------------------------------


async def _ceiling(soak: _Soak) -> float:
    """Calls a second of a few callers who each wait for their answer; texts that the cache does not know."""
    ends, count = time.monotonic() + _CEILING_SECONDS, 0

    async def caller(stub: Any, name: int) -> None:  # noqa: ANN401
        nonlocal count
        number = 0
        while time.monotonic() < ends:
            number += 1
            text = f"{soak.texts[number % len(soak.texts)]} ceiling {name} {number}"
            code = await mixture.ended(stub, pb.RouteRequest(text=text).SerializeToString())
            count += code == "OK"

    await _callers(soak, "Route", caller)
    return count / _CEILING_SECONDS


def _grown(soak: _Soak, calls: int, bars: Progress) -> float:
    """MB of memory over so many calls that are given up at random points, after a warm-up."""
    tick = _ticking(bars, "calls given up", _WARM_UP + calls)
    asyncio.run(_give_up(soak, _WARM_UP, tick))
    before = soak.family.anonymous_bytes
    asyncio.run(_give_up(soak, calls, tick))
    return (soak.family.anonymous_bytes - before) / 1e6


async def _give_up(soak: _Soak, calls: int, tick: Tick) -> None:
    async def caller(stub: Any, name: int) -> None:  # noqa: ANN401
        chance = random.Random(name)  # noqa: S311
        for number in range(calls // _CALLERS):
            body = pb.RouteRequest(text=f"given up {name} {number} {chance.random()}").SerializeToString()
            await mixture.ended(stub, body, chance.random() * 0.006)
            tick(1.0)

    await _callers(soak, "Route", caller)


def _lengths(soak: _Soak, texts: int, bars: Progress) -> float:
    """Memory after so many texts of any length over that after one of each size."""
    tick = _ticking(bars, "texts of every length", texts)
    asyncio.run(_ask(soak, [1, 8, 64, 256, 512] * 4, lambda _: None))
    before = soak.family.anonymous_bytes
    chance = random.Random(1)  # noqa: S311
    asyncio.run(_ask(soak, [chance.randint(1, 512) for _ in range(texts)], tick))
    return soak.family.anonymous_bytes / before


async def _ask(soak: _Soak, lengths: Sequence[int], tick: Tick) -> None:
    left = iter(enumerate(lengths))

    async def caller(stub: Any, name: int) -> None:  # noqa: ANN401
        for number, length in left:
            words = ["why", f"{name}x{number}", *["does", "my", "loop", "never", "end"] * (length // 5 + 1)][:length]
            if await mixture.ended(stub, pb.RouteRequest(text=" ".join(words)).SerializeToString()) != "OK":
                await asyncio.sleep(0.1)  # refused, as it should be when the queue is long
            tick(1.0)

    await _callers(soak, "Route", caller, 4)


async def _callers(soak: _Soak, method: str, caller: Any, count: int = _CALLERS) -> None:  # noqa: ANN401
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(mixture.channel(soak.server.address)) for _ in range(count)]
        stubs: list[Any] = [one.unary_unary(f"{SERVICE}/{method}") for one in channels]
        await asyncio.gather(*(caller(stub, name) for name, stub in enumerate(stubs)))


# --- Showing ------------------------------------------------------------------------------------------------------


def _bars() -> Progress:
    columns = (TextColumn("{task.description:22}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _ticking(bars: Progress, name: str, total: float) -> Tick:
    task = bars.add_task(name, total=total)
    return lambda steps: bars.advance(task, steps)


def _show(results: dict[str, Any]) -> None:
    table = Table("what", "bound", "measured", "")
    for row in results["verdicts"]:
        table.add_row(row["what"], row["bound"], row["measured"], row["said"])
    Console().print(table)


if __name__ == "__main__":
    main()
