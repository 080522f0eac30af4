"""Experiments over real calls: who is in which arm, what answers there, and what a shadow does beside."""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fingerpost.serve.runtime import Snapshot
from fingerpost.types import (
    Activation,
    Arm,
    Experiment,
    ExperimentUnit,
    GuardedMeasure,
    Guardrail,
)
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb
from tests.fakes import GatedEmbedder, snapshot
from tests.integration.test_decision_log import rows
from tests.integration.test_tls import on_loop
from tests.money import with_policy
from tests.outcomes import TEXT, Caller
from tests.serving import Served, serving

OTHER = "b" * 64
GONE = "c" * 64


def by_model(unit: ExperimentUnit, weight: float = 50.0, **more: Any) -> Experiment:
    """Requests of the route `code` are split between its own model and `maths`."""
    arms = (Arm("as it is", 100.0 - weight), Arm("other", weight, model="maths"))
    return Experiment("models", "code", unit, arms, **more)


def by_revision(digest: str = OTHER, weight: float = 50.0, **more: Any) -> Experiment:
    arms = (Arm("control", 100.0 - weight), Arm("canary", weight, revision=digest))
    return Experiment("canary", None, ExperimentUnit.REQUEST, arms, **more)


def trying(*experiments: Experiment, others: Mapping[str, Snapshot] = {}, **given: Any) -> Snapshot:
    return with_policy(snapshot(**given), others=others, experiments=experiments)


def another(**given: Any) -> Snapshot:
    """Another revision, in which requests about code go to `maths`."""
    shown = with_policy(snapshot(routes={"maths": ["write a function", "fix this bug", "review my code"]}, **given))
    return replace(shown, activation=Activation("default", OTHER, 1))


async def replies_to(served: Served, requests: Sequence[pb.RouteRequest]) -> list[pb.RouteResponse]:
    """In batches, in order."""
    found: list[pb.RouteResponse] = []
    for at in range(0, len(requests), 250):
        batch = pb.RouteBatchRequest(requests=requests[at : at + 250])
        found += [item.response for item in (await served.stub.RouteBatch(batch, timeout=60)).results]
    return found


def near(count: int, whole: int, share: float) -> bool:
    """Whether chance would give as many in 99.99 % of such runs."""
    return abs(count - whole * share) < 4 * math.sqrt(whole * share * (1 - share))


def metric(served: Served, name: str, **labels: str) -> float:
    found = served.server.watch.metrics.registry.get_sample_value(name, {"catalog": "default", **labels})
    return -1.0 if found is None else found


# --- Arms -------------------------------------------------------------------------------------------------------------

_UNITS = 400


@pytest.mark.parametrize("unit", [ExperimentUnit.SESSION, ExperimentUnit.TENANT])
@on_loop
async def test_a_unit_stays_in_its_arm(unit: ExperimentUnit) -> None:
    """A session, or tenant, has one arm; arms are as large as they should be; another server agrees."""
    is_session = unit is ExperimentUnit.SESSION
    names = [f"unit {number % _UNITS}" for number in range(3 * _UNITS)]
    requests = [
        pb.RouteRequest(text=TEXT, session_id=name if is_session else "", tenant="" if is_session else name)
        for name in names
    ]
    shown = trying(by_model(unit, weight=30.0))
    settings: dict[str, Any] = {"cache_bytes": 1 << 20, "queue_burst_ms": 60_000, "queue_standing_ms": 60_000}
    async with serving(shown, **settings) as first, serving(shown, **settings) as second:
        replies, same = await replies_to(first, requests), await replies_to(second, requests[:_UNITS])
    arms: defaultdict[int, set[str]] = defaultdict(set)
    for number, reply in enumerate([*replies, *same]):
        assert reply.experiment.name == "models"
        assert reply.model == {"other": "maths", "as it is": "code"}[reply.experiment.arm]
        assert reply.experiment.propensity == pytest.approx({"other": 0.3, "as it is": 0.7}[reply.experiment.arm])
        assert (decision_pb2.REASON_EXPERIMENT in reply.reasons) == (reply.experiment.arm == "other")
        arms[number % _UNITS].add(reply.experiment.arm)
    assert {len(one) for one in arms.values()} == {1}
    assert near(sum(one == {"other"} for one in arms.values()), _UNITS, 0.3)


@on_loop
async def test_who_says_nothing_of_itself_is_in_no_arm() -> None:
    """Without a session, on another route, and where a rule or nobody is sure, all is as without the experiment."""
    async with serving(trying(by_model(ExperimentUnit.SESSION, weight=100.0))) as served:
        caller = Caller(served.channel)
        assert (await caller.ask(session_id="s")).experiment.arm == "other"
        for reply in (
            await caller.ask(),
            await caller.ask("solve the equation", session_id="s"),
            await caller.ask("zorbulate the quonk", session_id="s"),
        ):
            assert not reply.HasField("experiment")
            assert decision_pb2.REASON_EXPERIMENT not in reply.reasons


