"""The load driver against a real server: what it counts is what the server did."""

import asyncio
from typing import Any

import pytest

from benchmarks.load.driver import Burst, Closed, Generator, Load, Open, Run, Target, generator
from benchmarks.load.schedule import Arrivals, due_times
from benchmarks.load.workload import HEALTH, ROUTE, requests
from tests.fakes import GatedEmbedder, HashEmbedder, snapshot
from tests.serving import serving

BODIES = requests(["fix this bug", "solve the equation"])


def drive(
    load: Load,
    embedder: HashEmbedder | None = None,
    *,
    bodies: tuple[bytes, ...] = BODIES,
    method: str = ROUTE,
    deadline_seconds: float = 60.0,
    **settings: Any,
) -> Run:
    """Run the load in its own process against a server in this one."""

    async def go(generating: Generator) -> Run:
        async with serving(snapshot(embedders=[embedder or HashEmbedder()]), **settings) as served:
            target = Target(served.address, method, bodies, connections=3, deadline_seconds=deadline_seconds)
            run = await asyncio.to_thread(generating.run, target, load)
            if isinstance(embedder, GatedEmbedder):
                embedder.gate.set()  # else the server would wait for it when it stops
            return run

    with generator() as generating:
        return asyncio.run(go(generating))


@pytest.mark.parametrize("arrivals", Arrivals)
def test_an_open_loop_sends_all_that_is_due(arrivals: Arrivals) -> None:
    """Every call of the schedule after the warm-up is counted, with its latency and the generator's lag."""
    load = Open(rate=100, seconds=1, warmup_seconds=0.5, arrivals=arrivals)
    due = due_times(arrivals, load.rate, 1.5, load.seed)
    run = drive(load)
    assert run.sent == len(run.ok) == run.in_time == sum(due >= 0.5)
    assert run.lag is not None
    assert len(run.lag) == run.sent
    assert sum(len(times) for window in run.windows for times in window.values()) == run.sent
    assert (run.ok.at(50) or 0) > 0


def test_a_closed_loop_asks_again_when_it_is_answered() -> None:
    """It offers what the server answers, so nothing is offered, late or refused."""
    load = Closed(callers=2, seconds=0.5, warmup_seconds=0.1)
    runs = (drive(load) for _ in range(5))
    run = next(run for run in runs if run.sent > 2)  # the first, unless the machine stood still for all that time
    assert run.sent == len(run.ok)
    assert (run.offered_per_s, run.lag, run.void) == (None, None, False)


def test_refusals_and_missed_deadlines_are_told_apart() -> None:
    """With three places and an encoder that is stuck, three calls run out of time and two are told when to retry."""
    run = drive(Burst(5), GatedEmbedder(), deadline_seconds=4.0, in_flight_calls=3)
    assert {code: len(times) for code, times in run.codes.items()} == {"DEADLINE_EXCEEDED": 3, "RESOURCE_EXHAUSTED": 2}
    assert run.pushback == 2
    assert run.in_time == 0


def test_other_codes_keep_their_names() -> None:
    """Requests that no server understands are INVALID_ARGUMENT, and an empty call of another service is OK."""
    assert set(drive(Burst(3), bodies=(b"\xff",)).codes) == {"INVALID_ARGUMENT"}
    assert set(drive(Burst(3), bodies=(b"",), method=HEALTH).codes) == {"OK"}


def test_a_server_that_is_gone_is_told() -> None:
    """The generator says what failed instead of hanging."""
    target = Target("127.0.0.1:1", ROUTE, BODIES, connections=1, connect_seconds=0.5)
    with generator() as generating, pytest.raises(RuntimeError, match="TimeoutError"):
        generating.run(target, Burst(1))
