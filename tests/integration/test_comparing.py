"""Comparing revisions of real stores: golden ones, those of a reindex, damaged ones, and the list of them."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.bootstrap.desk import FolderDesk
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.listing import stored_revisions
from fingerpost.build.activate import activate
from fingerpost.build.diff.active import MOST_TEXTS, MOST_TEXTS_ANEW, diff_with
from fingerpost.build.diff.changes import compared
from fingerpost.build.diff.diff import diff_of
from fingerpost.build.diff.texts import Texts, TextsKind
from fingerpost.build.judging import Case
from fingerpost.build.reindex import Reindexed, Workshop, reindex
from fingerpost.build.study import Study
from fingerpost.cli.local_desk import LocalDesk
from fingerpost.cli.revisions import print_json, print_table
from fingerpost.client.catalog_types import StoredRevision
from fingerpost.release.comparing import changes
from fingerpost.serve.revision_format import decode
from fingerpost.types import Arm, Revision, Text
from tests.fakes import HASH_ENCODER, MemoryCache
from tests.ledgers import pointers_of
from tests.revisions import cases_of, judged_by, revision_of, study_of
from tests.route_folders import write_folder
from tests.unit.test_reindex import ROUTES
from tests.workshops import workshop

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def golden(name: str) -> Revision:
    [stored] = [path for path in (GOLDEN / name).iterdir() if path.is_dir()]
    return decode(stored.name, {path.name: path.read_bytes() for path in stored.iterdir()})


@pytest.mark.parametrize(
    ("earlier", "later"), [("schema-1", "schema-1-head"), ("schema-1-head", "schema-1-codes"), ("schema-1-codes",) * 2]
)
def test_golden_revisions_can_be_compared(earlier: str, later: str) -> None:
    """Revisions of any age and any index decide the recorded texts, and each that changed has a cause."""
    before, after = golden(earlier), golden(later)
    recorded = json.loads((GOLDEN / later / "decisions.json").read_text(encoding="utf-8"))
    cases = [Case(Text(row["text"], "decisions.json", 0), row["route"]) for row in recorded]
    texts = Texts.of(TextsKind.FILE, "decisions.json", cases, labelled=True)
    old, new = (study_of(revision).judge(texts.cases) for revision in (before, after))
    diff = diff_of(compared(before, after), texts, old, new)
    assert diff.accuracy is not None
    assert diff.accuracy.after == 1.0, "the later one decides as it was recorded"
    assert diff.better == len(cases) - round(diff.accuracy.before * len(cases))
    assert (diff.changed == 0) == (earlier == later)
    assert all(text.causes for group in diff.groups for text in group.texts)


def test_what_guards_is_compared_field_by_field() -> None:
    """Budgets and experiments by their names, breakers as values of the policy, and nothing twice."""
    after = golden("schema-3")
    policy = after.decider.policy
    budgets = tuple(
        replace(one, limit_usd_micros=1, only=("acme",)) if one.name == "support" else one for one in policy.budgets[:3]
    )
    split = policy.experiments[0]
    arms = (Arm("control", 80.0), Arm("small", 20.0, "middle"))
    before = replace(
        policy,
        budgets=budgets,
        breakers=replace(policy.breakers, window_seconds=60),
        experiments=(replace(split, arms=arms, guardrails=split.guardrails[:1]),),
    )
    found = changes(replace(after, decider=replace(after.decider, policy=before)), after)
    assert [(one.subject, one.name, one.field, one.before, one.after) for one in found] == [
        ("budget", "dear", "", "", "5000000 micro-dollars per day and model, then refuse"),
        ("budget", "support", "limit_usd_micros", "1", "25000000"),
        ("budget", "support", "only", "acme", "acme, globex"),
        ("experiment", "next", "", "", f"shadow {golden('schema-2').digest}"),
        ("experiment", "smaller-coder", "arms", "control 80%, small 20% middle", "control 90%, small 10% middle"),
        (
            "experiment",
            "smaller-coder",
            "guardrails",
            "error_share at most 0.1",
            "error_share at most 0.1, cost_usd at least 0.0001 and at most 0.02",
        ),
        ("policy", "", "breakers.window_seconds", "60", "30"),
    ]


# --- A reindex -----------------------------------------------------------------------------------------------------


CACHE = MemoryCache()
"""The background's vectors, the same for every test."""