@on_loop
async def test_the_arm_stands_in_the_log_and_the_metrics(tmp_path: Path) -> None:
    """Each decision's row has experiment, arm and the arm's propensity, as its reply; the counts agree."""
    settings: dict[str, Any] = {"data": tmp_path / "data", "decision_log": str(tmp_path / "log")}
    async with serving(trying(by_model(ExperimentUnit.REQUEST, weight=25.0)), **settings) as served:
        caller = Caller(served.channel)
        replies, _ = await caller.ask_many(40)
        replies.append(await caller.ask("solve the equation"))
        counted = {arm: arm_count(served, "models", arm) for arm in ("other", "as it is")}
    told = {
        reply.decision_id: (reply.experiment.name, reply.experiment.arm, reply.experiment.propensity)
        for reply in replies
    }
    logged = {
        row["decision_id"]: (row["experiment"] or "", row["arm"] or "", row["arm_propensity"] or 0.0)
        for row in rows(tmp_path / "log")
    }
    assert logged == told
    by_arm = Counter(arm for _, arm, _ in told.values())
    assert counted == {arm: by_arm[arm] for arm in counted}
    assert min(counted.values()) > 0


def arm_count(served: Served, experiment: str, arm: str) -> float:
    return metric(served, "fingerpost_arm_decisions_total", experiment=experiment, arm=arm)


# --- Revisions --------------------------------------------------------------------------------------------------------


@on_loop
async def test_a_canary_decides_by_its_own_revision() -> None:
    """Its requests are answered with its digest and routes, from its own place in the cache; as many as should be."""
    shown = trying(by_revision(weight=20.0), others={OTHER: another()})
    settings: dict[str, Any] = {"cache_bytes": 1 << 20, "queue_burst_ms": 60_000, "queue_standing_ms": 60_000}
    async with serving(shown, **settings) as served:
        replies = await replies_to(
            served, [pb.RouteRequest(text=TEXT, request_id=f"r{number}") for number in range(500)]
        )
        by_arm: defaultdict[str, list[pb.RouteResponse]] = defaultdict(list)
        for reply in replies:
            by_arm[reply.experiment.arm].append(reply)
        assert near(len(by_arm["canary"]), 500, 0.2)
        assert {(one.revision, one.route, one.model) for one in by_arm["canary"]} == {(OTHER, "maths", "maths")}
        assert {(one.revision, one.route, one.model) for one in by_arm["control"]} == {("r" * 64, "code", "code")}
        caller = Caller(served.channel)
        later = [await caller.ask(request_id=f"later {number}") for number in range(60)]
        assert {(one.revision, one.cached) for one in later} == {(OTHER, True), ("r" * 64, True)}
        told = await caller.tell(next(one for one in later if one.revision == OTHER))
        assert not told.repeated


@on_loop
async def test_an_arm_whose_revision_is_not_there() -> None:
    """Is stopped, which metrics tell; its requests go to the first arm, with the propensity of that."""
    async with serving(trying(by_revision(GONE, weight=60.0), others={OTHER: another()})) as served:
        replies, refused = await Caller(served.channel).ask_many(40)
        assert not refused
        assert {(one.experiment.arm, one.experiment.propensity, one.model) for one in replies} == {
            ("control", 1.0, "code")
        }
        assert metric(served, "fingerpost_arm_stopped", experiment="canary", arm="canary") == 1.0
        assert metric(served, "fingerpost_arm_stopped", experiment="canary", arm="control") == 0.0


# --- Guardrails -------------------------------------------------------------------------------------------------------


@on_loop
async def test_a_guardrail_watches_decisions_too(tmp_path: Path) -> None:
    """An arm whose revision is sure of nothing is stopped by its share of fallbacks; no report is needed for that."""
    unsure = another()
    decider = unsure.decider
    routes = tuple(replace(route, threshold=1.0) for route in decider.routes)
    unsure = replace(unsure, plan=type(unsure.plan).of(replace(decider, routes=routes, threshold=1.0)))
    limit = Guardrail(GuardedMeasure.FALLBACK_SHARE, max=0.2)
    shown = trying(by_revision(weight=50.0, guardrails=(limit,)), others={OTHER: unsure})
    async with serving(shown, data=tmp_path) as served:
        caller, arms = Caller(served.channel), list[str]()
        for _ in range(400):
            arms.append((await caller.ask("please write a function of my own")).experiment.arm)
            if metric(served, "fingerpost_arm_stopped", experiment="canary", arm="canary") == 1.0:
                break
        assert arms.count("canary") >= 20, "not by a few"
        after, _ = await caller.ask_many(40)
        assert {reply.experiment.arm for reply in after} == {"control"}


