"""Router files of semantic-router, 0.x and 1.x, and of LiteLLM become route folders; what has no place is reported."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fingerpost.types import Severity
from tests.imported_files import MINILM, codes, imported, one, refused, texts, zero

ZERO = """encoder_type: openai
encoder_name: text-embedding-3-small
routes:
- name: code
  utterances:
  - fix this stack trace
  - write a unit test
  description: Program code.
  function_schemas: null
  llm: null
  score_threshold: 0.62
  metadata: {model: large-coder, owner: s3cr3t-owner}
- name: weather
  utterances: [will it rain]
  function_schemas:
  - {name: get_weather, parameters: {}}
  llm: {module: os, class: system, model: gpt-4o}
"""

ONE = """router_type: indexed
encoder: {type: openai, name: null}
sparse_encoder: {type: bm25, name: bm25}
alpha: 0.3
top_k: 7
aggregation: max
index: {type: hybrid_local}
confidence_threshold: 0.4
calibrator: null
refresh_interval: 60
routes:
- name: code
  utterances: [fix this stack trace]
  description: Program code.
  confidence_threshold: 0.5
  metadata: {}
- name: chat
  utterances: [hello there]
"""


def route(name: str = "code", *utterances: object, **more: object) -> dict[str, Any]:
    return {"name": name, "utterances": utterances or [f"a text of {name}"], **more}


def test_a_0x_file_becomes_a_folder(tmp_path: Path) -> None:
    """Names, utterances, descriptions and the models of the metadata are carried over."""
    catalog, report = imported(tmp_path, "router.yaml", ZERO)
    assert report.format == "semantic-router"
    assert texts(catalog) == {"code": ["fix this stack trace", "write a unit test"], "weather": ["will it rain"]}
    code, weather = catalog.routes
    assert (code.model, code.description, code.min_confidence) == ("large-coder", "Program code.", None)
    assert (weather.model, weather.description) == ("weather", "")
    assert [model.name for model in catalog.models] == ["fallback", "large-coder", "weather"]


def test_what_a_0x_file_says_besides_is_reported_at_its_line(tmp_path: Path) -> None:
    """Encoder, threshold, metadata, function schemas and llm are each a note with a line; nulls are none."""
    _, report = imported(tmp_path, "router.yaml", ZERO)
    assert codes(report.findings) == [
        ("FP512", 1), ("FP511", 11), ("FP514", 12), ("FP515", 12), ("FP513", 15), ("FP513", 17),
    ]  # fmt: skip
    assert {finding.severity for finding in report.findings} == {Severity.WARNING}
    assert {finding.file for finding in report.findings} == {"router.yaml"}


def test_secrets_of_the_metadata_are_not_repeated(tmp_path: Path) -> None:
    """Keys of the metadata are named, values are not, and no file of the folder has them."""
    _, report = imported(tmp_path, "router.yaml", ZERO)
    assert any("'owner'" in finding.message for finding in report.findings)
    assert "s3cr3t" not in "".join(finding.message for finding in report.findings)
    assert "s3cr3t" not in "".join(path.read_text() for path in (tmp_path / "out").iterdir())


def test_nothing_that_a_file_names_is_imported(tmp_path: Path) -> None:
    """A module that `llm` names is not loaded, not even looked for."""
    module = tmp_path / "planted.py"
    module.write_text("raise SystemExit('it was run')")
    sys.path.insert(0, str(tmp_path))
    try:
        llm = {"module": "planted", "class": "LLM", "model": "m"}
        _, report = imported(tmp_path, "router.json", zero(route(llm=llm)))
    finally:
        sys.path.remove(str(tmp_path))
    assert "planted" not in sys.modules
    assert [finding.code for finding in report.findings] == ["FP513"]


def test_json_and_yaml_give_the_same(tmp_path: Path) -> None:
    """A 0.x file as JSON, as JSON with another ending, and as YAML becomes the same catalog."""
    content = zero(route("code", "a", "\N{GRINNING FACE} \\ \t b"), route("chat"))
    found = []
    for name in ("router.json", "router.yaml", "router"):
        (tmp_path / name).mkdir()
        catalog, report = imported(tmp_path / name, name, content.replace("\n ", "\n\t"))
        assert report.findings == ()
        found.append(texts(catalog))
    assert found[0] == found[1] == found[2] == {"chat": ["a text of chat"], "code": ["a", "\N{GRINNING FACE} \\ \t b"]}


def test_a_1x_file_becomes_a_folder_and_a_report(tmp_path: Path) -> None:
    """Every setting of an indexed router that has no place here is a note with its line."""
    catalog, report = imported(tmp_path, "router.yaml", ONE)
    assert texts(catalog) == {"chat": ["hello there"], "code": ["fix this stack trace"]}
    assert [route.min_confidence for route in catalog.routes] == [None, None]
    assert codes(report.findings) == [
        ("FP512", 2), ("FP510", 3), ("FP510", 4), ("FP510", 5), ("FP510", 6), ("FP511", 8), ("FP510", 10),
        ("FP511", 15),
    ]  # fmt: skip


def test_a_threshold_behind_a_calibrator_is_a_confidence(tmp_path: Path) -> None:
    """With a calibrator the thresholds of routes and router become min_confidence; the route's own comes first."""
    calibrator = {"method": "platt", "params": {"a": [8.0], "b": [-4.0]}}
    routes = [route("code", confidence_threshold=0.9), route("chat"), route("sql", metadata={"min_confidence": 0.3})]
    catalog, report = imported(tmp_path, "router.json", one(*routes, calibrator=calibrator, confidence_threshold=0.7))
    assert {one.name: one.min_confidence for one in catalog.routes} == {"code": 0.9, "chat": 0.7, "sql": 0.3}
    assert sorted(finding.code for finding in report.findings) == ["FP510", "FP511", "FP511", "FP515"]


