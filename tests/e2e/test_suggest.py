"""`fingerpost suggest` on the starter routes: what it proposes of mixed texts, and what it refuses."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from fingerpost.build.load import load
from tests.processes import fingerpost

NEW = {
    "trip": [
        f"{verb} {place}"
        for verb, place in [
            ("plan a weekend trip to", "Lisbon"), ("plan a trip with children to", "Vienna"),
            ("what should I pack for a trip to", "Norway"), ("cheap hotels for a trip to", "Prague"),
            ("best month for a trip to", "Vietnam"), ("how many days for a trip to", "Iceland"),
            ("is the train or the plane better for a trip to", "Rome"), ("which sights on a day trip to", "Porto"),
        ]
    ],
    "cook": [
        "how long do I cook brown rice", "what can I cook with carrots and an egg", "can I cook pasta in its sauce",
        "how do I cook lentils so that they stay firm", "what can I cook with leftover chicken",
        "how long does a whole chicken cook in the oven", "which spices do I cook a curry with",
        "do I cook mushrooms before they go into the soup",
    ],
}  # fmt: skip
NEAR = ["my loop skips the last element", "my loop prints the last line twice", "git says detached head, what now"]
UNSURE = [
    "what does this stack trace mean", "why is this variable undefined here", "the function returns none",
    "the tests pass here and fail on the server", "my script stops in the middle without an error",
]  # fmt: skip
NOISE = ["zzz qwp", "the blue one", "next track"]


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Texts of two kinds that no starter route is for, texts near a route, noise and two utterances, in any order."""
    rows = [{"text": text, "label": kind} for kind, texts in NEW.items() for text in texts]
    rows += [{"text": text} for text in (*NEAR, *NOISE, "write a function that reverses a linked list")]
    rows += [{"text": NEW["cook"][0].upper()}] * 3
    random.Random(1).shuffle(rows)  # noqa: S311  # a seeded order is no secret
    path = tmp_path / "asked.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_new_routes_are_found_named_and_loaded(data: Path, routes: Path, asked: Path, tmp_path: Path) -> None:
    """Both kinds become routes with names of their words; the patch applies and loads; no file was changed."""
    before = {path.name: path.read_bytes() for path in routes.iterdir() if path.is_file()}
    patch = tmp_path / "suggested.patch"
    arguments = ("suggest", "--from", asked, "--routes", routes, "--data", data)
    done = fingerpost(*arguments, "--patch", patch)
    assert done.stdout == ""
    assert {path.name: path.read_bytes() for path in routes.iterdir() if path.is_file()} == before
    assert fingerpost(*arguments).stdout.encode() == patch.read_bytes(), "the same texts give the same patch"
    made = json.loads(fingerpost(*arguments, "--json").stdout)
    assert (made["suggestions"]["known"], made["suggestions"]["requests"]) == (2, 26)
    new = {one["name"]: one for one in made["suggestions"]["new_routes"]}
    for word, texts in NEW.items():
        [own] = [one for name, one in new.items() if word in name]
        assert len(set(own["members"]) & set(texts)) >= 6
        assert len(set(own["members"]) - set(texts)) <= 1
    subprocess.run(["patch", "-p1", "--quiet", "-d", routes], input=patch.read_bytes(), check=True)
    catalog = load(routes).catalog
    assert {route.name for route in catalog.routes} >= new.keys()
    assert all(route.model == catalog.policy.fallback_model for route in catalog.routes if route.name in new)
    fingerpost("reindex", "--routes", routes, "--data", data)
    again = json.loads(fingerpost(*arguments, "--json").stdout)["suggestions"]
    assert again["known"] > 1
    assert not {one["name"] for one in again["new_routes"]} & new.keys()


def test_questions_are_rows_to_label(published: Path, asked: Path, tmp_path: Path) -> None:
    """Each question has its text and why; labelled, the rows are what import and evaluate take."""
    done = fingerpost("suggest", "--from", asked, "--routes", "routes", "--data", published, "--ask", 4)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({row["text"] for row in rows}) == 4
    assert all(row["label"] == "" and row["why"] and 0.0 <= row["confidence"] <= 1.0 for row in rows)
    labels = tmp_path / "labels.jsonl"
    labels.write_text(done.stdout, encoding="utf-8")
    assert "labels.jsonl:1" in fingerpost("import", labels, "--out", tmp_path / "none", code=3).stderr
    labels.write_text(done.stdout.replace('"label": ""', '"label": "trip"'), encoding="utf-8")
    fingerpost("import", labels, "--out", tmp_path / "made")
    [route] = load(tmp_path / "made").catalog.routes
    assert {text.text for text in route.utterances} == {row["text"] for row in rows}


