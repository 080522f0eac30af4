"""At a desk: the options that every command has which looks after catalogs, declared once."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fingerpost.cli.commands.options import Ca, Certificate, Data, Key, Shared, Store, Token
from fingerpost.cli.desks import Way, open_desk

_Target = Annotated[
    str | None,
    typer.Option(
        help="Do it through a server: unix:DATA/admin.sock, or HOST:PORT of its admin listener. Without it the data "
        "folder is looked at directly."
    ),
]


def _options(
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    target: _Target = None,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    token: Token = "",
) -> Way:
    return Way(data, store, shared, target, ca, certificate, key, token)


def at_a_desk(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is the desk that its other options name."""
    common = inspect.signature(_options).parameters

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401
        from fingerpost.telemetry.logs import configure_logs

        configure_logs("auto")
        way = _options(**{name: given.pop(name) for name in common})
        with open_desk(way) as desk:
            command(desk, **given)

    own = list(inspect.signature(command).parameters.values())[1:]
    parameters = [*own, *common.values()]
    # What typer makes options from.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
