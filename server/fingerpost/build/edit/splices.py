"""Splices: characters of a file taken out and put in, with every other one left as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from fingerpost.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Splice:
    """Characters that are taken out, and what comes in their place."""

    start: int
    end: int
    text: str = ""


def spliced(content: str, splices: Sequence[Splice]) -> str:
    """The content with all of them made."""
    parts, position = [], 0
    for splice in sorted(splices, key=lambda one: (one.start, one.end)):
        parts += [content[position : splice.start], splice.text]
        position = max(position, splice.end)
    return "".join([*parts, content[position:]])


def by_hand(file: str, why: str) -> InvalidRequest:
    """The refusal of an edit that would change more than it should."""
    return InvalidRequest(f"{file} must be edited by hand: {why}")
