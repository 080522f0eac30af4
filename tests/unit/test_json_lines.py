"""JSON with the line of each value."""

import json

from hypothesis import given, strategies as st

from fingerpost.build.findings import Findings
from fingerpost.build.json_lines import parse_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(values, st.sampled_from([None, 0, 1, "\t"]))
def test_it_reads_what_json_reads(value: object, indent: int | str | None) -> None:
    """The value is that of Python's own reader, and every value has a line of the text."""
    text = json.dumps(value, indent=indent)
    document = parse_json("a.json", text, Findings())
    assert document is not None
    assert document.value == value
    assert all(1 <= line <= text.count("\n") + 1 for line in document.lines.values())


@given(st.text(st.sampled_from('{}[]",:\\\n1atrue ')))
def test_any_text_gives_values_or_findings(text: str) -> None:
    """The reader never raises: it returns a document or says what is wrong."""
    findings = Findings()
    document = parse_json("a.json", text, findings)
    assert (document is None) == bool(findings.ordered())


def test_lines_of_keys_and_entries() -> None:
    """Each value is placed at the line on which it begins."""
    document = parse_json("a.json", '{\n "a": [\n  1,\n  {"b\\n\\"": "x"}],\n "c":\n  true}', Findings())
    assert document is not None
    assert document.lines == {
        (): 1, ("a",): 2, ("a", 0): 3, ("a", 1): 4, ("a", 1, 'b\n"'): 4, ("c",): 6,
    }  # fmt: skip
