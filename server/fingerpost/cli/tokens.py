"""What the commands show that give and take tokens."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.show import to_json

if TYPE_CHECKING:
    from fingerpost.access.editing import NewToken
    from fingerpost.access.files import AccessFile

_out = Console(highlight=False, soft_wrap=True, emoji=False)
_err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def ends_after(days: int | None) -> str | None:
    """The time in so many days, to the second."""
    if days is None:
        return None
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def show_new(made: "NewToken", *, as_json: bool) -> None:
    """The token alone on standard output, so that a script can take it; what to know of it beside."""
    roles = ", ".join(made.owner.roles)
    if as_json:
        typer.echo(to_json({"id": made.id, "token": made.token, "name": made.owner.name, "roles": made.owner.roles}))
        return
    typer.echo(made.token)
    _err.print(escape(f"Token {made.id} of {made.owner.name} ({roles}); it is told only now."))


def show_list(content: "AccessFile", *, as_json: bool) -> None:
    if as_json:
        tokens = [token.model_dump(exclude={"hash"}) for token in content.tokens]
        typer.echo(to_json({"principals": [one.model_dump() for one in content.principals], "tokens": tokens}))
        return
    if not content.principals:
        _out.print("Nobody is known yet. Next: fingerpost token add NAME --role caller")
        return
    table = Table("name", "roles", "tenant", "tokens (until)", box=None, header_style="bold", padding=(0, 1, 0, 0))
    for one in content.principals:
        held = [f"{token.id} ({token.expires or 'ever'})" for token in content.tokens if token.owner == one.name]
        table.add_row(escape(one.name), ", ".join(one.roles), escape(one.tenant), ", ".join(held))
    _out.print(table)
