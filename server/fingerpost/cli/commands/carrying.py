"""Commands that bring routes and encoders from elsewhere, and take them there."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Data, EncoderName, Json, PrecisionName, Routes

_FORMATS_READ = (
    "auto, which looks at the content, or labelled-jsonl, csv, semantic-router (0.x and 1.x), litellm, redisvl, rasa."
)


@app.command(name="import", epilog="Example: fingerpost import router.yaml --out my-routes")
def import_(
    file: Annotated[Path, typer.Argument(help="What to import: JSON, YAML, CSV, .jsonl or .jsonl.gz.")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new or empty.")],
    form: Annotated[str, typer.Option("--format", help=_FORMATS_READ)] = "auto",
    json: Json = False,
) -> None:
    """Make a route folder of another program's routes or of labelled texts, and report all that has no place there."""
    from fingerpost.build.imports.formats import import_file
    from fingerpost.cli import carried

    carried.imported(import_file(file, out, form), out, as_json=json)


@app.command(epilog="Example: fingerpost export --routes routes --format semantic-router-1 --out router.yaml")
def export(
    form: Annotated[str, typer.Option("--format", help="semantic-router-0 or semantic-router-1.")],
    out: Annotated[Path, typer.Option(help="File to write, .yaml or .json; it must be new.")],
    routes: Routes = Path("routes"),
    encoder: Annotated[
        str | None,
        typer.Option(help="TYPE or TYPE:NAME, as semantic-router calls it; by default the model of our own encoder."),
    ] = None,
    json: Json = False,
) -> None:
    """Write a route folder as a router file of semantic-router, and report all that has no place there."""
    from fingerpost.build.exports.semantic_router import export_file
    from fingerpost.cli import carried

    carried.exported(export_file(routes, form, out, encoder), out, as_json=json)


encoder_app = typer.Typer(help="Carry a built encoder to a machine without torch.", no_args_is_help=True)
app.add_typer(encoder_app, name="encoder")


@encoder_app.command(name="export", epilog="Example: fingerpost encoder export minilm.tar --data data")
def encoder_export(
    file: Annotated[Path, typer.Argument(help="The tar file to write.")],
    data: Data = Path("data"),
    encoder: EncoderName = "minilm",
    precision: PrecisionName = "int8",
) -> None:
    """Write the built encoder of a data folder to one file."""
    from fingerpost.bootstrap.building import encoder_source, save_encoder
    from fingerpost.bootstrap.folder import DataFolder

    digest = save_encoder(DataFolder(data), encoder_source(encoder, precision), file)
    typer.echo(f"Encoder {digest[:12]} written to {file}. Next, there: fingerpost encoder import {file.name}")


@encoder_app.command(name="import", epilog="Example: fingerpost encoder import minilm.tar --data data")
def encoder_import(
    file: Annotated[Path, typer.Argument(help="A file that `fingerpost encoder export` wrote.")],
    data: Data = Path("data"),
) -> None:
    """Store an exported encoder in a data folder; every byte is verified first."""
    from fingerpost.bootstrap.building import load_encoder
    from fingerpost.bootstrap.folder import DataFolder

    digest = load_encoder(DataFolder(data), file)
    typer.echo(f"Encoder {digest[:12]} stored. Next: fingerpost reindex --data {data}")