def shop(folder: Path) -> Workshop:
    """A workshop that can open what it has published."""
    store = FileRevisionStore(folder / "revisions")

    def study(digest: str) -> Study:
        return study_of(decode(digest, store.read(digest)))

    return replace(workshop(folder, CACHE), study=study)


def published(folder: Path, tests: list[str], *more: str) -> Reindexed:
    """A reindex of a folder in which code has these tests and these utterances more."""
    files = {
        f"{route}.yaml": json.dumps(
            {
                "model": "coder",
                "min_confidence": 0.0,
                "utterances": [*texts, *(more if route == "code" else ())],
                **({"tests": tests} if tests and route == "code" else {}),
            }
        )
        for route, texts in ROUTES.items()
    }
    return reindex(write_folder(folder / "routes", files), "default", shop(folder))


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a revision whose tests are "fix this"; tests must not change it."""
    folder = tmp_path_factory.mktemp("published")
    return folder, published(folder, ["fix this"]).activation.revision


@pytest.fixture
def first(published_once: tuple[Path, str], tmp_path: Path) -> str:
    """That revision, which the test's own folder holds."""
    folder, revision = published_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return revision


def test_a_reindex_tells_what_it_changed(tmp_path: Path) -> None:
    """The first has nothing to compare with; the next tells which test texts it decides otherwise, and why."""
    tests = ["maths0 maths1 maths2 word3", f"{ROUTES['code'][0]} word1"]
    more = [f"{tests[0]} word{number}" for number in range(4, 12)]
    first, second = published(tmp_path, tests), published(tmp_path, tests, *more)
    assert (first.diff, first.not_compared) == (None, "")
    diff = second.diff
    assert diff is not None
    assert (diff.before, diff.after) == (first.activation.revision, second.activation.revision)
    assert (diff.kind, diff.texts, diff.changed, diff.better) == (TextsKind.TESTS, 2, 1, 1)
    [group] = diff.groups
    [changed] = group.texts
    assert changed.text == tests[0]
    assert changed.causes[0].utterance in more
    assert changed.file == "code.yaml"


@pytest.mark.usefixtures("first")
def test_a_reindex_that_has_nothing_to_compare(tmp_path: Path) -> None:
    """The same revision again, or files without tests, have no diff and no complaint."""
    again = published(tmp_path, ["fix this"])
    assert (again.changed, again.diff, again.not_compared) == (False, None, "")
    without = published(tmp_path, [], "review my code")
    assert (without.changed, without.diff, without.not_compared) == (True, None, "")


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_an_earlier_revision_that_cannot_be_opened(tmp_path: Path, first: str, damage: str) -> None:
    """The reindex is done all the same, and one sentence says why it is not compared."""
    folder = tmp_path / "revisions" / first
    if damage == "gone":
        folder.rename(tmp_path / "elsewhere")
    else:
        (folder / "index.faiss").write_bytes(b"short")
    second = published(tmp_path, ["fix this"], "review my code")
    assert second.changed
    assert second.diff is None
    assert second.not_compared.startswith(f"Not compared with revision {first[:12]}, which was active: ")
    assert "\n" not in second.not_compared
    assert published(tmp_path, ["fix this"]).diff is not None, "the next one is compared again"