def test_settings_that_we_wrote_into_metadata_are_read_back(tmp_path: Path) -> None:
    """model, min_confidence and target_precision are read where they fit, else reported as left out."""
    good = {"model": "m", "min_confidence": 0, "target_precision": 0.9}
    bad = {"model": " spaced ", "min_confidence": 1.5, "target_precision": True}
    catalog, report = imported(tmp_path, "router.json", zero(route("a", metadata=good), route("b", metadata=bad)))
    first, second = catalog.routes
    assert (first.model, first.min_confidence, first.target_precision) == ("m", 0.0, 0.9)
    assert (second.model, second.min_confidence, second.target_precision) == ("b", None, None)
    assert [finding.code for finding in report.findings] == ["FP515", "FP514"]


def test_a_chain_is_read_by_its_members(tmp_path: Path) -> None:
    """The routes of all routers in a chain become one folder; what is lost is told."""
    inner = [json.loads(one(route("code", "a"), route("chat", "b"))), json.loads(one(route("code", "a", "c")))]
    decision = {"router_type": "decision", "model": {"type": "gliner2", "name": "x"}, "routes": [route("sql", "d")]}
    merge = {"router_type": "merge", "weights": [1, 2], "routers": [*inner, decision]}
    chain = {"router_type": "chain", "confidence_threshold": 0.5, "calibrator": None, "routers": [merge]}
    catalog, report = imported(tmp_path, "router.json", json.dumps(chain))
    assert texts(catalog) == {"code": ["a", "c"], "chat": ["b"], "sql": ["d"]}
    assert sorted(finding.code for finding in report.findings) == ["FP510", "FP511", "FP513", "FP516", "FP516", "FP516"]


def test_a_remote_index_is_named_and_not_asked(tmp_path: Path) -> None:
    """Routes in the file are read beside a remote index, whose parameters are named without values."""
    index = {"type": "qdrant", "url": "https://user:s3cr3t@host", "index_name": "x"}
    _, report = imported(tmp_path, "router.json", one(route(), index=index))
    [note] = report.findings
    assert note.code == "FP510"
    assert "'url'" in note.message
    assert "s3cr3t" not in note.message


def test_routes_that_only_an_index_has_are_refused(tmp_path: Path) -> None:
    """A file whose routes are in a remote index has nothing to read, and says where they are."""
    content = {"router_type": "indexed", "encoder": {"type": "local", "name": MINILM}, "index": {"type": "pinecone"}}
    found = refused(tmp_path, "router.json", json.dumps(content))
    assert sorted(finding.code for finding in found) == ["FP505", "FP510", "FP516"]
    assert any("pinecone" in finding.message for finding in found)


