"""However a route file is written, an edit changes what it should and keeps every other line byte for byte."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings, strategies as st

from fingerpost.build.edit.edit import added, removed
from fingerpost.build.edit.rows import added_rows, removed_rows
from fingerpost.build.findings import Findings
from fingerpost.build.text_files import rows_of
from fingerpost.build.texts import normalised, text_fault
from fingerpost.build.yaml_lines import parse
from fingerpost.build.yaml_scalars import written

KEYS = ["utterances", "tests"]

AWKWARD = [
    "no", "123", "~", "a: b", "a #b", "- a", "'", '"', "it's", "&a", "[a", "{a", "|", "---", "two\nlines", "a,b",
    "\N{GRINNING FACE} face", "a\u2028b", "word-", "# word", "say \"it's\"", "a, b", "\u00e9t\u00e9", "a\tb",
]  # fmt: skip
WORDS = ["sort a list", "reverse it", "join two tables", "why does this loop never end", "draw a cat", "sum up", "x"]

readable = st.text(max_size=20).filter(lambda text: not text_fault(text))
texts = st.one_of(st.sampled_from(WORDS), st.sampled_from(AWKWARD), readable).map(str.strip)
distinct = st.lists(texts, unique_by=normalised, max_size=10)
loose = st.lists(st.sampled_from(["# a comment", "#", "# - sort a list", "# key: value, [x]", ""]), max_size=2)


# --- Lists of lines, and the twin that says by hand what an edit makes of them ------------------------------------


@dataclass(frozen=True)
class Item:
    """A text of a list as the lines that say it; without a text, comments and blank lines."""

    text: str | None
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """A list under a key, and how it is written."""

    key: str
    indent: str
    head: str  # what stands behind the colon
    items: tuple[Item, ...]

    @property
    def texts(self) -> list[str]:
        return [item.text for item in self.items if item.text is not None]

    @property
    def lines(self) -> list[str]:
        return [f"{self.key}:{self.head}", *(line for item in self.items for line in item.lines)]

    def without(self, gone: set[str]) -> "Listing":
        kept = replace(self, items=tuple(item for item in self.items if item.text not in gone))
        return replace(kept, head=" []" + kept.head) if self.texts and not kept.texts else kept

    def behind_the_last(self, new: Sequence[str], usual_indent: str) -> "Listing":
        indent = self.indent if self.texts else usual_indent
        items = [Item(text, (f"{indent}- {written(text)}",)) for text in new]
        at = max((number + 1 for number, item in enumerate(self.items) if item.text is not None), default=0)
        head = self.head.removeprefix(" []") if new else self.head
        return replace(self, head=head, indent=indent, items=(*self.items[:at], *items, *self.items[at:]))


def ways(text: str) -> list[str]:
    """How YAML can say this text in a list of lines; what comes behind the dash, and lines below it."""
    found = [written(text), written(text) + "  # said so", "\n  " + written(text), "# which\n\n  " + written(text)]
    if text.isascii() and text.isprintable():
        quoted = "'" + text.replace("'", "''") + "'"
        found += [json.dumps(text), quoted, "|\n  " + text, "|-  # so\n    " + text]
    if written(text) == text and " " in text:
        one, other = text.split(" ", 1)
        found += [f"{one}\n    {other}", f">-\n    {one}\n    {other}"]
    return found


@st.composite
def listings(draw: st.DrawFn, key: str, own: Sequence[str]) -> Listing:
    comment = draw(st.sampled_from(["", "  # of this route"]))
    if not own:
        return Listing(key, "", " []" + comment, ())
    indent = draw(st.sampled_from(["", "  ", "    "]))
    items = []
    for text in own:
        first, *more = draw(st.sampled_from(ways(text))).split("\n")
        dashed = f"{indent}-{' ' * draw(st.integers(1, 3))}{first}"
        items.append(Item(text, (dashed, *(indent + line if line else "" for line in more))))
        margin = indent[: draw(st.integers(0, len(indent)))]
        items.append(Item(None, tuple(margin + line if line else "" for line in draw(loose))))
    return Listing(key, indent, comment, tuple(items))


@dataclass(frozen=True)
class RouteText:
    """A route file with both lists and what stands around them."""

    before: list[str]
    lists: dict[str, Listing]
    between: list[str]
    after: list[str]
    new_line: str
    ended: bool

    @property
    def content(self) -> str:
        first, second = self.lists.values()
        lines = [*self.before, *first.lines, *self.between, *second.lines, *self.after]
        return self.new_line.join(lines) + (self.new_line if self.ended else "")

    def edited(self, source: str, gone: set[str], target: str, new: Sequence[str]) -> "RouteText":
        lists = {**self.lists, source: self.lists[source].without(gone)}
        [other] = [listing for key, listing in lists.items() if key != target]
        lists[target] = lists[target].behind_the_last(new, other.indent if other.texts else "  ")
        return replace(self, lists=lists)


_HEADS = ["name: code", "description: |\n  Two lines,\n  # this is one of them", "min_confidence: 0.6", "model: coder"]


@st.composite
def route_texts(draw: st.DrawFn) -> RouteText:
    own = draw(distinct)
    cut = draw(st.integers(0, len(own)))
    parts = zip(draw(st.permutations(KEYS)), (own[:cut], own[cut:]), strict=True)
    lists = {key: draw(listings(key, part)) for key, part in parts}
    heads = draw(st.permutations(_HEADS))[: draw(st.integers(0, len(_HEADS)))]
    before = [line for head in heads for line in [*draw(loose), *head.split("\n")]]
    new_line = draw(st.sampled_from(["\n", "\r\n"]))
    return RouteText(before, lists, draw(loose), draw(loose), new_line, draw(st.booleans()))


def values(content: str) -> dict[str, list[str]]:
    """The texts of both lists, as `load` takes them."""
    findings = Findings()
    document = parse("code.yaml", content, findings)
    assert document is not None, findings.ordered()
    assert isinstance(document.value, dict)
    return {key: [text.strip() for text in document.value[key]] for key in KEYS}


def some_of(data: st.DataObject, own: Sequence[str]) -> set[str]:
    return set(data.draw(st.lists(st.sampled_from(own), unique=True))) if own else set()


def others(data: st.DataObject, own: Sequence[str]) -> list[str]:
    taken = {normalised(text) for text in own}
    return [text for text in data.draw(distinct) if normalised(text) not in taken]


@given(route_texts(), st.sampled_from(KEYS), st.sampled_from(KEYS), st.data())
@settings(max_examples=200, deadline=None)
def test_lists_of_lines(file: RouteText, source: str, target: str, data: st.DataObject) -> None:
    """Texts go from a list and come to one: what is read, and every line, is as the twin built it by hand."""
    before = {key: listing.texts for key, listing in file.lists.items()}
    assert values(file.content) == before
    gone = some_of(data, before[source])
    new = others(data, [text for own in before.values() for text in own])
    content = removed("code.yaml", file.content, source, gone)
    content = added("code.yaml", content, target, new) if new else content
    expected = file.edited(source, gone, target, new)
    assert values(content) == {key: listing.texts for key, listing in expected.lists.items()}
    assert content.rstrip("\r\n") == expected.content.rstrip("\r\n")


@given(distinct, st.sampled_from(["", "  # @@", "  # @@, b]"]), st.booleans(), st.booleans(), st.data())
@settings(max_examples=100, deadline=None)
def test_lists_in_brackets(own: list[str], comment: str, many_lines: bool, trailing: bool, data: st.DataObject) -> None:
    """In brackets, on one line or many, the texts are those that they should be, and every comment stays."""
    said = [written(text, in_brackets=True) + "," for text in own]
    said = said if trailing or not own else [*said[:-1], said[-1].removesuffix(",")]
    listed = "".join(f"\n  {item}{comment}" for item in said) + "\n" if many_lines else " ".join(said)
    content = f"tests: []  # @@\nutterances: [{listed}]  # @@\nmodel: m\n"
    gone, new = some_of(data, own), others(data, own)
    edited = removed("code.yaml", content, "utterances", gone)
    edited = added("code.yaml", edited, "utterances", new) if new else edited
    assert values(edited) == {"tests": [], "utterances": [text for text in own if text not in gone] + new}
    assert edited.count("# @@") == content.count("# @@")
    assert edited.startswith("tests: []  # @@\nutterances:")
    assert edited.endswith("\nmodel: m\n")


@given(distinct, st.sampled_from(["a.jsonl", "a.csv", "a.txt"]), st.booleans(), st.data())
@settings(max_examples=100, deadline=None)
def test_rows(own: list[str], name: str, ended: bool, data: st.DataObject) -> None:
    """Rows of every format go and come whole, whatever their texts are, and the others stay as they are."""
    own = [text for text in own if name != "a.txt" or not set("\r\n") & set(text)]
    head = "id,text\n" if name == "a.csv" else ""
    rows = {text: added_rows(name, head, [text]).removeprefix(head) for text in own}
    content = head + "".join(rows.values())
    assert [row for _, row in rows_of(name, content)] == own
    gone = some_of(data, own)
    edited = removed_rows(name, content if ended else content.removesuffix("\n"), gone)
    kept = head + "".join(row for text, row in rows.items() if text not in gone)
    assert edited.removesuffix("\n") == kept.removesuffix("\n")
