"""Blocks: what a page is made of, whatever it is written in. Their texts are plain; who writes them out escapes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """Level 1 is the page's own."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """A line to type."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of as many cells as there are names."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Bullets | Code | Table
