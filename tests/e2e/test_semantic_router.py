"""The three classes together, with a real server of the starter routes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from semantic_router import Chain, IndexedRouter, Merge, Route

from fingerpost.client import Client, Options
from fingerpost.integrations.semantic_router import FaissIndex, FingerpostEncoder, RemoteRouter
from tests.processes import ServerProcess

GARDEN = Route(
    name="garden",
    utterances=["when should I prune my roses", "how often do tomatoes need water", "which plants like shade"],
    confidence_threshold=0.3,
)
CODE, ROSES = "why does my python loop never end", "when do I prune climbing roses"


@pytest.fixture(scope="module")
def garden(published: Path) -> Any:
    """A router in this process for what the server has no route for."""
    return IndexedRouter(encoder=FingerpostEncoder(data=published, threads=1), routes=[GARDEN], index=FaissIndex())


def test_a_chain_of_the_server_and_a_local_router(starter: ServerProcess, garden: Any) -> None:
    """The server answers what it knows with its own confidence, the local router the rest, awaited or not."""
    with RemoteRouter(starter.address) as remote, Client(starter.address, timeout_seconds=30) as client:
        decision = client.route(CODE)
        chain = Chain([remote, garden])
        for choice in (chain(CODE), asyncio.run(chain.acall(CODE))):
            assert (choice.name, choice.confidence) == ("code", decision.confidence)
        assert client.route(ROSES).outcome == "FALLBACK"
        assert remote(ROSES).name is None
        assert (chain(ROSES).name, asyncio.run(chain.acall(ROSES)).name) == ("garden", "garden")


def test_a_merge_of_both(starter: ServerProcess, garden: Any) -> None:
    """Half the server's confidence and half the other's score, route by route."""
    with RemoteRouter(starter.address) as remote, Client(starter.address, timeout_seconds=30) as client:
        decision = client.route(CODE, Options(alternatives_count=20))
        expected = {a.route: (a.confidence or 0.0) / 2 for a in decision.alternatives}
        expected["garden"] = garden(CODE, threshold=-1.0).confidence / 2
        told = {choice.name: choice.confidence for choice in Merge([remote, garden])(CODE, limit=None, threshold=-1.0)}
        assert {name: told[name] for name in expected} == pytest.approx(expected)
        assert set(told) == {route.name for route in remote.routes} | {"garden"}
