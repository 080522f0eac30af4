"""RemoteRouter inside the real semantic-router, asking a real server."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from semantic_router import Chain, IndexedRouter, Merge, Route
from semantic_router.schema import RouteChoice

from fingerpost.client import AsyncClient, Options
from fingerpost.errors import InvalidRequest, NotFound, Unavailable
from fingerpost.integrations.semantic_router import RemoteRouter
from fingerpost.serve.runtime import Snapshot
from fingerpost.types import Activation, Calibration, ConfidenceMap
from tests.fakes import ROUTES, BrokenEmbedder, GatedEmbedder, snapshot
from tests.hashed_encoder import Hashed
from tests.serving import Served, serving

Answer = TypeVar("Answer")

NEAR, FAR = "fix this nasty bug", "zebra quartz"
UNSURE = ConfidenceMap(Calibration.POOLED, -9.0, (1.0, 0.3, 2.0), 100, 0.2)
"""Every confidence is far under the threshold."""


def local(*routes: str) -> Any:
    """A router of the library's own, whose routes each know their own name."""
    return IndexedRouter(encoder=Hashed(), routes=[Route(name=name, utterances=[name]) for name in routes])


def with_router(use: Callable[[Any, Served], Awaitable[Answer]], *snapshots: Snapshot, **settings: Any) -> Answer:
    """What comes of using a router of a server of these catalogs, of the tests' own when none is given."""

    async def run() -> Answer:
        async with serving(*(snapshots or (snapshot(),))) as served, RemoteRouter(served.address, **settings) as router:
            return await use(router, served)

    return asyncio.run(run())


def choice(name: str | None, confidence: float | None, *, calibrated: bool = True) -> RouteChoice:
    return RouteChoice(name=name, confidence=confidence, calibrated=calibrated)


async def confidences(served: Served, text: str) -> dict[str, float | None]:
    """As the client tells them, best first."""
    async with AsyncClient(served.address, timeout_seconds=30) as client:
        decision = await client.route(text, Options(alternatives_count=20))
    return {alternative.route: alternative.confidence for alternative in decision.alternatives}


def test_a_match_is_told_with_its_confidence() -> None:
    """The server's route and its very confidence, called a probability; from ordinary code the same as from a loop."""

    async def use(router: Any, served: Served) -> None:
        confidence = (await confidences(served, NEAR))["code"]
        assert await router.acall(NEAR) == choice("code", confidence)
        assert await asyncio.to_thread(router, NEAR) == choice("code", confidence)
        assert type((await router.acall(NEAR)).name) is str

    with_router(use)


def test_a_fallback_is_no_route() -> None:
    """Where the server falls back there is no name and no confidence."""

    async def use(router: Any, _: Served) -> None:
        assert await router.acall(FAR) == choice(None, None)
        assert await router.acall(FAR, limit=None) == []

    with_router(use)


def test_a_threshold_of_the_call_is_compared_with_the_confidences() -> None:
    """It stands for the server's own: all routes with none, in their order, and only the sure ones with a high one."""

    async def use(router: Any, served: Served) -> None:
        known = await confidences(served, NEAR)
        ranked = [choice(name, confidence) for name, confidence in known.items()]
        assert [c.name for c in ranked] == ["code", "maths"]
        assert await router.acall(NEAR, limit=None, threshold=0.0) == ranked
        assert await router.acall(NEAR, limit=1, threshold=0.0) == ranked[0]
        assert await router.acall(NEAR, limit=5, threshold=known["code"]) == ranked[:1]
        assert await router.acall(NEAR, limit=5) == ranked[:1]
        assert (await router.acall(FAR, threshold=0.0)).name in ROUTES
        assert await router.acall(NEAR, threshold=1.1) == choice(None, None)

    with_router(use)


def test_a_threshold_of_the_router_stands_for_the_servers_too() -> None:
    """A low one passes what the server would not, a high one refuses what it would take."""

    async def passed(router: Any, _: Served) -> list[str | None]:
        return [(await router.acall(text)).name for text in (NEAR, FAR)]

    assert with_router(passed, confidence_threshold=1.1) == [None, None]
    assert None not in with_router(passed, confidence_threshold=0.0)


