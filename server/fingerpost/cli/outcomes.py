"""What the command shows that reports an outcome."""

from typing import TYPE_CHECKING

import typer

from fingerpost.cli.quantities import dollars
from fingerpost.cli.show import to_json

if TYPE_CHECKING:
    from fingerpost.client import Reported

_ID = 12  # characters
_SOURCES = {"REPORTED": "as reported", "TOKENS": "from its tokens", "RESERVED": "as held back for it"}


def show_reported(reported: "Reported", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(reported))
        return
    kept = reported.kept
    begin = "A report was there already, and stands" if reported.repeated else "Kept"
    source = _SOURCES.get(reported.cost_source, reported.cost_source)
    typer.echo(
        f"{begin}: {kept.model} {kept.status} for decision {kept.decision_id[:_ID]}; it counts for "
        f"{dollars(reported.cost_usd_micros)}, {source}."
    )
