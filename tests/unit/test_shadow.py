"""Shadows decide beside what serves: a few at a time, never in its way, and their faults are nobody's."""

import asyncio
from dataclasses import replace

from structlog.testing import capture_logs

from fingerpost.errors import FingerpostError, Unavailable
from fingerpost.serve.decide import decide
from fingerpost.serve.shadow import Shadows, ShadowTally
from fingerpost.types import Decision, Outcome
from tests.integration.test_tls import on_loop
from tests.unit.test_choosing import judged
from tests.unit.test_session import PLAN

SERVED = replace(decide(judged(0.9), PLAN), expected_usd_micros=300)


def test_what_differs_is_counted() -> None:
    """Route before model; outcome; and what it would cost more or less, where both are known."""
    tally = ShadowTally()
    for shadow in (
        SERVED,
        replace(SERVED, route="maths", model="maths"),
        replace(SERVED, model="big", expected_usd_micros=1_300),
        replace(SERVED, route=None, outcome=Outcome.FALLBACK, expected_usd_micros=None),
        replace(SERVED, expected_usd_micros=200),
    ):
        tally.compare(SERVED, shadow)
    state = tally.state("why")
    assert (state.decisions, state.other_route, state.other_model, state.other_outcome) == (5, 2, 1, 1)
    assert (state.cost_difference_usd_micros, state.dropped, state.error) == (1_000 - 100, 0, "why")


@on_loop
async def test_a_few_run_at_a_time() -> None:
    """What there is no time for is dropped and counted; nothing waits."""
    shadows, tally, gate = Shadows(lambda: False), ShadowTally(), asyncio.Event()

    async def decided() -> Decision:
        await gate.wait()
        return SERVED

    for _ in range(10):
        shadows.start(SERVED, tally, decided)
    assert (tally.decisions, tally.dropped) == (0, 6)
    gate.set()
    while tally.decisions < 4:
        await asyncio.sleep(0)
    for _ in range(3):  # until their places are free
        await asyncio.sleep(0)
    shadows.start(SERVED, tally, decided)
    while tally.decisions < 5:
        await asyncio.sleep(0)
    assert tally.dropped == 6


@on_loop
async def test_none_runs_while_requests_wait() -> None:
    """Not even the first."""
    shadows, tally = Shadows(lambda: True), ShadowTally()

    async def decided() -> Decision:
        raise AssertionError("it must not begin")

    shadows.start(SERVED, tally, decided)
    await asyncio.sleep(0)
    assert (tally.decisions, tally.dropped) == (0, 1)


@on_loop
async def test_a_shadow_that_fails_is_dropped() -> None:
    """By an error that is meant, or by a fault: others go on, and the loop hears of nothing."""
    shadows, tally, unheard = Shadows(lambda: False), ShadowTally(), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))

    async def fails(error: Exception) -> Decision:
        raise error

    errors: list[Exception] = [Unavailable("away"), FingerpostError("why"), ValueError("a fault"), TimeoutError()]
    with capture_logs() as logs:
        for error in errors:
            shadows.start(SERVED, tally, lambda error=error: fails(error))  # type: ignore[misc]
        while tally.dropped < len(errors):
            await asyncio.sleep(0)
    assert [line["event"] for line in logs] == ["shadow_dropped"] * 2 + ["shadow_failed"] * 2
    for _ in range(3):
        await asyncio.sleep(0)
    assert unheard == []


@on_loop
async def test_close_ends_all() -> None:
    """What runs is cancelled, and counts as nothing."""
    shadows, tally, begun = Shadows(lambda: False), ShadowTally(), asyncio.Event()
    ended = asyncio.Event()

    async def decided() -> Decision:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    shadows.start(SERVED, tally, decided)
    await begun.wait()
    shadows.close()
    await ended.wait()
    assert (tally.decisions, tally.dropped) == (0, 0)
