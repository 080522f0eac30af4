"""The commands `import`, `export` and `models import` as people and programs see them."""

import json
from pathlib import Path

from tests.imported_files import zero
from tests.price_lists import lite, litellm, openrouter, routed
from tests.processes import fingerpost, help_of


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


def test_models_come_from_a_price_list(routes: Path, tmp_path: Path) -> None:
    """A dry run shows what would come; then it does, and the folder still loads; an update tells old and new values."""
    listed, file = tmp_path / "models.json", routes / "_models.yaml"
    before = file.read_bytes()
    listed.write_text(openrouter(routed("example/tiny-1", created=5), routed("example/tiny-2")))
    arguments = ("models", "import", listed, "--routes", routes)
    done = fingerpost(*arguments, "--only", "*-1", "--name", "tiny", "--dry-run")
    assert "+ tiny  $/M 0.15 in, 0.6 out, 128,000 tokens" in done.stdout
    assert done.stdout.endswith("Nothing was written: this was a dry run.\n")
    assert "models.json:3: warning FP544: entries have no place for these" in done.stderr
    assert file.read_bytes() == before
    done = fingerpost(*arguments, "--only", "*-1", "--name", "tiny")
    assert f"Written: {file}. Next: fingerpost reindex --routes {routes}" in done.stdout
    assert file.read_bytes().startswith(before)
    fingerpost("lint", "--routes", routes)
    listed.write_text(litellm(**{"example/tiny-1": lite(input_cost_per_token=2e-07, supports_vision=True)}))
    done = fingerpost(*arguments, "--update")
    assert "~ tiny input_price_usd_micros: 150000 -> 200000" in done.stdout
    assert "~ tiny capabilities: not said -> vision" in done.stdout
    assert "0 models added, 2 values changed, 0 models as before, 8 not in the list, read as litellm." in done.stdout
    report = json.loads(fingerpost(*arguments, "--update", "--json").stdout)
    assert (report["changed"], report["unchanged"], len(report["absent"])) == ([], ["tiny"], 8)


def test_a_price_list_that_is_refused(routes: Path, tmp_path: Path) -> None:
    """A bad list ends with three, a wrong wish with seven, and the file stays as it is."""
    listed, file = tmp_path / "models.json", routes / "_models.yaml"
    before = file.read_bytes()
    listed.write_text(openrouter(*(routed(f"m{number}") for number in range(200))))
    arguments = ("models", "import", listed, "--routes", routes)
    assert "the list has 200 chat models: choose with --only" in fingerpost(*arguments, code=7).stderr
    told = fingerpost("models", "--catalog", "other", *arguments[1:], code=7).stderr
    assert told == "fingerpost: --catalog belongs behind import, or is no option of it\n"
    listed.write_text(openrouter(routed("m1\x1b")))
    done = fingerpost(*arguments, code=3)
    assert done.stderr.splitlines() == [
        "models.json:3: error FP547: the id 'm1\\x1b' is no text of one line that a person can read",
        "fingerpost: the price list has 1 error",
    ]
    assert file.read_bytes() == before


def test_the_help_of_models_shows_both(tmp_path: Path) -> None:
    """`models` lists by itself as before, and its help has the import and an example."""
    told = help_of("models")
    assert "import" in told
    assert "Example: fingerpost models --catalog default" in told
    assert "no-such-folder" in fingerpost("models", "--data", tmp_path / "no-such-folder", code=7).stderr
