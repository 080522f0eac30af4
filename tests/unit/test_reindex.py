"""Route files become a revision: what of them decides, and what does not."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.build.reindex import reindex
from fingerpost.serve.calibrate import judge
from fingerpost.serve.decide import decide
from fingerpost.serve.plan import Plan
from fingerpost.serve.revision_format import decode
from fingerpost.serve.score import score
from fingerpost.serve.search import Space, find
from fingerpost.types import Calibration, Decision, Outcome, Reason, Revision, Scores
from tests.fakes import HashEmbedder, MemoryCache
from tests.route_folders import write_folder
from tests.workshops import workshop

CACHE = MemoryCache()
"""The background's vectors, the same for every test."""

SHARED = [f"word{number}" for number in range(30)]


def utterances(route: str, count: int, seed: int = 0) -> list[str]:
    """Texts of words of the route's own, mixed with words that all routes use."""
    random = np.random.default_rng([seed, *route.encode()])
    own = [f"{route}{number}" for number in range(6)]
    return [" ".join([*random.choice(own, 2), *random.choice(SHARED, 4)]) for _ in range(count)]


ROUTES = {route: utterances(route, 20) for route in ("code", "maths", "poems", "trade")}


def folder_of(folder: Path, routes: Mapping[str, list[str]], **policy: object) -> Path:
    files = {
        f"{name}.yaml": json.dumps({"model": "coder", **({"utterances": texts} if texts else {})})
        for name, texts in routes.items()
    }
    return write_folder(folder, {**files, "_policy.yaml": json.dumps({"fallback_model": "strong", **policy})})


def published(folder: Path, routes: Path) -> Revision:
    """The revision that a reindex publishes, read back."""
    digest = reindex(routes, "default", workshop(folder, CACHE)).activation.revision
    return decode(digest, FileRevisionStore(folder / "revisions").read(digest))


def answered(revision: Revision, text: str) -> tuple[Scores, Decision]:
    """What is decided for a text with a revision."""
    index, decider = FaissFlatEngine().open(revision.index_bytes), revision.decider
    vector = HashEmbedder().embed_one(text).vector
    found = find(Space.of(index, revision.exemplars, revision.head), vector, decider.vote.neighbours)
    scores = score(found, revision.exemplars, decider.vote, decider.blend)
    return scores, decide(judge(scores, decider), Plan.of(decider))


@pytest.fixture(scope="module")
def revision(tmp_path_factory: pytest.TempPathFactory) -> Revision:
    folder = tmp_path_factory.mktemp("revision")
    return published(folder, folder_of(folder / "routes", ROUTES))


def test_a_revision_holds_all_that_was_learned(revision: Revision) -> None:
    """The head has a column a route, the maps are the catalog's own, and the blend is one of the tried."""
    assert revision.head is not None
    assert revision.head.linear.shape == (33, 4)
    assert revision.decider.confidence_map.calibration is Calibration.POOLED
    assert revision.decider.scope_map is not None
    assert revision.decider.promise is not None
    assert 0.0 <= revision.decider.blend <= 0.35


@pytest.mark.parametrize("seed", range(3))
def test_order_and_repetition_change_nothing(tmp_path: Path, revision: Revision, seed: int) -> None:
    """Other file names, shuffled lines and utterances written many times give the very same revision."""
    random = np.random.default_rng(seed)
    files = {}
    for number, name in enumerate(random.permutation(list(ROUTES)).tolist()):
        texts = ROUTES[name] * int(random.integers(1, 4)) if name != "poems" else ROUTES[name] * 7
        shuffled = random.permutation(texts).tolist()
        files[f"{number}-file.yaml"] = json.dumps({"name": name, "model": "coder", "utterances": shuffled})
    assert published(tmp_path, write_folder(tmp_path / "routes", files)).digest == revision.digest


def test_a_second_reindex_changes_nothing(tmp_path: Path) -> None:
    """The same files are the same revision, and its activation stays."""
    routes = folder_of(tmp_path / "routes", ROUTES)
    first, second = (reindex(routes, "default", workshop(tmp_path, CACHE)) for _ in range(2))
    assert (first.changed, second.changed) == (True, False)
    assert first.activation == second.activation