def test_a_match_under_the_threshold_is_a_match() -> None:
    """A text that equals an utterance is taken by the server however unsure it is, also in the middle of a chain."""

    async def use(router: Any, served: Served) -> None:
        known = await confidences(served, "fix this bug")
        assert known["code"] is not None
        assert known["code"] < 0.1
        assert await router.acall("fix this bug") == choice("code", known["code"])
        chain = Chain([router, local("other")])
        chosen = await chain.acall("fix this bug")
        assert (chosen.name, chosen.confidence) == ("code", known["code"])
        assert (await chain.acall(NEAR)).name == "other"

    with_router(use, snapshot(confidence_map=UNSURE))


def test_without_a_calibration_nothing_is_called_a_probability() -> None:
    """The server decides by similarity; the score stands for the confidence and is called what it is."""
    uncalibrated = replace(UNSURE, calibration=Calibration.NONE)

    async def use(router: Any, served: Served) -> None:
        assert await confidences(served, NEAR) == {"code": None, "maths": None}
        matched = await router.acall(NEAR)
        assert (matched.name, matched.calibrated) == ("code", False)
        assert 0 < matched.confidence <= 1
        assert router.calibrated is False

    with_router(use, snapshot(confidence_map=uncalibrated))


def test_a_degraded_answer_is_a_fallback() -> None:
    """With a broken encoder in the server there is no route, and a chain asks its next router."""

    async def use(router: Any, _: Served) -> None:
        assert await router.acall(NEAR) == choice(None, None)
        assert await router.acall(NEAR, limit=None, threshold=0.1) == []
        assert (await Chain([router, local("backup")]).acall("backup")).name == "backup"

    with_router(use, snapshot(embedders=[BrokenEmbedder()]))


def test_errors_of_the_server_are_the_clients() -> None:
    """A text without words, an unknown catalog and a server that is not there raise what the client raises."""

    async def use(router: Any, served: Served) -> None:
        with pytest.raises(InvalidRequest):
            await router.acall(" ")
        with pytest.raises(InvalidRequest):
            await asyncio.to_thread(router, " ")
        with pytest.raises(InvalidRequest):
            await Chain([router, local("a")]).acall(" ")
        async with RemoteRouter(served.address, catalog="nowhere") as lost:
            with pytest.raises(NotFound):
                await lost.acall(NEAR)
            with pytest.raises(ValueError, match="no catalog nowhere"):
                await lost.arefresh()
        async with RemoteRouter("127.0.0.1:1", timeout_seconds=5) as alone:
            with pytest.raises(Unavailable):
                await alone.acall(NEAR)

    with_router(use)


def test_a_catalog_is_asked_by_its_name() -> None:
    """Two catalogs of one server are two routers, and their routes are told apart."""
    teams = snapshot(catalog="team", routes={"billing": ["pay the bill"], "moving": ["fix this bug"]})

    async def use(router: Any, served: Served) -> None:
        async with RemoteRouter(served.address) as plain:
            assert (await plain.acall("fix this bug")).name == "code"
        assert (await router.acall("fix this bug")).name == "moving"
        assert [route.name for route in router.routes] == ["billing", "moving"]

    with_router(use, snapshot(), teams, catalog="team")


def test_the_routes_are_the_servers() -> None:
    """They are known after a refresh or a call, follow a new revision, and cannot be changed from here."""

    async def use(router: Any, served: Served) -> None:
        assert router.routes == []
        await asyncio.to_thread(router.refresh)
        assert router.routes == [Route(name="code"), Route(name="maths")]
        for change in (router.aadd(Route(name="new")), router.aremove("code")):
            with pytest.raises(NotImplementedError, match="route files"):
                await change
        served.activations.snapshots["default"] = replace(
            snapshot(routes={"fixes": ["fix this bug"]}), activation=Activation("default", "s" * 64, 2)
        )
        end = time.monotonic() + 20
        while (await router.acall("fix this bug")).name != "fixes":
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
        assert router.routes == [Route(name="fixes")]

    with_router(use)


