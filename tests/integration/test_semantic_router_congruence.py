"""Our search and three scores choose as semantic-router's IndexedRouter does, on real vectors of the starter routes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from semantic_router import IndexedRouter, Route
from semantic_router.encoders import DenseEncoder
from semantic_router.index import LocalIndex

from fingerpost.backends.index.selective import SelectiveVectors
from fingerpost.build.aggregate import TOP_K, Aggregation, aggregate
from fingerpost.build.load import load
from fingerpost.integrations.semantic_router import FaissIndex, FingerpostEncoder
from fingerpost.types import Vector

ROUTES = Path(__file__).parents[2] / "routes"
COUNT = 1000
_SHORT = 160  # characters; long texts take long to embed and show nothing that these do not
_SEED = 20

ADDED = ("please", "quickly", "not", "in python", "for my boss", "2024")


@dataclass(frozen=True)
class World:
    """The starter routes' short utterances, texts to ask, and the vectors of all."""

    utterances: Mapping[str, list[str]]  # by route
    asked: list[str]  # 1,000 distinct ones
    vectors: Mapping[str, Vector]


def varied(text: str, chance: np.random.Generator) -> str:
    """The text as somebody else might have typed it."""
    words = text.split()
    place, change = int(chance.integers(len(words))), int(chance.integers(4))
    if change == 0 and len(words) > 2:
        del words[place]
    elif change == 1:
        words = words[place:] + words[:place]
    elif change == 2:
        words[place] = words[place][::-1]
    else:
        words.insert(place, ADDED[chance.integers(len(ADDED))])
    return " ".join(words)


@pytest.fixture(scope="module")
def world(encoders_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("data")
    (folder / "encoders").symlink_to(encoders_folder)
    catalog = load(ROUTES).catalog
    utterances = {r.name: [u.text for u in r.utterances if len(u.text) <= _SHORT] for r in catalog.routes}
    tests = [case.text for route in catalog.routes for case in route.tests if len(case.text) <= _SHORT]
    known = [text for own in utterances.values() for text in own] + tests
    asked, chance = dict.fromkeys(tests), np.random.default_rng(_SEED)
    while len(asked) < COUNT:
        asked[varied(known[chance.integers(len(known))], chance)] = None
    texts = list(dict.fromkeys([*known, *asked]))
    made = FingerpostEncoder(data=folder)(texts)
    vectors = {text: np.array(vector, dtype=np.float32) for text, vector in zip(texts, made, strict=True)}
    return World(utterances, list(asked), vectors)


def library_choices(world: World, how: Aggregation, index: Any) -> list[str]:
    """What an IndexedRouter with that index chooses for every text."""

    class Known(DenseEncoder):  # type: ignore[misc]  # the library is not typed for us
        def __call__(self, docs: list[str]) -> list[list[float]]:
            return [world.vectors[text].tolist() for text in docs]

        async def acall(self, docs: list[str]) -> list[list[float]]:
            return self(docs)

    routes = [Route(name=name, utterances=own) for name, own in world.utterances.items()]
    router = IndexedRouter(encoder=Known(name="known"), routes=routes, index=index, aggregation=how.value)
    assert router.top_k == TOP_K

    async def choose() -> list[str]:
        return [(await router.acall(text)).name for text in world.asked]

    return asyncio.run(choose())


def own_choices(world: World, how: Aggregation) -> list[str]:
    """What our search and its score choose."""
    names = list(world.utterances)
    rows = [(number, text) for number, name in enumerate(names) for text in world.utterances[name]]
    index = SelectiveVectors(np.stack([world.vectors[text] for _, text in rows]))
    route_of = [number for number, _ in rows]
    chosen = []
    for text in world.asked:
        scores = aggregate(index.nearest(world.vectors[text], TOP_K), route_of, len(names), how)
        chosen.append(names[scores.index(max(scores))])
    return chosen


@pytest.mark.parametrize("how", Aggregation)
def test_choice_for_choice(world: World, how: Aggregation) -> None:
    """On 1,000 texts our score, an IndexedRouter with LocalIndex and one with FaissIndex agree on every one."""
    assert len(set(world.asked)) == COUNT
    library = library_choices(world, how, LocalIndex())
    assert len(set(library)) > 8
    assert own_choices(world, how) == library
    assert library_choices(world, how, FaissIndex()) == library


def test_the_three_scores_differ(world: World) -> None:
    """Each pair disagrees somewhere: that all three agree with the library is no accident."""
    chosen = {how: own_choices(world, how) for how in Aggregation}
    for one, other in ((Aggregation.MEAN, Aggregation.SUM), (Aggregation.SUM, Aggregation.MAX)):
        assert sum(a != b for a, b in zip(chosen[one], chosen[other], strict=True)) > 5