def test_a_decision_router_without_utterances_is_refused(tmp_path: Path) -> None:
    """Descriptions alone are nothing to route by."""
    routes = [{"name": "code", "description": "Program code."}]
    content = {"router_type": "decision", "model": {"type": "typesafe"}, "routes": routes}
    assert "FP505" in [finding.code for finding in refused(tmp_path, "router.json", json.dumps(content))]


def test_a_route_without_utterances_is_kept(tmp_path: Path) -> None:
    """It is a route of the folder, as a person would have written it."""
    catalog, _ = imported(tmp_path, "router.json", one(route("code"), {"name": "later", "description": "To come."}))
    assert texts(catalog) == {"code": ["a text of code"], "later": []}


def test_litellm_takes_the_name_for_the_model(tmp_path: Path) -> None:
    """Of LiteLLM's file a route's name is its model, whatever its metadata says."""
    content = zero(route("gpt-4.1", "litellm is great", metadata={"model": "other"}), route("claude 3.5"))
    catalog, report = imported(tmp_path, "router.json", content, "litellm")
    assert [(route.name, route.model) for route in catalog.routes] == [("claude 3.5",) * 2, ("gpt-4.1",) * 2]
    assert [finding.code for finding in report.findings] == ["FP514"]


def test_litellm_reads_no_1x_file(tmp_path: Path) -> None:
    """A 1.x file given as LiteLLM's is one finding."""
    assert codes(refused(tmp_path, "router.json", one(route()), "litellm")) == [("FP504", 1)]


def test_pictures_are_left_out(tmp_path: Path) -> None:
    """An utterance that is an object is no text, and is reported."""
    catalog, report = imported(tmp_path, "router.json", zero(route("code", {"image": "x"}, "a text")))
    assert texts(catalog) == {"code": ["a text"]}
    assert [finding.code for finding in report.findings] == ["FP517"]


@pytest.mark.parametrize(
    ("encoder", "found"),
    [
        (("huggingface", MINILM), []),
        (("fastembed", MINILM), []),
        (("huggingface", "all-MiniLM-L6-v2"), []),
        (("huggingface", "BAAI/bge-small-en-v1.5"), ["FP512"]),
        (("openai", None), ["FP512"]),
        (("made-up", "x"), ["FP512"]),
    ],
)
def test_encoders(tmp_path: Path, encoder: tuple[str, str | None], found: list[str]) -> None:
    """Another encoder, a known or an unknown one, is a note; the one that we have anyway is none."""
    kind, name = encoder
    _, report = imported(tmp_path, "router.json", zero(route(), encoder_type=kind, encoder_name=name))
    assert [finding.code for finding in report.findings] == found
    assert all(("unknown" in finding.message) == (kind == "made-up") for finding in report.findings)
    assert all(("reindex --encoder BAAI" in one.message) == (kind == "huggingface") for one in report.findings)


def test_the_name_of_an_unquoted_scalar(tmp_path: Path) -> None:
    """What Python's YAML writer leaves unquoted, since 1.1 takes it for a text, stays a text; so does `no`."""
    catalog, _ = imported(
        tmp_path,
        "router.yaml",
        f"encoder_type: huggingface\nencoder_name: {MINILM}\n"
        "routes:\n- name: no\n  utterances: [1e5, 0089, 0o17, yes, 12:30:45, 2020-01-01, 1_000, on]\n",
    )
    assert texts(catalog) == {"no": ["1e5", "0089", "0o17", "yes", "12:30:45", "2020-01-01", "1_000", "on"]}


def test_thousands_of_routes(tmp_path: Path) -> None:
    """2,000 routes are read, and each of their thresholds is reported."""
    content = zero(*(route(f"route {number}", f"text {number}", score_threshold=0.5) for number in range(2000)))
    catalog, report = imported(tmp_path, "router.json", content)
    assert len(catalog.routes) == 2000
    assert [finding.code for finding in report.findings] == ["FP511"] * 2000


def test_many_texts_go_into_a_file_beside_the_route(tmp_path: Path) -> None:
    """A route whose texts would make its YAML large is written with an utterances file."""
    many = [f"text number {number} {'x' * 100}" for number in range(10_000)]
    catalog, _ = imported(tmp_path, "router.json", zero(route("no", *many)))
    assert [text.text for text in catalog.routes[0].utterances] == many
    assert (tmp_path / "out" / "no.jsonl").is_file()
