"""What lint says of texts that load well, beside the examples of its pages."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fingerpost.build.lint import WHOLE_TEXTS, see
from fingerpost.build.load import load
from fingerpost.build.reindex import cases_of, exemplars_of, reindex
from fingerpost.build.yardstick import SAMPLE_TEXTS, measure_yardstick
from fingerpost.types import Finding, Severity, Vectors
from tests.fakes import HashEmbedder, MemoryCache, workshop
from tests.linting import Linter
from tests.route_folders import write_folder

CACHE = MemoryCache()
LINTER = Linter(HashEmbedder())

COLOURS = ["red", "green", "blue", "white", "black", "brown", "grey", "pink"]


def routes_of(folder: Path, routes: dict[str, list[str]], **files: object) -> Path:
    written = {f"{name}.yaml": json.dumps({"model": "coder", "utterances": texts}) for name, texts in routes.items()}
    return write_folder(folder, written | {name.replace("__", "."): json.dumps(value) for name, value in files.items()})


def of_kind(findings: Sequence[Finding], code: str) -> list[Finding]:
    return [finding for finding in findings if finding.code == code]


def texts(route: str, count: int = 12) -> list[str]:
    """Texts of a route whose words no other route has."""
    return [
        f"{route}0 {route}1 {colour} {route}{number}"
        for number, colour in zip(range(2, count + 2), COLOURS * 9, strict=False)
    ]


GOOD = {route: texts(route) for route in ("code", "maths", "poems", "trade")}


def test_routes_apart_have_no_findings(tmp_path: Path) -> None:
    """Routes without a word in common, each with enough texts, are clean."""
    assert [
        finding for finding in LINTER.lint(routes_of(tmp_path, GOOD)) if finding.severity is not Severity.NOTE
    ] == []


def test_an_utterance_astray_is_told_with_what_is_nearest(tmp_path: Path) -> None:
    """The message names the other route, its nearest text and the own route's, each with file and line."""
    strange = "maths0 maths1 yellow"
    folder = routes_of(tmp_path, {**GOOD, "code": [*GOOD["code"], strange]})
    [finding] = of_kind(LINTER.lint(folder), "FP402")
    assert finding.file == "code.yaml"
    assert repr(strange) in finding.message
    assert "the route 'maths'" in finding.message
    assert "(maths.yaml:1)" in finding.message
    assert "(code.yaml:1)" in finding.message


def test_an_utterance_near_out_of_scope_texts_is_astray_too(tmp_path: Path) -> None:
    """Out-of-scope texts take a route's utterance as another route does, and are never astray themselves."""
    outside = {"utterances": texts("noise")}
    folder = routes_of(tmp_path, {**GOOD, "code": [*GOOD["code"], "noise0 noise1 yellow"]})
    (folder / "_out_of_scope.yaml").write_text(json.dumps(outside))
    [finding] = of_kind(LINTER.lint(folder), "FP402")
    assert "nearer to the out-of-scope texts" in finding.message
    (folder / "code.yaml").write_text(json.dumps({"model": "coder", "utterances": GOOD["code"]}))
    (folder / "_out_of_scope.yaml").write_text(json.dumps({"utterances": [*texts("noise"), "maths0 maths1 yellow"]}))
    assert of_kind(LINTER.lint(folder), "FP402") == []


def test_nearly_the_same_text_in_two_routes_has_one_finding(tmp_path: Path) -> None:
    """A pair is told once, as alike and not as astray as well."""
    twin = f"{GOOD['maths'][0]} please"
    found = LINTER.lint(routes_of(tmp_path, {**GOOD, "code": [*GOOD["code"], twin]}))
    [finding] = of_kind(found, "FP401")
    assert repr(twin) in finding.message
    assert repr(GOOD["maths"][0]) in finding.message
    assert of_kind(found, "FP402") == []


def test_confused_routes_are_told_with_counts(tmp_path: Path) -> None:
    """Two routes of the same words are a pair, counted both ways, with examples; the others are none."""
    mixed = texts("same", 24)
    folder = routes_of(tmp_path, {**GOOD, "left": mixed[::2], "right": mixed[1::2]})
    [finding] = of_kind(LINTER.lint(folder), "FP406")
    assert "'left' and 'right'" in finding.message
    assert "of 12 utterances would go to the second" in finding.message
    assert "of 12 to the first" in finding.message
    assert finding.file == "left.yaml"


@pytest.mark.parametrize(("count", "small"), [(1, True), (4, True), (5, False)])
def test_small_routes(tmp_path: Path, count: int, small: bool) -> None:
    """Fewer than five utterances are few."""
    found = of_kind(LINTER.lint(routes_of(tmp_path, {**GOOD, "few": texts("few", count)})), "FP404")
    assert [finding.file for finding in found] == (["few.yaml"] if small else [])


