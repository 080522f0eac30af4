"""Commands that give and take tokens, by which a server knows who calls."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Json

token_app = typer.Typer(help="Give and take tokens, by which a server knows who calls.", no_args_is_help=True)
app.add_typer(token_app, name="token")

_File = Annotated[
    Path, typer.Option("--access", help="File of access; it is made where there is none.", envvar="FINGERPOST_ACCESS")
]


@token_app.command(name="add", epilog="Example: fingerpost token add gateway --role caller --days 90")
def token_add(
    name: Annotated[str, typer.Argument(help="Whose token: a person or a program.")],
    access: _File = Path("access.yaml"),
    role: Annotated[
        list[str] | None,
        typer.Option(help="Of somebody new: caller, reader, proposer, approver, operator or auditor; may be repeated."),
    ] = None,
    tenant: Annotated[str, typer.Option(help="The only tenant for which somebody new may ask.")] = "",
    days: Annotated[int | None, typer.Option(min=1, max=3_650, help="After so many days it is worth nothing.")] = None,
    json: Json = False,
) -> None:
    """Give somebody a token and print it once; the file keeps what proves it, and servers know it in two seconds."""
    from fingerpost.access.editing import add_token
    from fingerpost.cli.tokens import ends_after, show_new

    show_new(add_token(access, name, role or (), tenant, None, ends_after(days)), as_json=json)


@token_app.command(name="revoke", epilog="Example: fingerpost token revoke 3f9c2a71b0de")
def token_revoke(
    token_id: Annotated[str, typer.Argument(help="Its id: what stands between fp_ and the second underscore.")],
    access: _File = Path("access.yaml"),
) -> None:
    """Make a token worth nothing; a running server knows within two seconds."""
    from fingerpost.access.editing import revoke_token

    typer.echo(f"Token {token_id} of {revoke_token(access, token_id)} is worth nothing any more.")


@token_app.command(name="list", epilog="Example: fingerpost token list --access access.yaml")
def token_list(access: _File = Path("access.yaml"), json: Json = False) -> None:
    """List who is known, with which roles and by which tokens; no token can be read from it."""
    from fingerpost.access.editing import list_tokens
    from fingerpost.cli.tokens import show_list

    show_list(list_tokens(access), as_json=json)