def test_it_is_not_written_to_a_file(tmp_path: Path) -> None:
    """Alone and within a chain the library says that it cannot be saved; nothing is written."""
    with RemoteRouter() as router:
        for saved in (router, Chain([router, router])):
            with pytest.raises(ValueError, match="RemoteRouter can't be saved"):
                saved.to_yaml(tmp_path / "router.yaml")
            with pytest.raises(ValueError, match="RemoteRouter can't be saved"):
                saved.to_json(tmp_path / "router.json")
    assert list(tmp_path.iterdir()) == []


def test_a_chain_asks_on_where_the_server_falls_back() -> None:
    """A match ends the chain; after a fallback the next router answers, in either order of the two."""

    async def use(router: Any, served: Served) -> None:
        sure = (await confidences(served, NEAR))["code"]
        first = Chain([router, local("zebra", "lion")])
        chosen = await first.acall(NEAR)
        assert (chosen.name, chosen.confidence) == ("code", sure)
        assert (await first.acall(FAR)).name == "zebra"
        assert (await asyncio.to_thread(first, FAR)).name == "zebra"
        last = Chain([local("zebra", "lion"), router], confidence_threshold=0.5)
        assert (await last.acall("zebra")).name == "zebra"
        assert (await last.acall(NEAR)).name == "code"
        assert (await last.acall("unheard of things")).name is None

    with_router(use)


def test_a_merge_takes_the_weighted_mean() -> None:
    """Of the server's confidence and the other router's score, for routes that both know or only one."""

    async def use(router: Any, served: Served) -> None:
        other = local("code", "lion")
        merged = Merge([router, other], weights=[3.0, 1.0])
        remote = await confidences(served, NEAR)
        indexed = {c.name: c.confidence for c in await other.acall(NEAR, limit=None)}
        expected = {name: (3 * (remote.get(name) or 0.0) + indexed.get(name, 0.0)) / 4 for name in {*remote, *indexed}}
        chosen = await merged.acall(NEAR, limit=None)
        assert {c.name: c.confidence for c in chosen} == pytest.approx(expected)
        assert chosen[0].name == "code"
        assert chosen[0].calibrated is False

    with_router(use)


def test_many_calls_and_fits_on_labelled_texts() -> None:
    """The library's evaluate and fit send many calls, with the fallback as the answer None."""

    async def use(router: Any, _: Served) -> None:
        texts, labels = [NEAR, "solve the equation please", FAR] * 20, ["code", "maths", None] * 20
        assert await router.aevaluate(texts, labels) == 1.0
        assert await asyncio.to_thread(router.evaluate, texts, labels) == 1.0
        report = await router.afit(texts, labels)
        assert (report.n, report.accuracy) == (60, 1.0)
        assert (await router.acall(NEAR)).name == "code"

    with_router(use)


def test_the_loop_is_free_while_the_server_decides() -> None:
    """A call in flight keeps nothing else from running."""
    gated = GatedEmbedder()

    async def use(router: Any, _: Served) -> None:
        call = asyncio.ensure_future(router.acall(NEAR))
        while not gated.entered.is_set():
            await asyncio.sleep(0.01)
        assert not call.done()
        gated.gate.set()
        assert (await call).name == "code"

    with_router(use, snapshot(embedders=[gated]))


def test_loops_one_after_the_other_share_a_router() -> None:
    """Each has a channel of its own, those of ended loops are let go, and ordinary calls go on between them."""

    async def use(router: Any, served: Served) -> None:
        def from_other_loops() -> list[str]:
            return [asyncio.run(router.acall(NEAR)).name for _ in range(3)] + [router(NEAR).name]

        assert (await router.acall(NEAR)).name == "code"
        assert await asyncio.to_thread(from_other_loops) == ["code"] * 4
        assert (await router.acall(NEAR)).name == "code"
        gc.collect()
        assert sum(type(each) is AsyncClient for each in gc.get_objects()) <= 2

    with_router(use)


def test_a_closed_router_says_so() -> None:
    """Closing twice does no harm; a call after it raises, whichever way it is made."""

    async def use(router: Any, _: Served) -> None:
        assert (await router.acall(NEAR)).name == "code"
        await router.aclose()
        router.close()
        with pytest.raises(ValueError, match="closed"):
            await router.acall(NEAR)
        with pytest.raises(ValueError, match="closed"):
            await asyncio.to_thread(router, NEAR)

    with_router(use)
