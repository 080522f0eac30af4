"""Comparing revisions as people do it: publish, edit, publish again, and read what changed."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import ROUTES, copy_of
from tests.processes import fingerpost


@dataclass(frozen=True)
class Edited:
    """A data folder with two revisions, the route folder of the second, and what its reindex printed."""

    data: Path
    routes: Path
    before: str
    after: str
    printed: str


def active(data: Path) -> str:
    return str(json.loads((data / "catalogs" / "default.json").read_text(encoding="utf-8"))["revision"])


@pytest.fixture(scope="module")
def edited(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Edited:
    """The starter routes, then with another model for maths and a threshold for chitchat that nothing reaches."""
    folder = tmp_path_factory.mktemp("edited")
    data, routes = folder / "data", folder / "routes"
    copy_of(published, data)
    shutil.copytree(ROUTES, routes)
    before = active(data)
    for name, old, new in (
        ("maths", "model: reasoner", "model: large"),
        ("chitchat", "model: ", "min_confidence: 1.0\nmodel: "),
    ):
        path = routes / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    printed = fingerpost("reindex", "--routes", routes, "--data", data).stdout
    return Edited(data, routes, before, active(data), printed)


def test_a_reindex_ends_with_what_it_changed(edited: Edited) -> None:
    """Decisions that changed are told with how many, why, what that does, and the command that shows all."""
    assert f"Since revision {edited.before[:12]} " in edited.printed
    assert re.search(r"\d+ of \d+ test texts are decided otherwise: \d+ better, \d+ worse", edited.printed)
    assert re.search(r"\d+( of \d+ test texts)? go to `maths` as before, answered by `large`", edited.printed)
    assert "the model of `maths` is now `large`, it was `reasoner`" in edited.printed
    assert re.search(r"\d+( of \d+ test texts)? now falls? back that went to `chitchat`", edited.printed)
    assert re.search(r"the threshold of `chitchat` is now 1\.0000, it was 0\.\d+", edited.printed)
    assert re.search(r"1,000 requests of this mix cost \$[\d.]+ before and \$[\d.]+ now \(\+", edited.printed)
    assert f"fingerpost diff {edited.before[:12]} {edited.after[:12]} --all" in edited.printed


def test_a_reindex_that_changes_no_decision_says_so(edited: Edited, tmp_path: Path) -> None:
    """A new description, say, publishes another revision, and one sentence tells that it decides alike."""
    data, routes = copy_of(edited.data, tmp_path / "data"), tmp_path / "routes"
    shutil.copytree(edited.routes, routes)
    models = routes / "_models.yaml"
    models.write_text(models.read_text(encoding="utf-8").replace("latency_p50_ms: 400", "latency_p50_ms: 401"), "utf-8")
    printed = fingerpost("reindex", "--routes", routes, "--data", data).stdout
    assert re.search(rf"Since revision {edited.after[:12]} no decision of the \d+ test texts changed\.", printed)


def test_the_diff_shows_every_change(edited: Edited) -> None:
    """By digest, by its beginning or as active, on the tests of the folder; --all lists each text."""
    arguments = ("--data", edited.data, "--routes", edited.routes)
    few = fingerpost("diff", edited.before[:6], "active", *arguments).stdout
    every = fingerpost("diff", edited.before, edited.after, *arguments, "--all").stdout
    assert few.startswith(f"From revision {edited.before[:12]} to {edited.after[:12]}: model of `maths`: `large`")
    assert re.search(r"^Asked: the \d+ test texts of ", few, re.MULTILINE)
    assert re.search(r"^decided right +\d+\.\d% +\d+\.\d% +[+-]\d", few, re.MULTILINE)
    [changed] = re.findall(r"^(\d+) of \d+ test texts are decided otherwise", every, re.MULTILINE)
    assert len(re.findall(r'^  (?:better|worse|neither)[^"]*: "', every, re.MULTILINE)) == int(changed)
    back = fingerpost("diff", edited.after, edited.before, *arguments).stdout
    assert re.search(r"\d+( of \d+ test texts)? that fell back now go(es)? to `chitchat`", back)


def test_the_diff_of_a_file(edited: Edited, tmp_path: Path) -> None:
    """Requests of a log need no labels, and labelled ones are judged; the tokens are what one says."""
    log = tmp_path / "log.txt"
    log.write_text("what is 12 percent of 340\nhow are you today\n", encoding="utf-8")
    arguments = ("diff", edited.before, "active", "--data", edited.data)
    printed = json.loads(fingerpost(*arguments, "--cases", log, "--json", "--output-tokens", 0).stdout)
    assert (printed["kind"], printed["place"], printed["texts"], printed["labelled"]) == ("FILE", "log.txt", 2, False)
    assert (printed["accuracy"], printed["changed"]) == (None, 2)
    assert printed["cost"]["tokens"] == {"input": 100, "output": 0}
    assert printed["cost"]["before_usd_micros"] < printed["cost"]["after_usd_micros"]
    assert {row["causes"][0]["kind"] for group in printed["groups"] for row in group["texts"]} == {
        "MODEL_CHANGED",
        "THRESHOLD_CHANGED",
    }
    rows = tmp_path / "cases.jsonl"
    rows.write_text('{"text": "how are you today", "label": "chitchat"}\n', encoding="utf-8")
    printed = json.loads(fingerpost(*arguments, "--cases", rows, "--json").stdout)
    assert (printed["labelled"], printed["worse"], printed["accuracy"]["p_value"]) == (True, 1, 1.0)


def test_the_list_of_revisions(edited: Edited) -> None:
    """Each revision has a row; the active one is marked; the JSON holds the whole digest."""
    printed = fingerpost("revisions", "--data", edited.data).stdout
    assert re.search(rf"^{edited.before[:12]} +\d{{4}}-\d\d-\d\d \d\d:\d\d +\d+", printed, re.MULTILINE)
    assert re.search(rf"^{edited.after[:12]} +\S+ \S+ default ", printed, re.MULTILINE)
    rows = json.loads(fingerpost("revisions", "--data", edited.data, "--json").stdout)
    assert [row["digest"] for row in rows] == [edited.after, edited.before]
    assert [row["active_in"] for row in rows] == [["default"], []]
    assert all(row["tests_accuracy"] > 0.8 and row["left_out_accuracy"] > 0.8 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["active", "12345"], 7, "at least 6 characters"),
        (["active", "000000"], 7, "begins with 000000"),
        (["active", "active", "--catalog", "other"], 7, "other has no active revision"),
        (["active", "active", "--cases", "no.jsonl"], 3, "no.jsonl"),
        (["active", "active", "--routes", "nowhere"], 3, "nowhere"),
        (["active", "active", "--cases", "a.txt", "--routes", "b"], 7, "not both"),
        (["active"], 2, "REV_B"),
        (["active", "active", "--input-tokens", "-1"], 2, "input-tokens"),
    ],
)
def test_trouble_has_its_code_and_says_what_to_do(edited: Edited, arguments: list[str], code: int, words: str) -> None:
    """Names that fit no revision, or several, and texts that are not there are one line each."""
    done = fingerpost("diff", *arguments, "--data", edited.data, code=code, COLUMNS="200")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_revision_whose_encoder_is_gone(edited: Edited, tmp_path: Path) -> None:
    """What cannot be opened cannot be compared, and the message says what is missing."""
    data = copy_of(edited.data, tmp_path / "data")
    for folder in (data / "encoders").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    done = fingerpost("diff", edited.before, "active", "--data", data, "--routes", edited.routes, code=7)
    assert "encoder" in done.stderr
    assert "Traceback" not in done.stderr
    assert edited.before[:12] in fingerpost("revisions", "--data", data).stdout