def test_nothing_to_suggest(published: Path, tmp_path: Path) -> None:
    """Texts that are known, or none at all, give no patch."""
    known = tmp_path / "known.txt"
    for content in ("write a function that reverses a linked list\n", ""):
        known.write_text(content, encoding="utf-8")
        arguments = ("suggest", "--from", known, "--routes", "routes", "--data", published)
        done = fingerpost(*arguments)
        assert done.stdout == ""
        assert "Nothing is suggested." in done.stderr
        assert fingerpost(*arguments, "--ask", 3).stdout == ""


def test_what_is_refused(published: Path, routes: Path, asked: Path, tmp_path: Path) -> None:
    """Bad rows, other files, bad route files, no revision, a patch that is there: told, and nothing is written."""
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "fine"}\n{"txt": "x"}\n{"text": 5}\n', encoding="utf-8")
    patch = tmp_path / "new.patch"
    common = ("--routes", routes, "--data", published, "--patch", patch)
    stderr = fingerpost("suggest", "--from", bad, *common, code=3).stderr
    assert "bad.jsonl:2" in stderr
    assert "bad.jsonl:3" in stderr
    assert ".jsonl" in fingerpost("suggest", "--from", tmp_path / "rows.csv", *common, code=7).stderr
    nowhere = ("--routes", routes, "--data", tmp_path / "none", "--patch", patch)
    assert "reindex first" in fingerpost("suggest", "--from", asked, *nowhere, code=7).stderr
    fingerpost("suggest", "--from", asked, *common, "--ask", "-1", code=2)
    (routes / "code.yaml").write_text("model: [\n", encoding="utf-8")
    assert "code.yaml" in fingerpost("suggest", "--from", asked, *common, code=3).stderr
    assert not patch.exists()
    patch.write_text("mine", encoding="utf-8")
    assert "exists already" in fingerpost("suggest", "--from", asked, *common, code=7).stderr
    assert patch.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_lacks_a_route(data: Path, routes: Path, asked: Path) -> None:
    """A route of the revision that the folder lacks gets no utterances, and the summary says so."""
    shutil.move(routes / "code.yaml", routes.parent / "code.yaml")
    (routes / "_policy.yaml").write_text("fallback_model: large\n")  # a rule of the starter policy names the route
    done = fingerpost("suggest", "--from", asked, "--routes", routes, "--data", data)
    assert "code.yaml" not in done.stdout
    assert "Traceback" not in done.stderr


def test_secrets_go_nowhere(published: Path, asked: Path) -> None:
    """Texts with secrets or personal data are counted, and stand in no output: patch, questions, JSON, summary."""
    key, mail = "AKIA" + "QYLPMN5HFIQR7XYA", "jane.doe@gmail.com"
    with asked.open("a", encoding="utf-8") as file:
        for text in (f"how do I cook rice for {mail}", f"what can I cook, my key is {key}", f"my loop prints {key}"):
            file.write(json.dumps({"text": text}) + "\n")
    arguments = ("suggest", "--from", asked, "--routes", "routes", "--data", published)
    outputs = [fingerpost(*arguments, *more) for more in ((), ("--ask", 1000), ("--json",))]
    for output in outputs:
        assert "3 texts hold secrets or personal data and were left out." in output.stderr
        assert not any(secret in output.stdout + output.stderr for secret in (key, mail, key.lower()))
    made = json.loads(outputs[-1].stdout)
    assert (made["sensitive"], made["suggestions"]["requests"]) == (3, 26)


def test_a_file_that_must_be_edited_by_hand(data: Path, routes: Path, asked: Path, tmp_path: Path) -> None:
    """Its route gets words in summary and patch in place of lines; the rest of the patch applies and loads."""
    code = routes / "code.yaml"
    head, key, items = code.read_text(encoding="utf-8").partition("utterances:\n  - ")
    code.write_text(f"{head}? utterances\n: - {items}", encoding="utf-8")
    assert key
    before, patch = code.read_bytes(), tmp_path / "suggested.patch"
    asked.write_text(asked.read_text() + "".join(json.dumps({"text": text}) + "\n" for text in UNSURE))
    common = ("--routes", routes, "--data", data)
    done = fingerpost("suggest", "--from", asked, *common, "--patch", patch)
    assert "The patch lacks them: code.yaml must be edited by hand" in done.stderr
    content = patch.read_text(encoding="utf-8")
    assert content.startswith("# code: code.yaml must be edited by hand")
    assert "b/code.yaml" not in content
    subprocess.run(["patch", "-p1", "--quiet", "-d", routes], input=content.encode(), check=True)
    assert code.read_bytes() == before
    assert len(load(routes).catalog.routes) == 15
    asked.write_text("".join(json.dumps({"text": text}) + "\n" for text in UNSURE))
    alone = fingerpost("suggest", "--from", asked, *common)
    assert alone.stdout == ""
    assert f"  - {UNSURE[0]}\n" in alone.stderr
    assert "No patch" in alone.stderr