def test_an_empty_route_is_not_called_small_as_well(tmp_path: Path) -> None:
    """Loading warns of it already."""
    assert of_kind(LINTER.lint(routes_of(tmp_path, {**GOOD, "none": []})), "FP404") == []


def test_a_folder_without_utterances_can_be_looked_at(tmp_path: Path) -> None:
    """There is nothing to compare, and nothing fails."""
    assert LINTER.lint(routes_of(tmp_path, {"none": []})) == ()


def test_noise_is_let_through_where_it_belongs(tmp_path: Path) -> None:
    """Out-of-scope texts may be noise, but hold no secrets, nor do descriptions and what is told of models."""
    folder = routes_of(tmp_path, GOOD)
    (folder / "_out_of_scope.yaml").write_text(
        json.dumps({"utterances": ["???", "mail kim@uni.ac.uk"], "tests": ["!"]})
    )
    (folder / "_models.yaml").write_text(
        "models:\n  - name: coder\n    description: ask kim@uni.ac.uk\n    endpoint: https://a:kX7-q@models.example.com\n"
        "  - name: strong\n    capabilities:\n      - tools\n      - kim@uni.ac.uk\n"
    )
    found = LINTER.lint(folder)
    assert of_kind(found, "FP408") == []
    places = [(finding.file, finding.line) for finding in of_kind(found, "FP410")]
    assert places == [("_models.yaml", 3), ("_models.yaml", 8), ("_out_of_scope.yaml", 1)]
    assert [(finding.file, finding.line) for finding in of_kind(found, "FP409")] == [("_models.yaml", 4)]


def test_tests_too_near_to_an_utterance(tmp_path: Path) -> None:
    """A test that the encoder takes for an utterance is told, with the other route where it is another's."""
    folder = routes_of(tmp_path, GOOD)
    rows = {"code": GOOD["code"][0], "maths": GOOD["code"][1]}
    for name, text in rows.items():
        words = " ".join(reversed(text.split()))  # the same words: the same vector
        route = {"model": "coder", "utterances": GOOD[name], "tests": [words, "something else"]}
        (folder / f"{name}.yaml").write_text(json.dumps(route))
    first, second = of_kind(LINTER.lint(folder), "FP407")
    assert (first.file, second.file) == ("code.yaml", "maths.yaml")
    assert "of the route" not in first.message
    assert "of the route 'code'" in second.message


def test_a_confidence_that_nothing_reaches_is_told_at_reindex(tmp_path: Path) -> None:
    """By the very revision that is built; a confidence that some text reaches is none of it."""
    folder = routes_of(tmp_path / "routes", GOOD)
    for wanted, told in ((1.0, True), (0.01, False)):
        route = {"min_confidence": wanted, "model": "coder", "utterances": GOOD["code"]}
        (folder / "code.yaml").write_text(json.dumps(route))
        found = of_kind(reindex(folder, "default", workshop(tmp_path, CACHE)).findings, "FP405")
        assert [finding.file for finding in found] == (["code.yaml"] if told else [])


def test_what_is_known_is_not_looked_at_again_in_a_large_catalog(tmp_path: Path) -> None:
    """Up to a size all texts are looked at; beyond it those that are new to their route."""
    many = [f"text {number}" for number in range(WHOLE_TEXTS)]
    for count, asked in ((WHOLE_TEXTS - 1, WHOLE_TEXTS), (WHOLE_TEXTS, 2)):
        folder = routes_of(tmp_path / str(count), {"code": many[:count], "maths": ["text 1"][:WHOLE_TEXTS]})
        (folder / "code.yaml").write_text(
            json.dumps({"model": "coder", "utterances": [*many[2:count], "new", "text 0"]})
        )
        loaded = load(folder)
        exemplars = exemplars_of(loaded.catalog)
        known = {(text, "code") for text in many}
        vectors = np.ones((len(exemplars), 2), dtype=np.float32)
        seen = see(loaded, exemplars, vectors, cases_of(loaded.catalog), LINTER.vectors, known)
        assert len(seen.asked) == asked


def test_the_yardstick_measures_by_the_catalogs_own_texts() -> None:
    """Texts are compared with their own variants, so many at most, and one more text changes the sample by one."""
    asked: list[str] = []

    def vectors_of(wanted: Sequence[str]) -> Vectors:
        asked.extend(wanted)
        return HashEmbedder().embed(wanted)

    many = [f"word{number} other{number}" for number in range(300)]
    yardstick = measure_yardstick(many, HashEmbedder().embed(many), vectors_of)
    assert len(asked) == 2 * SAMPLE_TEXTS
    assert -1.0 <= yardstick.alike <= yardstick.same <= 1.0
    before = set(asked)
    asked.clear()
    measure_yardstick([*many, "one more"], HashEmbedder().embed([*many, "one more"]), vectors_of)
    assert len(set(asked) - before) <= 2
