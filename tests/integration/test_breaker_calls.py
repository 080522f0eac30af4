"""Breakers over real calls: models whose calls fail are left alone, as long as they must be, and tried again."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

import grpc
import pytest

from fingerpost.serve.decision_id import DecisionIds
from fingerpost.serve.guards import BreakerByHand, ByHand
from fingerpost.serve.runtime import Snapshot
from fingerpost.types import BreakerPosition, BreakerRules
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb
from tests.fakes import snapshot
from tests.integration.test_reports_calls import claims, signing_key
from tests.integration.test_tls import on_loop
from tests.money import with_policy
from tests.outcomes import Caller
from tests.serving import Served, refusal, serving

RULES = BreakerRules(cool_down_seconds=1, max_cool_down_seconds=600)

ORDER = ("code", "big", "middle")
"""Models that are tried for a request of the route `code`, in this order; the catalog has `maths` too."""


def failing(**rules: Any) -> Snapshot:
    """A catalog under these rules."""
    return with_policy(snapshot(), breakers=BreakerRules(**{"cool_down_seconds": 1, **rules}))


class Reporter(Caller):
    """Reports what models do, of decisions that nobody asked for."""

    def __init__(self, served: Served) -> None:
        super().__init__(served.channel)
        self._ids = DecisionIds(signing_key(served))

    async def say(self, model: str, *statuses: str, **told: Any) -> None:
        """As many reports as statuses, one after the other."""
        for status in statuses:
            await self.tell(self._ids.name(claims(), ""), status, model=model, **told)

    async def open(self) -> list[tuple[str, str, str]]:
        """Model, position and cause of breakers that are not closed, as GetServerInfo tells them."""
        [catalog] = (await self.info()).catalogs
        return [(one.model, one.position, one.cause) for one in catalog.open_breakers]


def skipped(reply: pb.RouteResponse) -> list[str]:
    """Models that are passed over since they are left alone."""
    return [one.model for one in reply.skipped_models if one.reason == decision_pb2.SKIP_REASON_BREAKER_OPEN]


def measured(served: Served, model: str) -> float:
    found = served.server.watch.metrics.registry.get_sample_value(
        "fingerpost_breaker_open", {"catalog": "default", "model": model}
    )
    return -1.0 if found is None else found


# --- Limits of providers ----------------------------------------------------------------------------------------------


@pytest.mark.fault("U2")
@on_loop
async def test_a_model_whose_provider_asks_for_it_is_left_alone() -> None:
    """For as long as it asked, never less; the others answer, and replies say why it was not the first one."""
    async with serving(failing()) as served:
        caller = Reporter(served)
        first = await caller.ask()
        assert (first.model, list(first.fallback_models)) == ("code", ["big", "middle"])
        began = time.monotonic()
        await caller.tell(first, "RATE_LIMITED", retry_after_ms=1_500)
        other = await caller.ask()
        assert (other.model, skipped(other)) == ("big", ["code"])
        assert list(other.fallback_models) == ["middle"]
        assert decision_pb2.REASON_BREAKER_OPEN in other.reasons
        assert await caller.open() == [("code", "open", "rate_limited")]
        assert measured(served, "code") == 1.0
        assert (await caller.ask("solve the equation")).model == "maths", "other routes notice nothing"
        while (await caller.ask()).model != "code":
            await asyncio.sleep(0.02)
        assert time.monotonic() - began >= 1.5
        assert await caller.open() == []
        assert measured(served, "code") == 0.0


@pytest.mark.fault("U2")
@on_loop
async def test_a_time_to_wait_has_bounds() -> None:
    """What a provider asks for counts up to the longest cool-down; without it a refusal is a failure like others."""
    async with serving(failing(max_cool_down_seconds=2, cool_down_seconds=1)) as served:
        caller = Reporter(served)
        await caller.say("code", "RATE_LIMITED", retry_after_ms=1_000_000_000)
        answer = await refusal_of_limited(caller)
        assert answer.retry_ms is not None
        assert 0 < answer.retry_ms <= 2_000
    async with serving(failing(consecutive_failures=3)) as served:
        caller = Reporter(served)
        await caller.say("code", "RATE_LIMITED", "RATE_LIMITED")
        assert (await caller.ask()).model == "code"
        await caller.say("code", "RATE_LIMITED")
        assert await caller.open() == [("code", "open", "consecutive")]


async def refusal_of_limited(caller: Reporter) -> Any:
    """What a call meets when the others are limited for ten minutes."""
    for model in ("big", "middle"):
        await caller.say(model, "RATE_LIMITED", retry_after_ms=600_000)
    return await refusal(caller.asking())


@pytest.mark.fault("U2")
@on_loop
async def test_all_that_could_answer_are_limited() -> None:
    """RESOURCE_EXHAUSTED only then, with the time until the first of them may be asked; one that is back answers."""
    async with serving(failing()) as served:
        caller = Reporter(served)
        for number, model in enumerate(ORDER):
            assert (await caller.ask()).model == model
            await caller.say(model, "RATE_LIMITED", retry_after_ms=300_000 + 1_000 * number)
        answer = await refusal(caller.asking())
        assert (answer.code.name, answer.reason, answer.infos) == ("RESOURCE_EXHAUSTED", "MODELS_RATE_LIMITED", 1)
        assert answer.retry_ms is not None
        assert 0 < answer.retry_ms <= 300_000
        assert int(answer.trailing["grpc-retry-pushback-ms"]) == answer.retry_ms
        assert all(model in answer.message for model in ORDER)
        assert (await caller.ask("solve the equation")).model == "maths"
        both = pb.RouteBatchRequest(requests=[pb.RouteRequest(text=text) for text in ("fix this bug", "add numbers")])
        items = (await served.stub.RouteBatch(both, timeout=20)).results
        assert [item.error.reason or item.response.model for item in items] == ["MODELS_RATE_LIMITED", "maths"]


# --- Models that fail -------------------------------------------------------------------------------------------------


@pytest.mark.fault("U8")
@on_loop
async def test_a_model_that_fails_half_of_its_calls() -> None:
    """Opened by the rate, not before there are enough calls; one call at a time tries it, and it stays away longer."""
    statuses = ["OK"] * 10 + ["SERVER_ERROR"] * 9
    random.Random(8).shuffle(statuses)  # noqa: S311
    async with serving(failing(consecutive_failures=100, failure_share=0.5, min_calls=20)) as served:
        caller = Reporter(served)
        await caller.say("code", *statuses)
        assert (await caller.ask()).model == "code", "19 calls are too few"
        began = time.monotonic()
        await caller.say("code", "TIMEOUT")
        assert (await caller.ask()).model == "big"
        assert await caller.open() == [("code", "open", "rate")]
        for cool_down in (1.0, 2.0):
            trial = await tried(caller)
            assert time.monotonic() - began >= cool_down
            assert await caller.open() == [("code", "half_open", "rate")]
            crowd, _ = await caller.ask_many(40)
            assert Counter(reply.model for reply in crowd) == {"big": 40}, "one tries it, and one alone"
            began = time.monotonic()
            await caller.tell(trial, "SERVER_ERROR")
            assert await caller.open() == [("code", "open", "rate")]
        breakers: Any = served.server.beside
        state = breakers.guards.of(served.server.runtime.get("default")).breakers.why("code", time.monotonic())
        assert (state.ejections, state.seconds_left <= 4) == (3, True)


async def tried(caller: Reporter) -> pb.RouteResponse:
    """The first decision that gives the model a call again."""
    while (reply := await caller.ask()).model != "code":
        await asyncio.sleep(0.02)
    return reply


@pytest.mark.fault("U8")
@on_loop
async def test_a_model_that_is_well_again() -> None:
    """A good trial closes it; what is reported late of calls from before changes nothing."""
    async with serving(failing(consecutive_failures=5)) as served:
        caller = Reporter(served)
        await caller.say("code", *["UNREACHABLE"] * 5)
        assert await caller.open() == [("code", "open", "consecutive")]
        await caller.say("code", "OK", "SERVER_ERROR")  # late
        assert await caller.open() == [("code", "open", "consecutive")]
        await caller.tell(await tried(caller))
        assert await caller.open() == []
        replies, _ = await caller.ask_many(20)
        assert {reply.model for reply in replies} == {"code"}


@on_loop
async def test_what_clients_do_opens_nothing() -> None:
    """Calls that were given up, wrong or filtered say nothing of a model, however many there are."""
    async with serving(failing(consecutive_failures=1, min_calls=1)) as served:
        caller = Reporter(served)
        for status in ("CANCELLED", "INVALID_REQUEST", "CONTENT_FILTERED"):
            await caller.say("code", *[status] * 40)
        assert await caller.open() == []
        calls = [caller.asking(request_id=f"given up {number}") for number in range(100)]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert (await caller.ask()).model == "code"


@pytest.mark.fault("U9")
@on_loop
async def test_all_models_fail() -> None:
    """Half of them may be left alone; the others are called on, and no request is refused for it or waits."""
    async with serving(failing(consecutive_failures=3, max_ejected_share=0.5, cool_down_seconds=600)) as served:
        caller = Reporter(served)
        for model in (*ORDER, "maths"):
            await caller.say(model, "SERVER_ERROR", "TIMEOUT", "UNREACHABLE", "SERVER_ERROR")
        assert await caller.open() == [("big", "open", "consecutive"), ("code", "open", "consecutive")]
        replies, refused = await caller.ask_many(50)
        assert ({reply.model for reply in replies}, refused) == ({"middle"}, [])
        assert {tuple(skipped(reply)) for reply in replies} == {("code", "big")}
        assert len(served.server.queue) == 0


@pytest.mark.fault("U9")
@on_loop
async def test_none_is_left() -> None:
    """Wrongly set up, or taken out by hand: no cap holds for that, and NO_HEALTHY_MODEL names what is the matter."""
    async with serving(failing(max_cool_down_seconds=60)) as served:
        caller = Reporter(served)
        for model in ORDER:
            await caller.say(model, "MISCONFIGURED")
        assert [cause for _, _, cause in await caller.open()] == ["misconfigured"] * 3
        answer = await no_model(caller)
        assert answer.retry_ms is not None
        assert 0 < answer.retry_ms <= 60_000

    async with serving(failing()) as served:
        caller, hands = Reporter(served), ByHand(breakers={model: taken_out() for model in ORDER})
        guards: Any = served.server.beside
        guards.guards.set_by_hand({"default": hands})
        answer = await no_model(caller)
        assert answer.retry_ms is None, "nobody knows when"
        assert [cause for _, _, cause in await caller.open()] == ["by_hand"] * 3
        guards.guards.set_by_hand({})
        assert (await caller.ask()).model == "code"


async def no_model(caller: Reporter) -> Any:
    answer = await refusal(caller.asking())
    assert (answer.code, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "NO_HEALTHY_MODEL")
    assert answer.metadata.items() >= dict.fromkeys(ORDER, "BREAKER_OPEN").items()
    return answer


def taken_out() -> BreakerByHand:
    return BreakerByHand(BreakerPosition.OPEN, None, "somebody")


@on_loop
async def test_reports_of_models_that_nobody_knows() -> None:
    """Are kept and counted as `other`; nothing else happens."""
    async with serving(failing(consecutive_failures=1)) as served:
        caller = Reporter(served)
        await caller.say("no such model", "SERVER_ERROR", "MISCONFIGURED")
        assert await caller.open() == []
        counted = served.server.watch.metrics.registry.get_sample_value(
            "fingerpost_reports_total", {"catalog": "default", "model": "other", "status": "SERVER_ERROR"}
        )
        assert counted == 1.0
