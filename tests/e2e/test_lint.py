"""`fingerpost lint` as people and continuous integration run it: what it prints and writes, and its exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.processes import fingerpost, fingerpost_in
from tests.route_folders import write_folder

KEY = "ghp_" + "a8F3kQ9zT2" * 4


def add(route: Path, *utterances: str) -> None:
    """Write utterances into a route file, as the first ones."""
    lines = "".join(f"  - {json.dumps(text)}\n" for text in utterances)
    route.write_text(route.read_text().replace("utterances:\n", f"utterances:\n{lines}", 1))


def found(routes: Path, data: Path, *options: str, code: int = 0) -> Any:
    """What lint tells as JSON."""
    return json.loads(fingerpost("lint", "--routes", routes, "--data", data, "--json", *options, code=code).stdout)


def test_good_routes_pass(routes: Path, published: Path) -> None:
    """The starter routes have neither error nor warning, even when warnings fail."""
    done = fingerpost("lint", "--routes", routes, "--data", published, "--strict")
    assert "warning" not in done.stdout + done.stderr
    assert "error" not in done.stdout + done.stderr


def test_warnings_fail_only_when_strict(routes: Path, published: Path) -> None:
    """A text that says what another route says is told with both places; --strict makes of it exit code 3."""
    add(routes / "chitchat.yaml", "please write a function that reverses a linked list")
    done = fingerpost("lint", "--routes", routes, "--data", published)
    [line] = [line for line in done.stderr.splitlines() if "warning" in line]
    assert "FP401" in line
    assert "code.yaml:7)" in line or "code.yaml:7: " in line
    assert "1 warning" in done.stdout
    fingerpost("lint", "--routes", routes, "--data", published, "--strict", code=3)


def test_errors_fail_and_are_written_too(tmp_path: Path) -> None:
    """Files that do not load give exit code 3, the findings go to JSON and SARIF, and no data folder is made."""
    routes = write_folder(tmp_path / "routes", {"code.yaml": "model: codr\nutterances: [sort a list]\n"})
    data, log = tmp_path / "data", tmp_path / "lint.sarif"
    told = found(routes, data, "--sarif", str(log), code=3)
    assert (told["errors"], told["warnings"], told["notes"], told["loads"]) == (1, 0, 0, False)
    assert [(one["code"], one["file"], one["line"]) for one in told["findings"]] == [("FP303", "code.yaml", 1)]
    [result] = json.loads(log.read_text())["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("FP303", "error")
    assert not data.exists()
    shown = fingerpost("lint", "--routes", routes, "--data", data, code=3)
    assert "code.yaml:1: error FP303" in shown.stderr
    assert "once the errors are mended" in shown.stdout


def test_places_in_sarif_are_relative_to_the_working_folder(routes: Path, published: Path) -> None:
    """Code scanning needs paths from the root of the repository, where lint is run."""
    add(routes / "chitchat.yaml", "please write a function that reverses a linked list")
    fingerpost_in(routes.parent, "lint", "--routes", routes, "--data", published, "--sarif", "lint.sarif")
    log = json.loads((routes.parent / "lint.sarif").read_text())
    warned = [result for result in log["runs"][0]["results"] if result["level"] == "warning"]
    [place] = [result["locations"][0]["physicalLocation"] for result in warned]
    assert place["artifactLocation"]["uri"] in ("routes/chitchat.yaml", "routes/code.yaml")


def test_a_confidence_that_nothing_reaches(routes: Path, published: Path) -> None:
    """By what is published no text is that sure; where nothing is published nobody can tell."""
    file = routes / "maths.yaml"
    file.write_text(file.read_text().replace("model: ", "min_confidence: 1.0\nmodel: ", 1))
    [finding] = [one for one in found(routes, published)["findings"] if one["severity"] != "note"]
    assert (finding["code"], finding["file"]) == ("FP405", "maths.yaml")
    assert file.read_text().splitlines()[finding["line"] - 1] == "min_confidence: 1.0"
    others = found(routes, published, "--catalog", "another")["findings"]
    assert [one for one in others if one["severity"] != "note"] == []
    file.write_text(file.read_text().replace("min_confidence: 1.0", "min_confidence: 0.8"))
    assert [one for one in found(routes, published)["findings"] if one["severity"] != "note"] == []


def test_secrets_are_nowhere_repeated(routes: Path, published: Path, tmp_path: Path) -> None:
    """Whatever else is wrong with a text that holds a key, no output shows the key."""
    text = f"clone the project with the token {KEY} into my folder"
    add(routes / "code.yaml", text, text)
    add(routes / "chitchat.yaml", f"please {text}")
    log = tmp_path / "lint.sarif"
    shown = fingerpost("lint", "--routes", routes, "--data", published, "--sarif", log)
    as_json = fingerpost("lint", "--routes", routes, "--data", published, "--json")
    everything = shown.stdout + shown.stderr + as_json.stdout + as_json.stderr + log.read_text()
    codes = [one["code"] for one in json.loads(as_json.stdout)["findings"]]
    assert {"FP310", "FP401", "FP409"} <= set(codes)
    assert "[GitHub token]" in everything
    assert KEY[4:10] not in everything


def test_many_findings_are_counted(published: Path, tmp_path: Path) -> None:
    """Of each kind twenty are printed and the rest is counted; JSON holds all."""
    digests = [f"{number:064x}" for number in range(10**30, 10**30 + 27)]
    routes = write_folder(tmp_path / "routes", {"code.yaml": json.dumps({"model": "coder", "utterances": digests})})
    shown = fingerpost("lint", "--routes", routes, "--data", published)
    assert sum("warning FP408:" in line for line in shown.stderr.splitlines()) == 20
    assert "and 7 more FP408" in shown.stderr
    assert "27 warnings" in shown.stdout
    told = found(routes, published)
    assert sum(one["code"] == "FP408" for one in told["findings"]) == 27


def test_a_reindex_warns_too(routes: Path, data: Path) -> None:
    """What lint would warn of is printed by the reindex, which publishes all the same; notes are left to lint."""
    greeting = "good morning to you, how are you doing on this fine day"
    add(routes / "chitchat.yaml", "please write a function that reverses a linked list", greeting, f"{greeting}.")
    done = fingerpost("reindex", "--routes", routes, "--data", data)
    assert "warning FP401" in done.stderr
    assert "FP403" not in done.stderr
    assert "now serves" in done.stdout
    assert "FP403" in {one["code"] for one in found(routes, data)["findings"]}


@pytest.mark.parametrize(("options", "code"), [(["--catalog", "../x"], 7), (["--precision", "int4"], 7), (["--no"], 2)])
def test_wrong_usage(routes: Path, published: Path, options: list[str], code: int) -> None:
    """Names and precisions that are none are refused as by other commands."""
    fingerpost("lint", "--routes", routes, "--data", published, *options, code=code)
