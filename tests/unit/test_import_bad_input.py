"""Whatever is wrong with a file of another program is one clear finding with a line, and nothing is written."""

import json
from pathlib import Path

import pytest

from fingerpost.build.imports.formats import import_file
from fingerpost.errors import InvalidRequest
from tests.imported_files import codes, imported, one, put, refused, zero

CODE = {"name": "code", "utterances": ["fix it"]}
ZERO_YAML = "encoder_type: openai\nencoder_name: null\nroutes:\n- name: code\n  utterances: [fix it]\n"


def errors(found: object) -> list[tuple[str, int]]:
    """Code and line of what stops the import."""
    return codes([finding for finding in found if finding.severity == "error"])  # type: ignore[attr-defined]


BAD = {
    "mixed versions": (zero(CODE, router_type="indexed"), [("FP503", 1)]),
    "mixed versions inside a chain": (
        json.dumps({"router_type": "chain", "routers": [{"encoder_type": "openai", "routes": [CODE]}]}),
        [("FP202", 1)],
    ),
    "an unknown router": (one(CODE, router_type="cascade"), [("FP504", 2)]),
    "neither version": (json.dumps({"routes": [CODE]}), [("FP504", 1)]),
    "a bare list of the oldest files": (json.dumps([CODE]), [("FP504", 1)]),
    "no routes": (json.dumps({"encoder_type": "openai", "encoder_name": None}), [("FP202", 1)]),
    "routes that are no list": (zero(routes={"code": []}), [("FP203", 4)]),
    "a route that is a text": (zero("code"), [("FP203", 5)]),
    "a route without a name": (zero({"utterances": ["a"]}), [("FP202", 5)]),
    "a name that is a number": (zero({"name": 5, "utterances": ["a"]}), [("FP204", 6)]),
    "a name that nobody can read": (zero({"name": "\u200b", "utterances": ["a"]}), [("FP207", 6)]),
    "utterances that are a text": (zero({"name": "code", "utterances": "a"}), [("FP203", 7)]),
    "an utterance that is a number": (zero({"name": "code", "utterances": ["a", 5]}), [("FP204", 9)]),
    "an utterance that is null": (zero({"name": "code", "utterances": ["a", None]}), [("FP204", 9)]),
    "an empty utterance": (zero({"name": "code", "utterances": [" "]}), [("FP210", 8)]),
    "a huge utterance": (zero({"name": "code", "utterances": ["x" * 17_000]}), [("FP211", 8)]),
    "half a surrogate pair": (zero({"name": "code", "utterances": ["\ud800"]}), [("FP212", 8)]),
    "a huge description": (zero({**CODE, "description": "x" * 17_000}), [("FP211", 10)]),
    "a threshold that is a text": (zero({**CODE, "score_threshold": "high"}), [("FP203", 10)]),
    "metadata that is a list": (zero({**CODE, "metadata": ["x"]}), [("FP203", 10)]),
    "no routes at all": (zero(), [("FP505", 0)]),
    "an encoder without a type": (one(CODE, encoder={"name": "x"}), [("FP202", 3)]),
    "an encoder that is a text": (one(CODE, encoder="local"), [("FP203", 3)]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_router_file(tmp_path: Path, case: str) -> None:
    """Each fault is one finding at its line."""
    content, expected = BAD[case]
    assert errors(refused(tmp_path, "router.json", content)) == expected


BROKEN = {
    "single quotes": ("router.json", "{'encoder_type': 'openai'}", [("FP506", 1)]),
    "a comma too many": ("router.json", '{\n "routes": [],\n}', [("FP506", 3)]),
    "cut off": ("router.json", zero(CODE)[:-20], [("FP506", 8)]),
    "not a number": ("router.json", '{"encoder_type": NaN}', [("FP506", 0)]),
    "a number without end": ("router.json", '{"encoder_type": ' + "9" * 5000 + "}", [("FP506", 0)]),
    "a key twice": ("router.json", '{"encoder_type": "a",\n"routes": [],\n"encoder_type": "b"}', [("FP115", 3)]),
    "nested without end": ("router.json", "[" * 100_000, [("FP116", 0)]),
    "nested too deep": ("router.json", '{"routes": ' + "\n[" * 40 + "]" * 40 + "}", [("FP116", 33)]),
    "too many values": ("router.json", '{"routes": [' + "1," * 250_000 + "1]}", [("FP117", 1)]),
    "broken YAML": ("router.yaml", ZERO_YAML.replace("[fix it]", "[fix it"), [("FP111", 6)]),
    "a key twice in YAML": ("router.yaml", ZERO_YAML + "  name: other\n", [("FP115", 6)]),
    "an alias": ("router.yaml", ZERO_YAML.replace("[fix it]", "*texts"), [("FP113", 5)]),
    "a tag that makes objects": (
        "router.yaml", ZERO_YAML.replace("[fix it]", "!!python/object:os.system []"), [("FP114", 5)],
    ),
    "two documents": ("router.yaml", ZERO_YAML + "---\n" + ZERO_YAML, [("FP112", 6)]),
    "binary": ("router.yaml", "a: \0", [("FP110", 1)]),
    "nothing": ("router.yaml", "", [("FP501", 1)]),
    "another file altogether": ("models.yaml", "models:\n- name: coder\n", [("FP501", 1)]),
    "two formats": ("router.yaml", ZERO_YAML + "nlu: []\n", [("FP501", 1)]),
    "two formats in the routes": (
        "router.yaml", ZERO_YAML.replace("  utterances", "  references: [a]\n  utterances"), [("FP501", 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file(tmp_path: Path, case: str) -> None:
    """Broken JSON and YAML, and files of no known format, are one finding each."""
    name, content, expected = BROKEN[case]
    assert errors(refused(tmp_path, name, content)) == expected


def test_a_file_of_another_format_than_was_said(tmp_path: Path) -> None:
    """A format that was given is not doubted: the file has to be of it."""
    for form, code in (("rasa", "FP502"), ("redisvl", "FP502"), ("csv", "FP502"), ("labelled-jsonl", "FP121")):
        assert code in [finding.code for finding in refused(tmp_path, "router.json", '{"a": 1}', form)]


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    """YAML of more than 16 MiB and any file of more than 64 MiB is refused before it is parsed."""
    assert errors(refused(tmp_path, "router.yaml", "#" * (17 << 20))) == [("FP104", 0)]
    assert errors(refused(tmp_path, "router.yaml", b"#" * (65 << 20))) == [("FP104", 0)]


def test_the_error_says_that_it_is_the_file(tmp_path: Path) -> None:
    """The message speaks of the file to import and not of route files."""
    source = put(tmp_path, "router.json", "{")
    with pytest.raises(Exception, match=r"^the file to import has 1 error$"):
        import_file(source, tmp_path / "out")


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    """A name that is no format is refused with those that are."""
    with pytest.raises(InvalidRequest, match="auto, labelled-jsonl, csv, semantic-router, litellm, redisvl, rasa"):
        import_file(put(tmp_path, "router.json", zero(CODE)), tmp_path / "out", "yaml")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that holds anything is refused before the file is looked at."""
    imported(tmp_path, "router.json", zero(CODE))
    before = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InvalidRequest, match="not empty"):
        import_file(tmp_path / "router.json", tmp_path / "out")
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == before


def test_unknown_keys_are_reported(tmp_path: Path) -> None:
    """A key that no version has is left out with a note at its line."""
    _, report = imported(tmp_path, "router.json", one({**CODE, "threshold": 1}, speed="fast"))
    assert codes(report.findings) == [("FP520", 13), ("FP520", 16)]


def test_a_model_that_cannot_be_written(tmp_path: Path) -> None:
    """A model of the metadata that is no name, or no text at all, is left out, and the route's name is taken."""
    for number, model in enumerate((" spaced", "\ud800", "\u200b", 5, ["a"], "x" * 200)):
        (tmp_path / str(number)).mkdir()
        catalog, report = imported(tmp_path / str(number), "router.json", zero({**CODE, "metadata": {"model": model}}))
        assert catalog.routes[0].model == "code"
        assert [finding.code for finding in report.findings] == ["FP514"]


def test_a_route_twice(tmp_path: Path) -> None:
    """Two entries of one name are one route with the texts of both, and a note."""
    catalog, report = imported(tmp_path, "router.json", zero(CODE, {"name": "code", "utterances": ["sort it"]}))
    assert [text.text for text in catalog.routes[0].utterances] == ["fix it", "sort it"]
    assert [finding.code for finding in report.findings] == ["FP521"]
