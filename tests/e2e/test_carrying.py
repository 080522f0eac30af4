"""The commands `import` and `export` as people and programs see them."""

import json
from pathlib import Path

from tests.imported_files import zero
from tests.processes import fingerpost


def test_notes_are_shown_a_few_times_and_listed_whole_as_json(tmp_path: Path) -> None:
    """People see ten notes of a kind and how many more there are; --json has each with its line."""
    routes = [{"name": f"r{n}", "utterances": [f"text {n}"], "score_threshold": 0.5} for n in range(15)]
    source = tmp_path / "router.json"
    source.write_text(zero(*routes))
    done = fingerpost("import", source, "--out", tmp_path / "people")
    assert done.stderr.count("FP511: score_threshold 0.5 is a raw score") == 10
    assert "5 more of FP511" in done.stderr
    assert "15 routes with 15 utterances" in done.stdout
    report = json.loads(fingerpost("import", source, "--out", tmp_path / "programs", "--json").stdout)
    assert (report["format"], report["written"]["routes_count"]) == ("semantic-router", 15)
    assert [finding["line"] for finding in report["findings"]] == [10 + 7 * n for n in range(15)]


def test_there_and_back(tmp_path: Path) -> None:
    """A starter set that was exported and imported has its routes again; what stayed behind is told and counted."""
    starter = Path(__file__).parents[2] / "routes"
    out = tmp_path / "router.yaml"
    arguments = ("export", "--routes", starter, "--format", "semantic-router-0", "--out", out)
    report = json.loads(fingerpost(*arguments, "--json").stdout)
    assert report["routes_count"] == 13
    assert {finding["code"] for finding in report["findings"]} == {"FP530"}
    before = out.read_bytes()
    assert "exists" in fingerpost(*arguments, code=7).stderr
    assert out.read_bytes() == before
    done = fingerpost("import", out, "--out", tmp_path / "again")
    assert f"13 routes with {report['utterances_count']} utterances" in done.stdout


def test_a_refused_import_ends_with_three(tmp_path: Path) -> None:
    """A file with errors gives a line for each, the exit code of bad files, and no folder."""
    source = tmp_path / "router.json"
    source.write_text(zero({"name": "a", "utterances": [5, ""]}))
    done = fingerpost("import", source, "--out", tmp_path / "out", code=3)
    assert "router.json:8: error FP204" in done.stderr
    assert "router.json:9: error FP210" in done.stderr
    assert done.stderr.splitlines()[-1] == "fingerpost: the file to import has 2 errors"
    assert not (tmp_path / "out").exists()
