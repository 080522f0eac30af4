"""A route folder becomes a router file of semantic-router; what such a file has no place for is reported."""

import json
from pathlib import Path

import pytest
import yaml

from fingerpost.build.exports.semantic_router import export_file
from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.errors import InvalidRequest
from tests.imported_files import MINILM
from tests.route_folders import write_folder

CODE = """description: Program code.
model: coder
min_confidence: 0.6
target_precision: 0.9
utterances:
  - "no"
  - "1e5"
  - "a: b # c"
tests:
  - reverse a linked list
"""


def folder(path: Path) -> Path:
    """A route with everything, one with nothing, and texts that belong to none."""
    return write_folder(
        path / "routes",
        {
            "code.yaml": CODE,
            "later.yaml": "model: strong\n",
            "_out_of_scope.yaml": "utterances:\n  - lights off\ntests:\n  - lights on\n",
        },
    )


def test_a_0x_file(tmp_path: Path) -> None:
    """It has the three keys of its top and all keys of its routes; the model stands in the metadata."""
    report = export_file(folder(tmp_path), "semantic-router-0", tmp_path / "router.yaml")
    assert (report.routes_count, report.utterances_count) == (2, 3)
    content = yaml.safe_load((tmp_path / "router.yaml").read_text())
    assert list(content) == ["encoder_type", "encoder_name", "routes"]
    assert (content["encoder_type"], content["encoder_name"]) == ("huggingface", MINILM)
    assert content["routes"][0] == {
        "name": "code",
        "utterances": ["no", "1e5", "a: b # c"],
        "description": "Program code.",
        "function_schemas": None,
        "llm": None,
        "score_threshold": None,
        "metadata": {"model": "coder", "min_confidence": 0.6, "target_precision": 0.9},
    }


def test_a_1x_file(tmp_path: Path) -> None:
    """It is an indexed router with our encoder; no threshold is written, since it would be compared with raw scores."""
    export_file(folder(tmp_path), "semantic-router-1", tmp_path / "router.json")
    content = json.loads((tmp_path / "router.json").read_text())
    assert list(content) == ["router_type", "encoder", "routes"]
    assert content["encoder"] == {"type": "local", "name": MINILM}
    assert content["routes"][0]["confidence_threshold"] is None
    assert content["routes"][0]["metadata"]["min_confidence"] == 0.6
    assert content["routes"][1] == {
        "name": "later",
        "utterances": [],
        "description": None,
        "confidence_threshold": None,
        "metadata": {"model": "strong"},
    }


@pytest.mark.parametrize(("form", "lost"), [("semantic-router-0", 0), ("semantic-router-1", 1)])
def test_what_is_left_out_is_told(tmp_path: Path, form: str, lost: int) -> None:
    """Tests, out-of-scope texts and thresholds are a note each; so is a route that 1.x would lose."""
    report = export_file(folder(tmp_path), form, tmp_path / "router.yaml")
    found = [(finding.code, finding.file) for finding in report.findings]
    assert sorted(found) == [
        ("FP530", "_out_of_scope.yaml"), ("FP530", "code.yaml"), *[("FP530", "the route later")] * lost,
        ("FP531", "code.yaml"),
    ]  # fmt: skip
    assert "2 out-of-scope texts" in report.findings[0].message


def test_no_anchor_and_no_folded_line(tmp_path: Path) -> None:
    """Each text stands on a line of its own, however long it is, and nothing is written as an alias."""
    text = "word " * 100 + "end"
    export_file(write_folder(tmp_path / "routes", {"code.yaml": f"model: coder\nutterances: [{text}]\n"}),
                "semantic-router-1", tmp_path / "router.yaml")  # fmt: skip
    lines = (tmp_path / "router.yaml").read_text().splitlines()
    assert f"  - {text}" in lines
    assert not any("&" in line or "*" in line for line in lines)


@pytest.mark.parametrize(
    ("form", "given", "expected"),
    [
        ("semantic-router-0", "openai", {"encoder_type": "openai", "encoder_name": None}),
        ("semantic-router-0", "bm25", {"encoder_type": "bm25", "encoder_name": None}),
        ("semantic-router-1", "ollama:hf.co/x:F16", {"encoder": {"type": "ollama", "name": "hf.co/x:F16"}}),
    ],
)
def test_another_encoder(tmp_path: Path, form: str, given: str, expected: dict[str, object]) -> None:
    """The encoder may be any that the version knows, with or without a name."""
    export_file(folder(tmp_path), form, tmp_path / "router.json", given)
    assert expected.items() <= json.loads((tmp_path / "router.json").read_text()).items()


@pytest.mark.parametrize(
    ("form", "out", "encoder", "field"),
    [
        ("semantic-router", "router.yaml", None, "format"),
        ("semantic-router-1", "router.txt", None, "out"),
        ("semantic-router-1", "there.yaml", None, "out"),
        ("semantic-router-0", "router.yaml", "local", "encoder"),
        ("semantic-router-1", "router.yaml", "bm25", "encoder"),
        ("semantic-router-1", "router.yaml", "made-up:x", "encoder"),
        ("semantic-router-0", "router.yaml", "huggingface", "encoder"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, form: str, out: str, encoder: str | None, field: str) -> None:
    """Unknown formats, endings and encoders, and a file that exists, are refused by field, and nothing is written."""
    (tmp_path / "there.yaml").write_text("mine")
    with pytest.raises(InvalidRequest) as caught:
        export_file(folder(tmp_path), form, tmp_path / out, encoder)
    assert [violation.field for violation in caught.value.fields] == [field]
    assert {path.name for path in tmp_path.iterdir()} == {"routes", "there.yaml"}
    assert (tmp_path / "there.yaml").read_text() == "mine"


def test_a_folder_with_errors_is_not_exported(tmp_path: Path) -> None:
    """What would not load is not written."""
    with pytest.raises(RouteFilesInvalid):
        export_file(write_folder(tmp_path / "routes", {"code.yaml": "model: none\n"}), "semantic-router-0",
                    tmp_path / "router.yaml")  # fmt: skip
    assert not (tmp_path / "router.yaml").exists()