@pytest.mark.parametrize("scorer", ["auto", "vote", "linear"])
def test_an_utterance_goes_to_its_route(tmp_path: Path, scorer: str) -> None:
    """With every scorer a text that is an utterance of one route goes there, whatever its words say to the head."""
    strange = {route: [*texts, ROUTES["trade"][0] + " indeed"] for route, texts in ROUTES.items() if route == "poems"}
    revision = published(tmp_path, folder_of(tmp_path / "routes", {**ROUTES, **strange}, scorer=scorer))
    names = [route.name for route in revision.decider.routes]
    for exemplar in revision.exemplars:
        scores, decision = answered(revision, exemplar.text)
        assert (decision.outcome, decision.route) == (Outcome.MATCHED, names[exemplar.route])
        assert Reason.EXACT_MATCH in decision.reasons
        assert scores.routes[0].score == 1.0


@pytest.mark.parametrize("text", ["trade0 trade1 word3 word4", "something else entirely", utterances("code", 1, 9)[0]])
def test_an_utterance_added_wins_its_text(tmp_path: Path, revision: Revision, text: str) -> None:
    """Whatever a text scored before, once it is an utterance of a route it scores 1 there."""
    more = {**ROUTES, "maths": [*ROUTES["maths"], text]}
    after = answered(published(tmp_path, folder_of(tmp_path / "routes", more)), text)
    before = {route.route: route.score for route in answered(revision, text)[0].routes}
    assert after[1].route == "maths"
    assert after[0].routes[0].score == 1.0 > before.get(1, 0.0)


@pytest.mark.parametrize("empty", ["aaa", "life", "zzz"])
@pytest.mark.parametrize("count", [3, 20])
def test_an_empty_route_takes_nothing(tmp_path: Path, empty: str, count: int) -> None:
    """Wherever a route without utterances stands, it is published and the others' texts go where they belong."""
    routes = {**{route: texts[:count] for route, texts in ROUTES.items()}, empty: []}
    revision = published(tmp_path, folder_of(tmp_path / "routes", routes))
    assert revision.head is not None
    assert revision.head.linear.shape == (33, 5)
    names = [route.name for route in revision.decider.routes]
    best = {
        route: [names[answered(revision, f"{text} please")[0].routes[0].route] for text in texts[:count]]
        for route, texts in ROUTES.items()
    }
    right = sum(found.count(route) for route, found in best.items())
    assert right / (4 * count) > 0.8
    assert not any(empty in found for found in best.values())


def test_a_folder_without_utterances_is_published(tmp_path: Path) -> None:
    """A catalog that has no text yet falls back for everything and says why."""
    revision = published(tmp_path, folder_of(tmp_path / "routes", {"code": []}))
    assert revision.head is None
    _, decision = answered(revision, "anything")
    assert (decision.outcome, decision.model) == (Outcome.FALLBACK, "strong")
    assert decision.reasons == (Reason.NO_EXEMPLARS,)


def test_a_routes_own_wishes_are_kept(tmp_path: Path) -> None:
    """A given threshold is the route's, a target of its own comes with a promise, and the others have the catalog's."""
    files = {
        "code.yaml": {"model": "coder", "utterances": ROUTES["code"], "min_confidence": 0.12},
        "maths.yaml": {"model": "coder", "utterances": ROUTES["maths"], "target_precision": 0.5},
        "poems.yaml": {"model": "coder", "utterances": ROUTES["poems"]},
        "trade.yaml": {"model": "coder", "utterances": ROUTES["trade"]},
    }
    folder = write_folder(tmp_path / "routes", {name: json.dumps(content) for name, content in files.items()})
    decider = published(tmp_path, folder).decider
    code, maths, poems, _ = decider.routes
    assert (code.threshold, code.threshold_given, code.promise) == (0.12, True, None)
    assert maths.promise is not None
    assert (maths.threshold, maths.threshold_given) == (maths.promise.threshold, False)
    assert maths.promise.target_precision == 0.5
    assert (poems.threshold, poems.promise) == (decider.threshold, None)
    assert maths.threshold <= decider.threshold
