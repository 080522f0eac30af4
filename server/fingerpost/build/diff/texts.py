"""Diff texts: which texts are two revisions asked? Revisions hold no test texts, so these come from elsewhere."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from fingerpost.build.diff.changes import Compared
from fingerpost.build.findings import Findings, Place
from fingerpost.build.judging import Case
from fingerpost.build.labelled import read_cases
from fingerpost.build.text_files import read_texts
from fingerpost.types import Text

_T = TypeVar("_T")

_FIRST_LINE_BYTES = 4 << 20  # of a file of rows that is looked at to see whether they have labels


class TextsKind(StrEnum):
    """Where the texts come from."""

    TESTS = "TESTS"  # the `tests:` of route files
    FILE = "FILE"
    UTTERANCES = "UTTERANCES"  # those that only one of the revisions has, or that moved


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts that both revisions decide."""

    kind: TextsKind
    place: str  # folder or file; empty for utterances
    cases: tuple[Case, ...]
    labelled: bool  # False: nobody says what is right, and the cases' routes mean nothing
    total: int  # that there are; more than the cases where these are a sample

    @classmethod
    def of(cls, kind: TextsKind, place: str, cases: Sequence[Case], *, labelled: bool) -> "Texts":
        return cls(kind, place, tuple(cases), labelled, len(cases))

    def sample(self, count: int) -> "Texts":
        """At most so many of them, evenly picked: all routes keep their part."""
        return replace(self, cases=tuple(evenly(self.cases, count)))


def evenly(items: Sequence[_T], count: int) -> Sequence[_T]:
    """At most so many of the items, evenly picked, in their order."""
    if len(items) <= count:
        return items
    return [items[number * len(items) // count] for number in range(count)]


def texts_of_file(path: Path) -> Texts:
    """The texts of a file: rows {"text", "label"} of .jsonl or .jsonl.gz, or texts alone of .jsonl, .csv or .txt.

    Raises:
        RouteFilesInvalid: with a finding for each bad row.
    """
    if path.suffix == ".gz" or (path.suffix == ".jsonl" and _has_label(path)):
        return Texts.of(TextsKind.FILE, path.name, read_cases(path), labelled=True)
    findings = Findings()
    texts = read_texts(path.parent, path.name, findings, Place(path.name))
    findings.check()
    return Texts.of(TextsKind.FILE, path.name, [Case(text, None) for text in texts], labelled=False)


def differing_utterances(between: Compared) -> Texts:
    """Utterances that came, went or moved, by text; nobody says which revision is right about them."""
    texts = sorted({text for text, _ in (*between.moves.added, *between.moves.removed)})
    cases = [Case(Text(text, "", 0), None) for text in texts]
    return Texts.of(TextsKind.UTTERANCES, "", cases, labelled=False)


def _has_label(path: Path) -> bool:
    """Whether the first row has one; an unreadable file has, so that the reader of labels says what is wrong."""
    try:
        with path.open("rb") as file:
            first = next(_filled(file.readline(_FIRST_LINE_BYTES) for _ in range(_FIRST_LINE_BYTES)), b"{}")
        row = json.loads(first)
    except (OSError, ValueError, RecursionError):
        return True
    return not isinstance(row, dict) or "label" in row


def _filled(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Lines that are not blank, up to the end of the file."""
    for line in lines:
        if not line:
            return
        if line.strip():
            yield line
