"""Strict JSON with the line of each value: no key twice, nothing nested too deep, no number that is none."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from fingerpost.build.finding_codes import YAML_DEPTH, YAML_DUPLICATE_KEY, YAML_VALUES
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.imports.codes import IMPORT_JSON
from fingerpost.build.yaml_lines import MAX_DEPTH, MAX_FAULTS, MAX_VALUES, Document, KeyPath

# Strings, signs, line ends and bare words; every character is looked at once.
_SIGN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|\n|[^\s\[\]{}:,"]+', re.DOTALL)


class _Refused(Exception):
    """Reading cannot go on."""

    def __init__(self, kind: Kind, line: int, message: str) -> None:
        super().__init__(message)
        self.kind, self.line, self.message = kind, line, message


def parse_json(file: str, text: str, findings: Findings, fraction: Callable[[str], object] = float) -> Document | None:
    """Read JSON text; None, and findings, when anything is wrong with it.

    Args:
        file: Its name, for the findings.
        text: The content.
        findings: Hears what is wrong.
        fraction: What a number with a point or an exponent becomes.
    """
    places = _Places()
    try:
        value = _loads(text, fraction)
        places.walk(text)
    except _Refused as refused:
        findings.add(refused.kind, Place(file, refused.line), refused.message)
        return None
    for line, key, first in places.repeated[:MAX_FAULTS]:
        findings.add(YAML_DUPLICATE_KEY, Place(file, line), f"the key {quoted(key)} stands already on line {first}")
    return None if places.repeated else Document(file, value, places.lines)


def _loads(text: str, fraction: Callable[[str], object]) -> object:
    try:
        return json.loads(text, parse_float=fraction, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _Refused(IMPORT_JSON, error.lineno, f"{error.msg}, at character {error.colno} of the line") from error
    except ValueError as error:  # a number of more digits than Python reads
        raise _Refused(IMPORT_JSON, 0, "a number is too long to be read") from error
    except RecursionError as error:
        raise _too_deep(0) from error


def _no_number(name: str) -> NoReturn:
    raise _Refused(IMPORT_JSON, 0, f"{name} is no number of JSON")


def _too_deep(line: int) -> _Refused:
    return _Refused(YAML_DEPTH, line, f"nested deeper than {MAX_DEPTH} levels")


@dataclass(slots=True)
class _Open:
    """A list or object whose end has not come."""

    path: KeyPath
    is_object: bool
    count: int = 0
    key: str | None = None  # of an object: waits for its value
    key_lines: dict[str, int] = field(default_factory=dict)


class _Places:
    """The line of each key and value of a text that is known to be JSON."""

    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.repeated: list[tuple[int, str, int]] = []  # line, key, line of the first
        self._stack: list[_Open] = []

    def walk(self, text: str) -> None:
        line = 1
        for match in _SIGN.finditer(text):
            sign = match[0]
            if sign == "\n":
                line += 1
            elif sign in "]}":
                self._stack.pop()
            elif self._stack and self._stack[-1].is_object and self._stack[-1].key is None:
                self._key(self._stack[-1], json.loads(sign), line)
            else:
                self._value(sign, line)

    def _key(self, parent: _Open, key: str, line: int) -> None:
        if key in parent.key_lines:
            self.repeated.append((line, key, parent.key_lines[key]))
        parent.key_lines.setdefault(key, line)
        parent.key = key

    def _value(self, sign: str, line: int) -> None:
        if len(self.lines) >= MAX_VALUES:
            raise _Refused(YAML_VALUES, line, f"more than {MAX_VALUES:,} values: split the file")
        path = self._path()
        self.lines[path] = line
        if sign in "[{":
            if len(self._stack) >= MAX_DEPTH:
                raise _too_deep(line)
            self._stack.append(_Open(path, sign == "{"))

    def _path(self) -> KeyPath:
        if not self._stack:
            return ()
        parent = self._stack[-1]
        if not parent.is_object or parent.key is None:
            parent.count += 1
            return (*parent.path, parent.count - 1)
        key, parent.key = parent.key, None
        return (*parent.path, key)
