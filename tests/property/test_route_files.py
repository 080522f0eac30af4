"""Whatever texts people have, they survive the way through files."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from hypothesis import given, settings, strategies as st

from fingerpost.build.findings import Findings
from fingerpost.build.imports.formats import import_file
from fingerpost.build.load import load
from fingerpost.build.texts import normalised, text_fault
from fingerpost.build.yaml_lines import parse
from fingerpost.build.yaml_scalars import written
from tests.route_folders import findings_of, write_folder

AWKWARD = [
    "no", "123", "1e3", "null", "~", "true", ".nan", "12:30:45", "a: b", "a #b", "- a", "? a", "'", '"', "it's", "&a",
    "*a", "!a", "%a", "@a", "`a", "[a", "{a", "|", ">", "a\n\nb", "a\r\nb", "\ttab", "---", "...", "<<", "=",
    "a\u2028b", "\N{GRINNING FACE}", "\ufeffx", "x\ufffe", "\\n", "a  b", "0x1f", "ON", "y", "\u202ex", "a,b", "word-",
]  # fmt: skip
texts = st.one_of(
    st.sampled_from(AWKWARD), st.text(max_size=40), st.text(st.sampled_from(" :#-'\"\n\\a1,[]{}&*!|>%@`"))
)


@given(texts.filter(lambda text: not text_fault(text)))
def test_a_written_text_reads_back_the_same(text: str) -> None:
    """Every text that may stand in a route file survives being written, for this reader and for others."""
    document = parse("a.yaml", f"a:\n  - {written(text)}\n  - next\n", Findings())
    assert document is not None
    assert document.value == {"a": [text, "next"]}
    assert yaml.safe_load(f"- {written(text)}") == [text]


@given(st.lists(st.tuples(texts, st.sampled_from(["code", "no", "123", "a b", "oos", "c?"])), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_an_import_loads_and_loses_only_what_it_counts(rows: list[tuple[str, str]]) -> None:
    """Each good row is either in the loaded catalog under its label or counted as repeated or contradictory."""
    rows = [("anchor", "code"), *((text, label) for text, label in rows if not text_fault(text))]
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "rows.jsonl"), Path(folder, "out")
        source.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
        report = import_file(source, out, "labelled-jsonl").written
        catalog = load(out).catalog
    written_texts = [text.text for route in catalog.routes for text in route.utterances]
    written_texts += [text.text for text in catalog.out_of_scope]
    assert set(written_texts) <= {text.strip() for text, _ in rows}
    assert len(written_texts) + report.repeated_count + report.contradictory_count == len(rows)
    assert {normalised(text) for text in written_texts} == {normalised(text) for text, _ in rows}


@given(st.text())
def test_any_text_as_a_file_gives_values_or_findings(text: str) -> None:
    """The reader never raises: it returns a document or says what is wrong."""
    findings = Findings()
    document = parse("a.yaml", text, findings)
    assert (document is None) == bool(findings.ordered())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts.filter(lambda text: not text_fault(text)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "models", "model", "x"]), inner)
    ),
    max_leaves=8,
)
fields = ["name", "description", "model", "min_confidence", "utterances", "utterances_file", "tests", "models"]
fields += ["fallback_model", "fallback_chain", "target_precision", "out_of_scope_share", "other"]
fields += ["adapt_out_of_scope_share", "sticky_session_seconds", "approvals"]


@given(
    st.sampled_from(["code.yaml", "_models.yaml", "_policy.yaml", "_out_of_scope.yaml"]),
    st.dictionaries(st.sampled_from(fields), json_values, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_any_values_in_any_file_give_findings_at_most(file: str, values: Mapping[str, object]) -> None:
    """No combination of keys and values makes the loader raise anything but its findings."""
    route = "model: coder\nutterances: [sort a list]\n"
    content = json.dumps(values).replace("NaN", ".nan").replace("Infinity", ".inf")
    with tempfile.TemporaryDirectory() as folder:
        for finding in findings_of(write_folder(Path(folder), {"code.yaml": route, file: content})):
            assert finding.line >= 0
            assert finding.message


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_as_a_file_give_findings_at_most(data: bytes) -> None:
    """Bytes that are no text, no YAML or no route are findings."""
    with tempfile.TemporaryDirectory() as folder:
        findings_of(write_folder(Path(folder), {"code.yaml": data}))
