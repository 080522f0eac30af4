"""What lint says of texts that load well, beside the examples of its pages."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fingerpost.backends.encoder.embedder import OnnxEncoder
from fingerpost.build.lint.lint import WHOLE_TEXTS, see
from fingerpost.build.lint.yardstick import SAMPLE_TEXTS, measure_yardstick
from fingerpost.build.load import load
from fingerpost.build.reindex import cases_of, exemplars_of, reindex
from fingerpost.types import Finding, Severity, Vectors
from tests.fakes import HashEmbedder, MemoryCache
from tests.linting import Linter
from tests.route_folders import write_folder
from tests.workshops import workshop

CODE = [
    "write a function that reverses a linked list",
    "why does this loop never end",
    "fix the bug in my Python script",
    "explain this regular expression",
    "add a unit test for the parser",
]
TRANSLATE = [
    "translate this letter into French",
    "how do you say good evening in Spanish",
    "what does this German sentence mean in English",
    "put the menu into Italian",
    "I need the contract in Dutch",
]
POEMS = [
    "write a poem about the first snow",
    "a haiku on silence, please",
    "rhyme something for my sister's birthday",
    "verses about the sea in autumn",
    "make me a limerick about a cat",
]
GOOD = {"code": CODE, "translate": TRANSLATE, "poems": POEMS}


@pytest.fixture(scope="module")
def linter(encoder: OnnxEncoder) -> Linter:
    return Linter(encoder.embedder())


def routes_of(folder: Path, routes: Mapping[str, Sequence[str]], **outside: Sequence[str]) -> Path:
    """A route folder, each text on a line of its own, the first on line 3."""

    def lines(texts: Sequence[str]) -> str:
        return "".join(f"  - {json.dumps(text)}\n" for text in texts)

    files = {f"{name}.yaml": f"model: coder\nutterances:\n{lines(texts)}" for name, texts in routes.items()}
    if outside:
        files["_out_of_scope.yaml"] = "".join(f"{key}:\n{lines(texts)}" for key, texts in outside.items())
    return write_folder(folder, files)


def of_kind(findings: Sequence[Finding], code: str) -> list[Finding]:
    return [finding for finding in findings if finding.code == code]


def test_routes_apart_have_no_findings(linter: Linter, tmp_path: Path) -> None:
    """Routes that speak of different things, each with enough texts, are clean."""
    assert linter.lint(routes_of(tmp_path, GOOD)) == ()


def test_an_utterance_astray_is_told_with_what_is_nearest(linter: Linter, tmp_path: Path) -> None:
    """The message names the other route, its nearest text and the own route's, each with file and line."""
    strange = "how do you ask for the bill in Spanish"
    [finding] = of_kind(linter.lint(routes_of(tmp_path, {**GOOD, "code": [*CODE, strange]})), "FP402")
    assert (finding.severity, finding.file, finding.line) == (Severity.WARNING, "code.yaml", 8)
    assert repr(strange) in finding.message
    assert "nearer to the route 'translate'" in finding.message
    assert "'how do you say good evening in Spanish' (translate.yaml:4), similarity 0." in finding.message
    assert "(code.yaml:" in finding.message


def test_nearly_the_same_text_in_two_routes_has_one_finding(linter: Linter, tmp_path: Path) -> None:
    """A pair is told once, as alike and not as astray as well."""
    [finding] = linter.lint(routes_of(tmp_path, {**GOOD, "poems": [*POEMS, f"please {TRANSLATE[0]}"]}))
    assert (finding.code, finding.severity) == ("FP401", Severity.WARNING)
    assert repr(TRANSLATE[0]) in finding.message
    assert repr(f"please {TRANSLATE[0]}") in finding.message


def test_nearly_the_same_text_out_of_scope_is_told_at_the_route(linter: Linter, tmp_path: Path) -> None:
    """Out-of-scope texts are compared with those of routes, never called astray, and never asked for words."""
    outside = ["turn off the lights", "asdf;; ???", "what is the French for butter", f"{CODE[2]}!"]
    [finding] = linter.lint(routes_of(tmp_path, GOOD, utterances=outside, tests=["?!"]))
    assert (finding.code, finding.file, finding.line) == ("FP401", "code.yaml", 5)
    assert "of the out-of-scope texts" in finding.message


def test_confused_routes_are_told_with_counts(linter: Linter, tmp_path: Path) -> None:
    """Two routes that share what they speak of are a pair, with how many would go where; the others are none."""
    left = ["when does the train to Berlin leave", "at what time is the bus to Leeds", "when is the next ferry to Oslo"]
    right = ["at what time does the train to Berlin go", "when does the bus to Leeds leave", "next ferry to Oslo, when"]
    findings = linter.lint(routes_of(tmp_path, {**GOOD, "departures": left, "timetable": right}))
    [finding] = of_kind(findings, "FP406")
    assert finding.file == "departures.yaml"
    assert "'departures' and 'timetable' are mistaken for one another: " in finding.message
    assert "of 3 utterances would go to the second" in finding.message
    assert "of 3 to the first" in finding.message


def test_what_repeats_inside_a_route_is_one_note(linter: Linter, tmp_path: Path) -> None:
    """However many texts of a route say the same, it has one note, with examples."""
    repeating = [variant for text in CODE for variant in (text, f"{text}.", f"{text} !")]
    [finding] = linter.lint(routes_of(tmp_path, {**GOOD, "code": repeating}))
    assert (finding.code, finding.severity, finding.file) == ("FP403", Severity.NOTE, "code.yaml")
    assert "pairs of utterances" in finding.message
    assert finding.message.count("(code.yaml:") == 3


