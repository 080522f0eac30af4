"""Strict YAML: one document of plain values, each with its line; whatever could surprise is refused.

Built on the parser's events and not on its loader: an alias is refused before it can grow, and no depth of nesting
reaches Python's stack.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import yaml

from fingerpost.build.finding_codes import (
    YAML_ANCHOR,
    YAML_CHARACTER,
    YAML_DEPTH,
    YAML_DOCUMENTS,
    YAML_DUPLICATE_KEY,
    YAML_KEY,
    YAML_SYNTAX,
    YAML_TAG,
    YAML_VALUES,
)
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.yaml_scalars import Scalar, resolve

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 250_000
MAX_FAULTS = 20  # of one file; the rest mostly follows from them

KeyPath = tuple[str | int, ...]
"""The keys and places in lists that lead to a value."""

# Line ends of YAML 1.1 that YAML 1.2 and editors take for ordinary characters: line numbers would drift.
_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
# Refused before parsing: the parser compares each directive with all before it.
_DIRECTIVE = re.compile("^%", re.MULTILINE)

_HINTS = {
    "mapping values are not allowed": "put a text that holds a colon and a space in quotes",
    "did not find expected key": "check the indentation, and put a text with quotes inside in quotes as a whole",
    "could not find expected ':'": "check the indentation of this line",
    "cannot start any token": "indent with spaces, and put a text that starts with @, ` or % in quotes",
    "did not find expected '-' indicator": "every line of a list starts with a dash at the same indentation",
    "found unexpected end of stream": "a quote or bracket is never closed",
}


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values and where each stands."""

    file: str
    value: object
    lines: Mapping[KeyPath, int]

    def place(self, path: KeyPath = ()) -> Place:
        """Of the value or, when there is none, of what should hold it."""
        while path and path not in self.lines:
            path = path[:-1]
        return Place(self.file, self.lines.get(path, 1))


def parse(file: str, text: str, findings: Findings, scalar: Callable[[str], Scalar] = resolve) -> Document | None:
    """Read YAML text; None, and findings, when anything is wrong with it.

    Args:
        file: Its name, for the findings.
        text: The content.
        findings: Hears what is wrong.
        scalar: What an unquoted scalar means; by default what YAML 1.2 says.
    """
    faults = list(_character_faults(text))
    if not faults:
        composer = _Composer(scalar)
        faults = list(_compose(composer, text))
    for fault in faults[:MAX_FAULTS]:
        findings.add(fault.kind, Place(file, fault.line), fault.message)
    return None if faults else Document(file, composer.root, composer.lines)


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: Kind
    line: int
    message: str


class _Refused(Exception):
    """Reading cannot go on after this fault."""

    def __init__(self, kind: Kind, line: int, message: str) -> None:
        super().__init__(message)
        self.fault = _Fault(kind, line, message)


def _character_faults(text: str) -> Iterator[_Fault]:
    if found := _CHARACTER.search(text):
        message = f"the character U+{ord(found[0]):04X} may not stand in the file: remove it"
        yield _Fault(YAML_CHARACTER, _line(text, found.start()), message)
    if found := _DIRECTIVE.search(text):
        message = "a line that starts with % is a YAML directive, which is not used here: remove it"
        yield _Fault(YAML_SYNTAX, _line(text, found.start()), message)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _compose(composer: "_Composer", text: str) -> Iterator[_Fault]:
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            composer.feed(event)
            if len(composer.faults) >= MAX_FAULTS:
                break
    except _Refused as refused:
        composer.faults.append(refused.fault)
    except yaml.MarkedYAMLError as error:
        composer.faults.append(_syntax_fault(error))
    except yaml.reader.ReaderError as error:
        composer.faults.append(_Fault(YAML_CHARACTER, 1, f"a character may not stand in the file: {error.reason}"))
    return iter(composer.faults)


def _syntax_fault(error: yaml.MarkedYAMLError) -> _Fault:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "not YAML"
    hint = next((hint for part, hint in _HINTS.items() if part in problem), "")
    return _Fault(YAML_SYNTAX, _mark_line(mark), f"{problem}: {hint}" if hint else problem)


def _mark_line(mark: object) -> int:
    """The parser's two kinds of marks share no type, and either may be absent."""
    return int(getattr(mark, "line", 0)) + 1


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come."""

    path: KeyPath
    value: list[object] | dict[str, object]
    key: str | None = None  # of a mapping: waits for its value
    key_lines: dict[str, int] = field(default_factory=dict)


_Collection = TypeVar("_Collection", list[object], dict[str, object])


class _Composer:
    """Builds values of events; an explicit stack takes the place of recursion."""

    def __init__(self, scalar: Callable[[str], Scalar]) -> None:
        self._scalar_of = scalar
        self.root: object = None
        self.lines: dict[KeyPath, int] = {}
        self.faults: list[_Fault] = []
        self._stack: list[_Open] = []
        self._documents = 0

    def feed(self, event: yaml.Event) -> None:
        line = _mark_line(event.start_mark)
        if isinstance(event, yaml.NodeEvent):
            self._check_node(event, line)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin([], line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin({}, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._place(None, line)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._begin_document(line)

    def _begin_document(self, line: int) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _Refused(YAML_DOCUMENTS, line, "a second document starts here: keep one in a file")

    def _check_node(self, event: yaml.NodeEvent, line: int) -> None:
        if event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            self._fault(YAML_ANCHOR, line, f"{sign}{event.anchor} is an anchor or alias: write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._fault(YAML_TAG, line, f"the tag {quoted(tag)} is not allowed: remove it")
        if len(self.lines) >= MAX_VALUES:
            raise _Refused(YAML_VALUES, line, f"more than {MAX_VALUES:,} values: split the file")

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        parent = self._stack[-1] if self._stack else None
        if parent is not None and parent.key is None and isinstance(parent.value, dict):
            self._key(parent, event.value, line)
        else:
            self._place(self._scalar_of(event.value) if event.implicit[0] else event.value, line)

    def _key(self, parent: _Open, key: str, line: int) -> None:
        if key in parent.key_lines:
            message = f"the key {quoted(key)} stands already on line {parent.key_lines[key]}"
            self._fault(YAML_DUPLICATE_KEY, line, message)
        parent.key_lines.setdefault(key, line)
        parent.key = key
        self.lines[(*parent.path, key)] = line

    def _begin(self, value: _Collection, line: int) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise _Refused(YAML_DEPTH, line, f"nested deeper than {MAX_DEPTH} levels")
        self._stack.append(_Open(self._place(value, line), value))

    def _place(self, value: object, line: int) -> KeyPath:
        """Hang a value where the innermost open collection expects it."""
        if not self._stack:
            self.root, self.lines[()] = value, line
            return ()
        parent = self._stack[-1]
        if isinstance(parent.value, list):
            path: KeyPath = (*parent.path, len(parent.value))
            parent.value.append(value)
            self.lines[path] = line
            return path
        if parent.key is None:
            raise _Refused(YAML_KEY, line, "a key must be a plain text, not a list, a mapping or an alias")
        path = (*parent.path, parent.key)
        parent.value.setdefault(parent.key, value)
        parent.key = None
        return path

    def _fault(self, kind: Kind, line: int, message: str) -> None:
        self.faults.append(_Fault(kind, line, message))
