"""At a desk: the options that every command has which looks after catalogs or what runs, declared once."""

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from fingerpost.cli.commands.options import Ca, Certificate, Data, Key, Shared, Store, Token
from fingerpost.cli.desks import Way, open_breakers, open_controls, open_desk
from fingerpost.errors import InvalidRequest

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
    """A command whose first parameter is the desk that its other options name.

    As the callback of a group it is what the group does by itself; a command of the group takes its place.
    """
    return _with(open_desk, command)


def at_the_controls(command: Callable[..., None]) -> Callable[..., None]:
    """Likewise with the controls of budgets and experiments."""
    return _with(open_controls, command)


def at_the_breakers(command: Callable[..., None]) -> Callable[..., None]:
    """Likewise with the controls of a server that runs."""
    return _with(open_breakers, command)


def _with(opened: Callable[[Way], AbstractContextManager[Any]], command: Callable[..., None]) -> Callable[..., None]:
    common = inspect.signature(_options).parameters

    @functools.wraps(command)
    def run(context: typer.Context, **given: Any) -> None:  # noqa: ANN401
        if context.invoked_subcommand:
            _check_none_given(context)
            return
        from fingerpost.telemetry.logs import configure_logs

        configure_logs("auto")
        way = _options(**{name: given.pop(name) for name in common})
        with opened(way) as desk:
            command(desk, **given)

    own = list(inspect.signature(command).parameters.values())[1:]
    own_context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [own_context, *own, *common.values()]
    # What typer makes options from.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _check_none_given(context: typer.Context) -> None:
    """Refuse options of a group before a command of it, which would not hear of them."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = name.replace("_", "-")
            raise InvalidRequest(f"--{option} belongs behind {context.invoked_subcommand}, or is no option of it")