def test_a_test_too_near_to_an_utterance(linter: Linter, tmp_path: Path) -> None:
    """It is told at the test, with the other route where the utterance is another's; other words are fine."""
    folder = routes_of(tmp_path, GOOD)
    with (folder / "poems.yaml").open("a") as file:
        file.write(f"tests:\n  - {POEMS[0]} !\n  - {CODE[0]}!\n  - a ballad of two brothers\n")
    first, second = of_kind(linter.lint(folder), "FP407")
    assert [(one.file, one.line) for one in (first, second)] == [("poems.yaml", 9), ("poems.yaml", 10)]
    assert "of the route" not in first.message
    assert "of the route 'code'" in second.message


@pytest.mark.parametrize(("count", "small"), [(1, True), (4, True), (5, False)])
def test_small_routes(linter: Linter, tmp_path: Path, count: int, small: bool) -> None:
    """Fewer than five utterances are few, and a route of one is only that: it has no text to be near to."""
    found = linter.lint(routes_of(tmp_path, {**GOOD, "poems": POEMS[:count]}))
    assert [(finding.code, finding.file) for finding in found] == ([("FP404", "poems.yaml")] if small else [])


def test_an_empty_route_is_not_called_small_as_well(linter: Linter, tmp_path: Path) -> None:
    """Loading warns of it already; without any utterance there is nothing to compare, and nothing fails."""
    for name, routes in ("one", GOOD), ("all", {}):
        folder = routes_of(tmp_path / name, routes)
        (folder / "none.yaml").write_text("model: coder\n")
        assert linter.lint(folder) == ()


def test_every_text_of_a_folder_is_searched_for_secrets(linter: Linter, tmp_path: Path) -> None:
    """Utterances, tests, out-of-scope texts, descriptions and what is told of models, each at its own line."""
    mail = "kim@uni.ac.uk"
    folder = routes_of(tmp_path, GOOD, utterances=["turn off the lights", f"call {mail}"], tests=[f"ring {mail}"])
    (folder / "code.yaml").write_text(
        f"model: coder\ndescription: ask {mail}\nutterances:\n"
        + "".join(f"  - {text}\n" for text in [*CODE, f"mail the build log to {mail}"])
        + f"tests:\n  - send the patch to {mail}\n"
    )
    (folder / "_models.yaml").write_text(
        f"models:\n  - name: coder\n    description: of {mail}\n    endpoint: https://a:kX7-q@models.example.com\n"
        f"  - name: strong\n    capabilities:\n      - tools\n      - {mail}\n    upstream_model: {mail}\n"
    )
    found = linter.lint(folder)
    assert [(finding.file, finding.line) for finding in of_kind(found, "FP410")] == [
        ("_models.yaml", 3),
        ("_models.yaml", 8),
        ("_models.yaml", 9),
        ("_out_of_scope.yaml", 3),
        ("_out_of_scope.yaml", 5),
        ("code.yaml", 2),
        ("code.yaml", 9),
        ("code.yaml", 11),
    ]
    assert [(finding.file, finding.line) for finding in of_kind(found, "FP409")] == [("_models.yaml", 4)]
    assert not [finding for finding in found if mail in finding.message]


# --- At reindex, with hashed words --------------------------------------------------------------------------------

CACHE = MemoryCache()


def words(route: str, count: int) -> list[str]:
    """Texts of words of the route's own, mixed with words that all routes use."""
    return [
        f"{route}{number % 6} {route}{number % 5} all{number % 7} all{number % 11} {number}" for number in range(count)
    ]


@pytest.mark.parametrize(("wanted", "told"), [(1.0, True), (0.01, False)])
def test_a_confidence_that_nothing_reaches_is_told_at_reindex(tmp_path: Path, wanted: float, told: bool) -> None:
    """By the very revision that is built; a confidence that some text reaches is none of it."""
    folder = routes_of(tmp_path / "routes", {name: words(name, 20) for name in ("code", "maths", "poems", "trade")})
    code = folder / "code.yaml"
    code.write_text(code.read_text().replace("utterances:", f"min_confidence: {wanted}\nutterances:"))
    found = of_kind(reindex(folder, "default", workshop(tmp_path, CACHE)).findings, "FP405")
    assert [(finding.file, finding.line) for finding in found] == ([("code.yaml", 2)] if told else [])


def test_what_is_known_is_not_looked_at_again_in_a_large_catalog(tmp_path: Path) -> None:
    """Up to a size all texts are looked at; beyond it those that are new to their route."""
    hashed = Linter(HashEmbedder())
    many = [f"text {number}" for number in range(WHOLE_TEXTS)]
    known = {(text, "code") for text in many}
    for kept, asked in ((WHOLE_TEXTS - 2, WHOLE_TEXTS), (WHOLE_TEXTS - 1, 2)):
        texts = [*many[1 : kept + 1], "new"]
        loaded = load(routes_of(tmp_path / str(kept), {"code": texts, "maths": ["text 0"]}))
        exemplars = exemplars_of(loaded.catalog)
        vectors = hashed.vectors([exemplar.text for exemplar in exemplars])
        seen = see(loaded, exemplars, vectors, cases_of(loaded.catalog), hashed.vectors, known)
        assert len(seen.asked) == asked
        if asked == 2:
            assert sorted(text.text for text in seen.asked_texts) == ["new", "text 0"]


# --- The yardstick ------------------------------------------------------------------------------------------------


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
