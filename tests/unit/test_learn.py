"""What a revision learned is carried over after a small change of a large catalog, and learned anew otherwise."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.build.learn import MIN_TEXTS, VERSION
from fingerpost.build.reindex import Reindexed, reindex
from fingerpost.serve.revision_format import decode
from fingerpost.types import Revision
from tests.fakes import DIGEST, MemoryCache
from tests.unit.test_reindex import folder_of, utterances
from tests.workshops import workshop

CACHE = MemoryCache()
ROUTES = {route: utterances(route, MIN_TEXTS // 4) for route in ("code", "maths", "poems", "trade")}
FEW = {route: texts[:20] for route, texts in ROUTES.items()}


def built(folder: Path, routes: dict[str, list[str]], *, refit: bool = False) -> Reindexed:
    """A reindex of these routes into the folder."""
    return reindex(folder_of(folder / "routes", routes), "default", workshop(folder, CACHE), refit=refit)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reindexed]:
    """A folder where all of ROUTES was learned once; tests must not change it."""
    folder = tmp_path_factory.mktemp("learned")
    return folder, built(folder, ROUTES)


@pytest.fixture
def first(learned: tuple[Path, Reindexed], tmp_path: Path) -> Reindexed:
    """What ROUTES gave, which the test's own folder holds as its base."""
    folder, made = learned
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return made


def read(folder: Path, made: Reindexed) -> Revision:
    digest = made.activation.revision
    return decode(digest, FileRevisionStore(folder / "revisions").read(digest))


def with_more(count: int) -> dict[str, list[str]]:
    return {**ROUTES, "code": [*ROUTES["code"], *[f"code{n} code1 wholly new {n}" for n in range(count)]]}


def changed(made: Reindexed) -> int:
    assert made.report.learned is not None
    assert made.report.learned.version == VERSION
    return made.report.learned.changed


def test_one_more_utterance_keeps_maps_and_threshold(tmp_path: Path, first: Reindexed) -> None:
    """Settings, maps and threshold stay, the head moves a little, and the text is answered by its route."""
    second = built(tmp_path, with_more(1))
    old, new = read(tmp_path, first), read(tmp_path, second)
    assert (changed(first), changed(second)) == (0, 1)
    assert second.changed
    assert (new.decider.confidence_map, new.decider.scope_map) == (old.decider.confidence_map, old.decider.scope_map)
    assert (new.decider.threshold, new.decider.promise) == (old.decider.threshold, old.decider.promise)
    assert second.report.held_out == first.report.held_out
    assert len(new.exemplars) == len(old.exemplars) + 1
    assert new.head is not None
    assert old.head is not None
    moved = float(np.abs(new.head.linear - old.head.linear).max())
    assert 0.0 < moved < 0.2 * float(np.abs(old.head.linear).max())


@pytest.mark.usefixtures("first")
def test_a_carried_head_is_nearly_the_one_learned_anew(tmp_path: Path) -> None:
    """On the catalog's own texts both heads name the same route but for a few."""
    carried = read(tmp_path, built(tmp_path, with_more(5)))
    anew = read(tmp_path, built(tmp_path, with_more(5), refit=True))
    assert carried.head is not None
    assert anew.head is not None
    vectors = np.stack([CACHE.known[DIGEST, exemplar.text] for exemplar in carried.exemplars])
    best = [(vectors @ head.linear[:-1] + head.linear[-1]).argmax(axis=1) for head in (carried.head, anew.head)]
    assert float((best[0] == best[1]).mean()) > 0.99


def test_nothing_changed_is_the_same_revision(tmp_path: Path) -> None:
    """The same files again give the same digest, also after a change was carried over."""
    for routes in (ROUTES, with_more(1)):
        once, again = built(tmp_path, routes), built(tmp_path, routes)
        assert (again.activation.revision, again.changed) == (once.activation.revision, False)


@pytest.mark.usefixtures("first")
def test_changes_add_up_until_all_is_learned_anew(tmp_path: Path) -> None:
    """At most one in a hundred texts may change since all was learned, in however many steps."""
    assert [changed(built(tmp_path, with_more(count))) for count in (6, 10, 11, 12)] == [6, 10, 0, 1]


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("routes", "policy"),
    [
        (with_more(1), {"target_precision": 0.9}),
        (with_more(1), {"out_of_scope_share": 0.3}),
        (with_more(1), {"scorer": "linear"}),
        ({**with_more(1), "other": utterances("other", 10)}, {}),
        ({**with_more(1), "code": []}, {}),
    ],
)
def test_other_questions_are_answered_anew(
    tmp_path: Path, routes: dict[str, list[str]], policy: Mapping[str, object]
) -> None:
    """Another target, share, scorer or route makes what was learned before useless."""
    folder = folder_of(tmp_path / "routes", routes, **policy)
    assert changed(reindex(folder, "default", workshop(tmp_path, CACHE))) == 0


def test_small_catalogs_are_always_learned_anew(tmp_path: Path) -> None:
    """With few texts one more is a large change, and learning takes no time."""
    built(tmp_path, FEW)
    more = {**FEW, "code": [*FEW["code"], "code1 code2 new"]}
    carried = built(tmp_path, more)
    assert changed(carried) == 0
    assert built(tmp_path, more, refit=True).activation.revision == carried.activation.revision


def test_a_damaged_base_is_no_hindrance(tmp_path: Path, first: Reindexed) -> None:
    """A revision that cannot be read any more is replaced by one that was learned anew."""
    digest = first.activation.revision
    (tmp_path / "revisions" / digest / "exemplars.jsonl").write_bytes(b"damaged")
    assert changed(built(tmp_path, with_more(1))) == 0


@pytest.mark.usefixtures("first")
def test_another_encoder_learns_anew(tmp_path: Path) -> None:
    """Vectors of another encoder have nothing to do with the head of this one."""
    shop = workshop(tmp_path, CACHE)
    other = replace(shop, plain=replace(shop.plain, encoder=replace(shop.plain.encoder, digest="e" * 64)))
    made = reindex(folder_of(tmp_path / "routes", with_more(1)), "default", other)
    assert changed(made) == 0
