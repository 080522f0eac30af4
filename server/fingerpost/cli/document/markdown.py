"""Markdown: blocks as CommonMark with tables, whatever their texts hold."""

import re
from collections.abc import Iterable, Iterator

from fingerpost.cli.document.blocks import Block, Bullets, Code, Heading, Paragraph, Table

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~&$]")
_SPACE = re.compile(r"\s+")
_ADDRESS = re.compile(r"(?i)(https?|ftp|mailto)(:)|(www)(\.)")
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def to_markdown(blocks: Iterable[Block]) -> str:
    return "\n\n".join("\n".join(_lines(block)) for block in blocks) + "\n"


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"{'#' * block.level} {plain(block.text)}"
    elif isinstance(block, Paragraph):
        yield plain(block.text)
    elif isinstance(block, Bullets):
        yield from (f"- {plain(item)}" for item in block.items)
    elif isinstance(block, Code):
        yield from ("```bash", block.text, "```")
    elif isinstance(block, Table):
        yield _row(block.names)
        yield _row("---" for _ in block.names)
        yield from (_row(map(plain, row)) for row in block.rows)


def plain(text: str) -> str:
    """A text that shows as itself: no markup, no address that becomes a link, on one line."""
    visible = _INVISIBLE.sub("", _SPACE.sub(" ", text).strip())
    escaped = _SPECIAL.sub(lambda found: "\\" + found[0], visible)
    return _ADDRESS.sub(lambda found: f"{found[1] or found[3]}\\{found[2] or found[4]}", escaped)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
