"""Survey: a route folder as far as it can be read, the texts in it and what is wrong with it, nothing raised."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from fingerpost.build.draft import Draft
from fingerpost.build.findings import Findings, Place, RouteFilesInvalid
from fingerpost.build.load import read_folder
from fingerpost.build.source import NO_DRAFTS, Drafts
from fingerpost.build.texts import normalised
from fingerpost.build.validate import validate
from fingerpost.types import Finding, Severity, Text

OUT_OF_SCOPE_NAME = "_out_of_scope"
"""What stands for the texts that belong to no route, where a route's name is asked for."""

_ACROSS_FILES = "FP3"  # codes of what is wrong with files only beside others


class TextKind(StrEnum):
    """Which list of its route a text stands in."""

    UTTERANCE = "utterance"
    TEST = "test"

    @property
    def key(self) -> str:
        """Of the list in a route file."""
        return f"{self}s"


@dataclass(frozen=True, slots=True)
class Placed:
    """A text, whose it is, and where it stands."""

    route: str
    kind: TextKind
    text: Text

    @property
    def where(self) -> Place:
        return Place(self.text.file, self.text.line)


@dataclass(frozen=True, slots=True)
class Survey:
    """A folder as far as it can be read, and everything that is wrong with it."""

    draft: Draft
    findings: tuple[Finding, ...]
    _texts: Mapping[str, Sequence[Placed]]  # by what makes two texts the same

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    def unreadable(self, file: str) -> bool:
        """Whether the file itself has an error, which leaves its texts out of here."""
        return any(error.file == file and error.code < _ACROSS_FILES for error in self.errors)

    def places(self) -> Iterator[Placed]:
        for same in self._texts.values():
            yield from same

    def placed(self, key: str) -> Sequence[Placed]:
        """Where the texts stand that are the same as the one with that normal form."""
        return self._texts.get(key, ())

    def holds(self, route: str, kind: TextKind, text: str) -> bool:
        return any((place.route, place.kind) == (route, kind) for place in self.placed(normalised(text)))


def survey(folder: Path, drafts: Drafts = NO_DRAFTS) -> Survey:
    """Look at a folder, with contents in place of those of its files.

    Raises:
        RouteFilesInvalid: there is no such folder.
    """
    findings = Findings()
    draft = read_folder(folder, findings, drafts)
    if draft is None:
        raise RouteFilesInvalid(findings.ordered())
    validate(draft, findings)
    texts: dict[str, list[Placed]] = {}
    for place in _places(draft):
        texts.setdefault(normalised(place.text.text), []).append(place)
    return Survey(draft, findings.ordered(), texts)


def _places(draft: Draft) -> Iterator[Placed]:
    owned = [(entry.route.name, entry.route.utterances, entry.route.tests) for entry in draft.routes]
    for name, utterances, tests in (*owned, (OUT_OF_SCOPE_NAME, draft.out_of_scope, draft.out_of_scope_tests)):
        yield from (Placed(name, TextKind.UTTERANCE, text) for text in utterances)
        yield from (Placed(name, TextKind.TEST, text) for text in tests)


def new_findings(before: Sequence[Finding], after: Sequence[Finding]) -> tuple[Finding, ...]:
    """Those that are not just on another line than before."""
    known = Counter(map(_apart_from_lines, before))
    new = []
    for finding in after:
        key = _apart_from_lines(finding)
        known[key] -= 1
        if known[key] < 0:
            new.append(finding)
    return tuple(new)


def _apart_from_lines(finding: Finding) -> Finding:
    return replace(finding, line=0, message=re.sub(r":\d+", "", finding.message))
