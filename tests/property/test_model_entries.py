"""However `_models.yaml` is written, new entries and values leave every other line of it as it is, byte for byte."""

from dataclasses import dataclass, replace
from typing import Any

import yaml
from hypothesis import given, strategies as st

from fingerpost.build.edit.model_entries import Entry, Value, with_entries, with_values
from fingerpost.build.yaml_scalars import written

ORDER = [
    "name", "upstream_model", "input_price_usd_micros", "output_price_usd_micros", "cached_input_price_usd_micros",
    "context_window_tokens", "max_output_tokens", "capabilities",
]  # fmt: skip
NUMBERS = ORDER[2:7]

AWKWARD = [
    "no",
    "a: b",
    "a #b",
    "- a",
    "it's",
    "&a",
    "[a",
    "{a",
    "a,b",
    "x/y-1",
    "d\u00e9j\u00e0",
    "a\u2028b",
    "two\nlines",
]
texts = st.sampled_from(["small", "example/large-2", "gpt", *AWKWARD])
labels = st.lists(st.sampled_from(["tools", "json", "vision", "a, b", "no"]), unique=True, max_size=4).map(tuple)
comments = st.sampled_from(["", "  # by contract", " # key: [value]", "   "])
loose = st.lists(st.sampled_from(["# a comment", "", "# - name: none"]), max_size=2)


@dataclass(frozen=True)
class Line:
    """A key, its value and what stands behind it on the line; without a key, a comment or a blank line."""

    key: str | None
    value: Value = ""
    behind: str = ""

    def text(self, indent: str) -> str:
        if self.key is None:
            return f"{indent}{self.behind}" if self.behind else ""
        return f"{indent}{self.key}: {shown(self.value)}{self.behind}"


def shown(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(written(text, in_brackets=True) for text in value)}]"
    return str(value) if isinstance(value, int) else written(value)


numbers = st.integers(1, 10**9)
name_lines = st.builds(Line, st.just("name"), texts, comments)
number_lines = st.builds(Line, st.sampled_from(NUMBERS), numbers, comments)
label_lines = st.builds(Line, st.just("capabilities"), labels, comments)
prose_lines = st.builds(Line, st.sampled_from(["description", "endpoint", "upstream_model"]), texts, comments)
other_lines = loose.map(lambda found: [Line(None, behind=text) for text in found])
entry_lines = st.builds(
    lambda name, lines, between: [name, *between, *lines],
    name_lines,
    st.lists(st.one_of(number_lines, label_lines, prose_lines), unique_by=lambda line: line.key, max_size=8),
    other_lines,
)
values: st.SearchStrategy[dict[str, Value]] = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(NUMBERS, numbers), "capabilities": labels}
)


@dataclass(frozen=True)
class File:
    """A `_models.yaml` by its lines."""

    entries: list[list[Line]]
    indent: str
    head: list[str]
    foot: list[str]
    line_break: str
    ended: bool

    @property
    def content(self) -> str:
        lines = [*self.head, "models:", *(text for entry in self.entries for text in self.lines(entry)), *self.foot]
        return self.line_break.join(lines) + (self.line_break if self.ended else "")

    def lines(self, entry: list[Line]) -> list[str]:
        first, *rest = [line.text(f"{self.indent}  ") for line in entry]
        return [f"{self.indent}- {first.lstrip(' ')}", *rest]


files = st.builds(
    File,
    st.lists(entry_lines, min_size=1, max_size=4),
    st.sampled_from(["", "  ", "    "]),
    loose,
    loose,
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


def changed(entry: list[Line], values: dict[str, Value]) -> list[Line]:
    """The twin: the value on its line, or a new line behind the nearest key before it."""
    lines = [replace(line, value=values[line.key]) if line.key in values else line for line in entry]
    for key in ORDER:
        if key in values and key not in [line.key for line in lines]:
            before = [name for name in ORDER[: ORDER.index(key)] if name in [line.key for line in lines]][-1]
            place = [line.key for line in lines].index(before) + 1
            lines.insert(place, Line(key, values[key]))
    return lines


@given(files, st.lists(values, min_size=4, max_size=4))
def test_other_values(file: File, wanted: list[dict[str, Value]]) -> None:
    """Each value changes on its own line, and no other character does."""
    changes: dict[int, Entry] = {number: wanted[number] for number in range(len(file.entries)) if wanted[number]}
    after = replace(file, entries=[changed(entry, wanted[number]) for number, entry in enumerate(file.entries)])
    assert with_values("_models.yaml", file.content, changes) == after.content


entries: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda name, description, more: {"name": name, "description": description, **more}, texts, texts, values
)


@given(files, st.lists(entries, min_size=1, max_size=3))
def test_new_entries(file: File, new: list[dict[str, Any]]) -> None:
    """All lines stay, in their order, and what was put between them is read as the new entries behind the old ones."""
    after = with_entries("_models.yaml", file.content, new)
    old = file.content.splitlines(keepends=True)
    lines = after.splitlines(keepends=True)
    start = next(
        (n for n, (a, b) in enumerate(zip(old, lines, strict=False)) if a.rstrip("\r\n") != b.rstrip("\r\n")), len(old)
    )
    kept = len(lines) - len(old)
    assert [line.rstrip("\r\n") for line in lines[:start] + lines[start + kept :]] == [
        line.rstrip("\r\n") for line in old
    ]
    assert after.endswith(file.line_break) == file.content.endswith(file.line_break)
    read = yaml.safe_load(after)["models"]
    plain = [{key: list(value) if isinstance(value, tuple) else value for key, value in one.items()} for one in new]
    assert read[len(file.entries) :] == plain
