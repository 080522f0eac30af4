"""What the commands show of breakers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.show import to_json
from fingerpost.errors import ErrorReason, NotFound

if TYPE_CHECKING:
    from fingerpost.client.control_types import Breaker

_COLOURS = {"closed": "green", "open": "red", "half_open": "yellow"}

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def breaker_of(breakers: "Sequence[Breaker]", model: str) -> "Breaker":
    """The one of that model.

    Raises:
        NotFound: MODEL_NOT_FOUND.
    """
    found = next((one for one in breakers if one.model == model), None)
    if found is None:
        raise NotFound(f"the catalog has no model {model}: fingerpost breaker lists them", ErrorReason.MODEL_NOT_FOUND)
    return found


def show_breakers(breakers: "Sequence[Breaker]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(breakers))
        return
    _show(breakers)
    _out.print("calls, failed: reported in the window; in a row: how often it opened without a good call between.")


def show_breaker(breaker: "Breaker", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(breaker))
        return
    _show([breaker])


def _show(breakers: "Sequence[Breaker]") -> None:
    names = ("model", "breaker", "cause", "trial in", "calls", "failed", "in a row", "by hand")
    table = Table(*names, box=None, header_style="bold", padding=(0, 1, 0, 0))
    for one in breakers:
        colour = _COLOURS.get(one.position, "default")
        table.add_row(
            escape(one.model),
            f"[{colour}]{one.position.replace('_', ' ')}[/]",
            one.cause.replace("_", " "),
            "" if one.seconds_left is None else f"{one.seconds_left:.0f} s",
            f"{one.calls:,}",
            f"{one.failures:,}",
            str(one.ejections),
            escape(one.by_hand),
        )
    _out.print(table)
