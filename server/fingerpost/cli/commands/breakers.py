"""Commands that look after the breakers of models, in a server that runs."""

from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.at_a_desk import at_the_breakers
from fingerpost.cli.commands.options import Catalog, Json
from fingerpost.cli.desks import Controls

breaker_app = typer.Typer()
app.add_typer(breaker_app, name="breaker")

_Model = Annotated[str, typer.Argument(help="The model's name.")]
_For = Annotated[str, typer.Option("--for", help="For how long, as 90s, 10m, 2h or 1d; default: until it is reset.")]


@breaker_app.callback(invoke_without_command=True, epilog="Example: fingerpost breaker --target unix:data/admin.sock")
@at_the_breakers
def breaker(controls: Controls, catalog: Catalog = "default", json: Json = False) -> None:
    """List the breaker of each model; without --target those of the server that runs on the data folder."""
    from fingerpost.cli.breakers import show_breakers

    show_breakers(controls.breakers(catalog), as_json=json)


@breaker_app.command(name="show", epilog="Example: fingerpost breaker show coder")
@at_the_breakers
def breaker_show(controls: Controls, model: _Model, catalog: Catalog = "default", json: Json = False) -> None:
    """Show a model's breaker: whether it is called, and why not."""
    from fingerpost.cli.breakers import breaker_of, show_breaker

    show_breaker(breaker_of(controls.breakers(catalog), model), as_json=json)


@breaker_app.command(name="open", epilog="Example: fingerpost breaker open coder --for 10m")
@at_the_breakers
def breaker_open(
    controls: Controls, model: _Model, duration: _For = "", catalog: Catalog = "default", json: Json = False
) -> None:
    """Leave a model alone, whatever is reported of it."""
    from fingerpost.cli.quantities import seconds_of
    from fingerpost.cli.releases import show_done

    entry = controls.set_breaker(model, open=True, seconds=seconds_of("--for", duration), catalog=catalog)
    show_done(entry, f"Model {model} is left alone {_until(duration)}.", as_json=json)


@breaker_app.command(name="close", epilog="Example: fingerpost breaker close coder --for 1h")
@at_the_breakers
def breaker_close(
    controls: Controls, model: _Model, duration: _For = "", catalog: Catalog = "default", json: Json = False
) -> None:
    """Let a model be called, whatever is reported of it."""
    from fingerpost.cli.quantities import seconds_of
    from fingerpost.cli.releases import show_done

    entry = controls.set_breaker(model, open=False, seconds=seconds_of("--for", duration), catalog=catalog)
    show_done(entry, f"Model {model} is called whatever happens {_until(duration)}.", as_json=json)


@breaker_app.command(name="reset", epilog="Example: fingerpost breaker reset coder")
@at_the_breakers
def breaker_reset(controls: Controls, model: _Model, catalog: Catalog = "default", json: Json = False) -> None:
    """Let a model's breaker open and close by itself again; it is closed at first."""
    from fingerpost.cli.releases import show_done

    entry = controls.reset_breaker(model, catalog)
    show_done(entry, f"The breaker of model {model} is closed, and opens and closes by itself again.", as_json=json)


def _until(duration: str) -> str:
    return f"for {duration}" if duration else "until it is reset"
