"""A value of a document that somebody else wrote, read key by key; what is wrong becomes a finding at its line."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from fingerpost.build.finding_codes import (
    FIELD_FINITE,
    FIELD_MISSING,
    FIELD_NAME,
    FIELD_QUOTES,
    FIELD_RANGE,
    FIELD_TYPE,
)
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.imports.codes import IMPORT_UNKNOWN_KEY
from fingerpost.build.texts import prose_fault, text_fault
from fingerpost.build.yaml_lines import Document, KeyPath
from fingerpost.types import Text


@dataclass(frozen=True, slots=True)
class Cursor:
    """A value, the path to it, and who hears of its faults."""

    document: Document
    findings: Findings
    value: object
    path: KeyPath = ()

    @classmethod
    def root(cls, document: Document, findings: Findings) -> Self:
        return cls(document, findings, document.value)

    @property
    def place(self) -> Place:
        return self.document.place(self.path)

    @property
    def name(self) -> str:
        """The nearest key; an entry of a list goes by its list, the line tells which."""
        keys = [part for part in self.path if isinstance(part, str)]
        return keys[-1] if keys else "the file"

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.value) if isinstance(self.value, dict) else ()

    def note(self, kind: Kind, message: str) -> None:
        self.findings.add(kind, self.place, message)

    # --- Keys and entries ---

    def get(self, key: str) -> "Cursor | None":
        """The value under a key; None when there is no such key, or it is null."""
        found = self.at(key)
        return None if found.value is None else found

    def at(self, key: str) -> "Cursor":
        """What stands under a key, nothing too."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Cursor(self.document, self.findings, value, (*self.path, key))

    def required(self, key: str) -> "Cursor | None":
        """The value under a key; a finding when there is none."""
        found = self.get(key)
        if found is None:
            self.note(FIELD_MISSING, f"the key {key} is missing, or has no value")
        return found

    def entries(self) -> "Iterator[Cursor]":
        """The entries of a list, null ones too; a finding when this is no list."""
        if not isinstance(self.value, list):
            self._wrong("a list")
            return
        for number, value in enumerate(self.value):
            yield Cursor(self.document, self.findings, value, (*self.path, number))

    def is_mapping(self) -> bool:
        """Whether there are keys; a finding when there are not."""
        if isinstance(self.value, dict):
            return True
        self._wrong("keys with values")
        return False

    def note_unknown_keys(self, known: set[str]) -> None:
        for key in self.keys:
            if key not in known:
                place = self.document.place((*self.path, key))
                self.findings.add(IMPORT_UNKNOWN_KEY, place, f"the key {quoted(key)} is unknown here and left out")

    # --- Values ---

    def string(self) -> str | None:
        """The text as it stands; a finding when it is none."""
        if isinstance(self.value, str):
            return self.value
        self.note(FIELD_QUOTES, f"{self.name}: this is {self._found()}; it must be a text: put it in quotes")
        return None

    def label(self) -> str | None:
        """A name that a person can read."""
        name = self.string()
        if name is None:
            return None
        if text_fault(name):
            self.note(FIELD_NAME, f"{self.name}: the name is no readable text")
            return None
        return name.strip()

    def prose(self) -> str:
        """A description; empty, and a finding, when it cannot be stored."""
        text = self.string()
        if text is not None and (fault := prose_fault(text)):
            self.note(fault[0], f"{self.name}: {fault[1]}")
            return ""
        return (text or "").strip()

    def text(self) -> Text | None:
        """An utterance; None, and a finding, when it cannot be one."""
        text = self.string()
        return None if text is None else self.checked(text, self.place)

    def checked(self, text: str, place: Place) -> Text | None:
        """An utterance that stands in a part of this value."""
        if fault := text_fault(text):
            self.findings.add(fault[0], place, fault[1])
            return None
        return Text(text.strip(), place.file, place.line)

    def number(self, low: float, high: float) -> float | None:
        """A number of at least `low` and at most `high`; None, and a finding, when it is none."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong("a number")
        elif isinstance(value, float) and not math.isfinite(value):
            self.note(FIELD_FINITE, f"{self.name}: {value} is not a number that can be used")
        elif not low <= value <= high:
            message = f"{self.name}: this number is out of range: it must be at least {low:g} and at most {high:g}"
            self.note(FIELD_RANGE, message)
        else:
            return float(value)
        return None

    def _wrong(self, expected: str) -> None:
        self.note(FIELD_TYPE, f"{self.name}: this is {self._found()}; it must be {expected}")

    def _found(self) -> str:
        """What stands here, without repeating it: it may be a secret."""
        if self.value is None:
            return "empty"
        if isinstance(self.value, bool):
            return "true or false"
        if isinstance(self.value, dict):
            return "a mapping of keys"
        return "a list" if isinstance(self.value, list) else "a text" if isinstance(self.value, str) else "a number"