@on_loop
async def test_a_guardrail_watches_reports(tmp_path: Path) -> None:
    """An arm whose calls fail is stopped; the first arm never is, however its calls end, since all others go there."""
    limit = Guardrail(GuardedMeasure.ERROR_SHARE, max=0.1)
    breakers = replace(snapshot().decider.policy.breakers, consecutive_failures=1_000, min_calls=1_000)
    shown = with_policy(
        snapshot(),
        experiments=(by_model(ExperimentUnit.REQUEST, guardrails=(limit,)),),
        breakers=breakers,
    )
    async with serving(shown, data=tmp_path) as served:
        caller = Caller(served.channel)
        replies, _ = await caller.ask_many(200)
        by_arm: defaultdict[str, list[pb.RouteResponse]] = defaultdict(list)
        for reply in replies:
            by_arm[reply.experiment.arm].append(reply)
        await caller.tell_batch(by_arm["as it is"], "SERVER_ERROR")
        assert metric(served, "fingerpost_arm_stopped", experiment="models", arm="as it is") == 0.0
        await caller.tell_batch(by_arm["other"][:10], "CANCELLED")  # says nothing of the model
        await caller.tell_batch(by_arm["other"][10:], "SERVER_ERROR")
        assert metric(served, "fingerpost_arm_stopped", experiment="models", arm="other") == 1.0
        after, _ = await caller.ask_many(40)
        assert {(reply.experiment.arm, reply.experiment.propensity) for reply in after} == {("as it is", 1.0)}


# --- Shadows ----------------------------------------------------------------------------------------------------------


async def shadowed(served: Served, count: int) -> dict[str, float]:
    """Counts of the shadow by result, once that many have ended."""
    while True:
        found = {
            result: metric(served, "fingerpost_shadow_decisions_total", experiment="shadow", result=result)
            for result in ("same", "other_route", "other_model", "dropped")
        }
        if sum(found.values()) >= count:
            return found
        await asyncio.sleep(0.02)


@on_loop
async def test_a_shadow_decides_too_and_serves_nothing() -> None:
    """Every reply is of the revision in force, in no arm; what the shadow would have done otherwise is counted."""
    shown = trying(Experiment("shadow", shadow=OTHER), others={OTHER: another()})
    async with serving(shown) as served:
        caller = Caller(served.channel)
        replies = [await caller.ask(request_id=f"r{number}") for number in range(20)]
        assert {(one.revision, one.model, one.HasField("experiment")) for one in replies} == {("r" * 64, "code", False)}
        assert await shadowed(served, 20) == {"same": 0, "other_route": 20, "other_model": 0, "dropped": 0}
    same = replace(snapshot(), activation=Activation("default", OTHER, 1))
    async with serving(trying(Experiment("shadow", shadow=OTHER), others={OTHER: same})) as served:
        await Caller(served.channel).ask()
        assert (await shadowed(served, 1))["same"] == 1


@on_loop
async def test_a_shadow_has_a_sample() -> None:
    """Only its share of requests; the others cost nothing."""
    shown = trying(Experiment("shadow", shadow=OTHER, share=25.0), others={OTHER: another()})
    async with serving(shown, cache_bytes=1 << 20) as served:
        caller = Caller(served.channel)
        for number in range(200):
            await caller.ask(request_id=f"r{number}")
        await caller.ask()
        counts = await shadowed(served, 1)
    assert near(round(sum(counts.values())), 200, 0.25)


@on_loop
async def test_a_shadow_has_no_time_while_requests_wait() -> None:
    """While a text waits for the embedding thread no shadow is begun: it is counted as dropped, and replies come."""
    held = GatedEmbedder()
    held.gate.set()
    shown = trying(Experiment("shadow", shadow=OTHER), others={OTHER: another()}, embedders=(held,))
    async with serving(shown, cache_bytes=1 << 20) as served:
        caller = Caller(served.channel)
        await caller.ask()
        before = await shadowed(served, 1)
        held.gate.clear()
        held.entered.clear()
        waiting = [caller.asking(f"fix this bug {number}") for number in range(3)]
        tasks = [asyncio.ensure_future(one) for one in waiting]
        await asyncio.to_thread(held.entered.wait, 20)
        while len(served.server.queue) < 2:
            await asyncio.sleep(0.01)
        replies = [await caller.ask() for _ in range(10)]  # from the cache
        assert {one.model for one in replies} == {"code"}
        counts = await shadowed(served, 11)
        assert counts["dropped"] - before["dropped"] == 10
        held.gate.set()
        await asyncio.gather(*tasks)


@on_loop
async def test_a_shadow_that_is_not_there() -> None:
    """Its revision cannot be served here: requests notice nothing, and it says why."""
    async with serving(trying(Experiment("shadow", shadow=GONE))) as served:
        assert (await Caller(served.channel).ask()).model == "code"
        accounting: Any = served.server.beside
        [state] = await asyncio.to_thread(accounting.live.experiments, "default")
        assert state.shadow.error == "its revision cannot be served here"
