"""What `fingerpost revisions` shows: the revisions of a data folder."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.show import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerpost.client.catalog_types import StoredRevision

_DIGEST = 12  # characters

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def print_json(revisions: "Sequence[StoredRevision]") -> None:
    typer.echo(to_json([{**asdict(revision), "stored": revision.stored.isoformat()} for revision in revisions]))


def print_table(revisions: "Sequence[StoredRevision]") -> None:
    """A row a revision, the latest first; what is wrong with a damaged one is told below."""
    if not revisions:
        _out.print("No revision is stored here yet. Next: fingerpost reindex")
        return
    table = Table(
        *("revision", "stored (UTC)", "active", "routes", "texts", "encoder", "tests", "left out"),
        box=None,
        header_style="bold",
        padding=(0, 1, 0, 0),  # narrow enough for 80 characters
    )
    for one in revisions:
        table.add_row(
            one.digest[:_DIGEST],
            one.stored.strftime("%Y-%m-%d %H:%M"),
            escape(", ".join(one.active_in)),
            _count(one.routes),
            _count(one.exemplars),
            escape(one.encoder or ""),
            _percent(one.tests_accuracy),
            _percent(one.left_out_accuracy),
        )
    _out.print(table)
    _out.print(
        "tests: test texts whose best route was their own; left out: utterances likewise, each left out in turn. "
        "Next: fingerpost diff REVISION REVISION"
    )
    for one in revisions:
        if one.damage:
            _out.print(escape(f"{one.digest[:_DIGEST]} cannot be used: {one.damage}"))


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