@pytest.mark.parametrize(("digest", "most"), [("f" * 64, MOST_TEXTS), ("e" * 64, MOST_TEXTS_ANEW)])
def test_the_work_of_a_reindex_is_bounded(digest: str, most: int) -> None:
    """Of many tests a sample is compared, a smaller one where another encoder must embed; it says of how many."""
    routes = {"code": ["fix this bug"], "maths": ["add these numbers"]}
    earlier = revision_of(routes, encoder=replace(HASH_ENCODER, digest=digest))
    now = revision_of({**routes, "code": ["fix this bug", "review"]}, digest="b" * 64)
    labels = [f"fix {number}" for number in range(MOST_TEXTS + 100)]
    texts = Texts.of(TextsKind.TESTS, "routes", cases_of(dict.fromkeys(labels)), labelled=True)
    diff, why = diff_with(earlier.digest, now, texts, judged_by(now, *labels), lambda _: study_of(earlier))
    assert why == ""
    assert diff is not None
    assert (diff.texts, diff.total) == (most, MOST_TEXTS + 100)


# --- The list ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with two golden revisions, one of them active in two catalogs."""
    for name in ("schema-1", "schema-1-codes"):
        [stored] = [path for path in (GOLDEN / name).iterdir() if path.is_dir()]
        files = {path.name: path.read_bytes() for path in stored.iterdir()}
        FileRevisionStore(tmp_path / "revisions").publish(stored.name, files)
    for catalog in ("default", "team"):
        activate(pointers_of(tmp_path), catalog, golden("schema-1-codes").digest, 0)
    return tmp_path


def test_the_list_names_each_revision(folder: Path) -> None:
    """Counts, encoder, catalogs and accuracies as far as the report tells them; other folders are no revisions."""
    (folder / "revisions" / "quarantine-x").mkdir()
    found = {one.digest: one for one in stored_revisions(folder)}
    newer, old = found.pop(golden("schema-1-codes").digest), found.pop(golden("schema-1").digest)
    assert not found
    assert (newer.active_in, old.active_in) == (("default", "team"), ())
    assert (newer.routes, newer.exemplars, newer.encoder) == (4, 600, "hash")
    assert (old.routes, old.exemplars, old.damage) == (2, 6, None)
    assert (old.tests, old.tests_accuracy, old.left_out_accuracy) == (None, None, None), "a report of another version"
    assert newer.left_out_accuracy is not None
    assert newer.damage is None


def seen(folder: Path) -> list[StoredRevision]:
    """As the commands see them."""
    return LocalDesk(FolderDesk(DataFolder(folder))).revisions()


def test_a_damaged_revision_is_listed_as_such(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has a row, and a line below says what is wrong; a damaged pointer hides no revision."""
    digest = golden("schema-1").digest
    (folder / "revisions" / digest / "manifest.json").write_bytes(b"{}")
    (folder / "revisions" / ("0" * 64)).mkdir()
    (folder / "catalogs" / "bad.json").write_bytes(b"no JSON")
    found = {one.digest: one for one in stored_revisions(folder)}
    assert len(found) == 3
    print_table(seen(folder))
    out = capsys.readouterr().out
    assert f"{digest[:12]} cannot be used: " in out
    assert f"{'0' * 12} cannot be used: manifest.json cannot be read" in out


def test_the_latest_comes_first(folder: Path) -> None:
    """They are sorted by when they were stored, and the JSON says when that was."""
    for number, name in enumerate(("schema-1-codes", "schema-1")):
        os.utime(folder / "revisions" / golden(name).digest, (1_000_000 * number, 1_000_000 * number))
    assert [one.digest for one in stored_revisions(folder)] == [
        golden(n).digest for n in ("schema-1", "schema-1-codes")
    ]


def test_the_list_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each field is there, the time in ISO 8601 with its zone."""
    print_json(seen(folder))
    rows = json.loads(capsys.readouterr().out)
    assert {row["exemplars"] for row in rows} == {6, 600}
    assert all(row["stored"].endswith("+00:00") for row in rows)


def test_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is stored yet, and the next step is told."""
    print_table(seen(tmp_path))
    assert "fingerpost reindex" in capsys.readouterr().out
