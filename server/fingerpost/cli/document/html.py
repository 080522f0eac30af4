"""HTML: blocks as one page that needs no network, for the screen in any light and for paper."""

from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files

from fingerpost.cli.document.blocks import Block, Bullets, Code, Heading, Paragraph, Table

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(blocks: Iterable[Block]) -> str:
    """The page; its only code is style."""
    listed = list(blocks)
    title = next((block.text for block in listed if isinstance(block, Heading)), "")
    style = files("fingerpost.cli.document").joinpath("document.css").read_text(encoding="utf-8")
    body = "\n".join(line for block in listed for line in _lines(block))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    elif isinstance(block, Paragraph):
        yield f"<p>{escape(block.text)}</p>"
    elif isinstance(block, Bullets):
        yield from ("<ul>", *(f"<li>{escape(item)}</li>" for item in block.items), "</ul>")
    elif isinstance(block, Code):
        yield f"<pre><code>{escape(block.text)}</code></pre>"
    elif isinstance(block, Table):
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    yield '<div class="wide" tabindex="0"><table>'
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.names)
    yield f"<thead><tr>{names}</tr></thead><tbody>"
    yield from (f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    yield "</tbody></table></div>"
