"""Commands about models: those of a revision, and entries of `_models.yaml` from a price list."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.at_a_desk import at_a_desk
from fingerpost.cli.commands.options import Catalog, InForce, Json, Routes
from fingerpost.cli.desks import Desk

models_app = typer.Typer()
app.add_typer(models_app, name="models")

_FORMATS_READ = "auto, which looks at the content, or openrouter, litellm."


@models_app.callback(invoke_without_command=True, epilog="Example: fingerpost models --catalog default")
@at_a_desk
def models(desk: Desk, revision: InForce = "", catalog: Catalog = "default", json: Json = False) -> None:
    """List the models of a revision: what they cost, hold and can do; `import` takes models from a price list."""
    from fingerpost.cli.contents import show_models

    show_models(desk.models(catalog, revision), as_json=json)


@models_app.command(name="import", epilog="Example: fingerpost models import models.json --only 'openai/*' --dry-run")
def models_import(
    file: Annotated[
        Path,
        typer.Argument(help="JSON: OpenRouter's list of models, or LiteLLM's model_prices_and_context_window.json."),
    ],
    routes: Routes = Path("routes"),
    form: Annotated[str, typer.Option("--format", help=_FORMATS_READ)] = "auto",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only models whose id in the list fits, as 'openai/*'; may be repeated.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the one model that is chosen; by default its id.", show_default=False)
    ] = None,
    update: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Add none; refresh prices, windows and capabilities of entries whose upstream_model is in the list.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
    json: Json = False,
) -> None:
    """Put models of a price list into _models.yaml, or refresh those there; all else in the file stays as it is."""
    from fingerpost.build.imports.models import Wish, import_models
    from fingerpost.cli.price_lists import show_models_import

    wish = Wish(form, tuple(only or ()), name, update, dry_run)
    show_models_import(import_models(file, routes, wish), routes, as_json=json)
