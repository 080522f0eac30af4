"""Insertion: utterances added to a file that a person wrote, every other character left as it is."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from fingerpost.build.yaml_scalars import written

_KEY = "utterances"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")  # what the YAML parser takes for lines
_BLANK = re.compile(r"[ \t]*[\r\n]*")


def with_utterances(content: str, texts: Sequence[str]) -> str:
    """A route file with more utterances after its last one, in its own style and with its own line ends.

    Args:
        content: YAML that `build.load` accepts.
        texts: At least one; none of them stands in it already.
    """
    listed = _utterances(content)
    if listed is None:
        return _with_key(content, texts)
    if listed.flow:
        return _in_flow(content, listed, ", ".join(_quoted(text) for text in texts))
    return _after(content, listed.end, [f"{' ' * listed.column}- {written(text)}" for text in texts])


def fits_file(name: str, text: str) -> bool:
    """Whether a text can stand in an utterances file of that name."""
    return Path(name).suffix.lower() != ".txt" or not re.search(r"[\r\n]", text)


def with_rows(name: str, content: str, texts: Sequence[str]) -> str:
    """An utterances file with more texts at its end.

    Args:
        name: It ends in .txt, .jsonl or .csv.
        content: Of the file, without a byte order mark.
        texts: Each fits the file.
    """
    rows = [_ROWS[Path(name).suffix.lower()](text, content) for text in texts]
    end = _line_end(content)
    separator = end if content and not content.endswith("\n") else ""
    return content + separator + "".join(row + end for row in rows)


# --- YAML ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Listed:
    """Where the utterances stand: lines and columns from 0."""

    flow: bool  # in brackets
    column: int  # of the dashes
    end: tuple[int, int]  # behind the last item, or behind an empty list's bracket
    empty: bool


@dataclass(frozen=True, slots=True)
class _Root:
    """The file's mapping."""

    flow: bool
    column: int
    end: tuple[int, int]  # behind its last value


def _utterances(content: str) -> _Listed | None:
    depth = 0
    key: str | None = None
    start: yaml.SequenceStartEvent | None = None
    last: yaml.Event | None = None
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        if start is not None:
            if isinstance(event, yaml.SequenceEndEvent):
                column = _place(start.start_mark)[1]
                return _Listed(bool(start.flow_style), column, _place((last or start).end_mark), last is None)
            last = event
        elif isinstance(event, yaml.CollectionStartEvent):
            if depth == 1 and key == _KEY and isinstance(event, yaml.SequenceStartEvent):
                start = event
            depth, key = depth + 1, None
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and depth == 1:
            key = event.value if key is None else None
    return None


def _root(content: str) -> _Root:
    """Of a file that is a mapping with at least one key."""
    events = list(yaml.parse(content, Loader=yaml.CSafeLoader))
    start = next(event for event in events if isinstance(event, yaml.MappingStartEvent))
    last_value = events[-4]  # before the ends of mapping, document and stream
    return _Root(bool(start.flow_style), _place(start.start_mark)[1], _place(last_value.end_mark))


def _place(mark: object) -> tuple[int, int]:
    """Line and column; the parser's two kinds of marks share no type."""
    return int(getattr(mark, "line", 0)), int(getattr(mark, "column", 0))


def _with_key(content: str, texts: Sequence[str]) -> str:
    root = _root(content)
    if root.flow:
        at = _offset(content, root.end)
        return f"{content[:at]}, {_KEY}: [{', '.join(_quoted(text) for text in texts)}]{content[at:]}"
    margin = " " * root.column
    return _after(content, root.end, [f"{margin}{_KEY}:", *(f"{margin}  - {written(text)}" for text in texts)])


def _in_flow(content: str, listed: _Listed, items: str) -> str:
    at = _offset(content, listed.end)
    return content[:at] + ("" if listed.empty else ", ") + items + content[at:]


def _after(content: str, end: tuple[int, int], new: Sequence[str]) -> str:
    """New lines after the one that ends there; a block's blank lines at its end stay behind them."""
    lines = _LINE.findall(content)
    place = end[0] if end[1] == 0 else end[0] + 1
    while place and _BLANK.fullmatch(lines[place - 1]):
        place -= 1
    line_end = _line_end(content)
    if place and not lines[place - 1].endswith(("\n", "\r")):
        lines[place - 1] += line_end
    return "".join([*lines[:place], *(line + line_end for line in new), *lines[place:]])


def _offset(content: str, place: tuple[int, int]) -> int:
    return sum(len(line) for line in _LINE.findall(content)[: place[0]]) + place[1]


def _line_end(content: str) -> str:
    found = re.search(r"\r\n|\n", content)
    return found[0] if found else "\n"


def _quoted(text: str) -> str:
    """In double quotes, since a bracket or a comma would end a plain one inside brackets."""
    plain = written(text)
    return plain if plain.startswith('"') else json.dumps(plain)


# --- Utterances files ---------------------------------------------------------------------------------------------


def _csv_row(text: str, content: str) -> str:
    header = next(csv.reader(io.StringIO(content, newline="")))
    written_row = io.StringIO(newline="")
    row = [text if column == "text" else "" for column in header]
    csv.writer(written_row, lineterminator="").writerow(row)
    return written_row.getvalue()


_ROWS = {
    ".txt": lambda text, _: text,
    ".jsonl": lambda text, _: json.dumps({"text": text}, ensure_ascii=False),
    ".csv": _csv_row,
}
