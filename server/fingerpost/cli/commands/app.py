"""The command line itself: its name, its version, and how it ends."""

import sys
from typing import Annotated

import typer

from fingerpost import __version__
from fingerpost.cli import show
from fingerpost.errors import FingerpostError

app = typer.Typer(
    name="fingerpost",
    help="Points each request to the model that should answer it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_STORAGE = 6


def run() -> None:
    """Run the command line; an error is one line that says what to do, and an exit code that says of which kind."""
    try:
        app()
    except FingerpostError as error:
        show.error(error)
        sys.exit(show.exit_code(error))
    except OSError as error:
        show.file_error(error)
        sys.exit(_STORAGE)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fingerpost {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    failpoint: Annotated[
        str, typer.Option(hidden=True, envvar="FINGERPOST_FAILPOINT", help="For tests: see fingerpost.failpoints.")
    ] = "",
) -> None:
    if failpoint:
        from fingerpost.failpoints import arm_by_setting

        arm_by_setting(failpoint)
