"""A kind of finding: what is wrong, why that matters and how to mend it, with an example of both."""

from collections.abc import Mapping
from dataclasses import dataclass

from fingerpost.types import Severity

Files = Mapping[str, str]
"""File name to content."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding."""

    code: str
    title: str
    explanation: str  # what is wrong, and how to mend it
    bad: Files
    good: Files
    severity: Severity = Severity.ERROR
    described: bool = False  # the bad example tells of a file instead of showing it


def registry_of(names: Mapping[str, object]) -> Mapping[str, Kind]:
    """The kinds among a module's names, by their codes."""
    return {kind.code: kind for kind in names.values() if isinstance(kind, Kind)}
