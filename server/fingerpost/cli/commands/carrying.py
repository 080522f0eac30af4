"""Commands that bring routes and encoders from elsewhere, and take them there."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli import show
from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Data, EncoderName, PrecisionName
from fingerpost.errors import InvalidRequest


@app.command(name="import", epilog="Example: fingerpost import texts.jsonl --format labelled-jsonl --out my-routes")
def import_(
    file: Annotated[Path, typer.Argument(help="What to import: .jsonl or .jsonl.gz.")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new or empty.")],
    form: Annotated[str, typer.Option("--format", help='labelled-jsonl: rows {"text","label"}.')] = "labelled-jsonl",
) -> None:
    """Make a route folder of labelled texts: a route for each label; the label oos means out of scope."""
    from fingerpost.build.import_labelled import import_labelled_jsonl

    if form != "labelled-jsonl":
        raise InvalidRequest(f"unknown format {form}: use labelled-jsonl")
    show.imported(import_labelled_jsonl(file, out), out)


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

    digest = save_encoder(data, encoder_source(encoder, precision), file)
    typer.echo(f"Encoder {digest[:12]} written to {file}. Next, there: fingerpost encoder import {file.name}")


@encoder_app.command(name="import", epilog="Example: fingerpost encoder import minilm.tar --data data")
def encoder_import(
    file: Annotated[Path, typer.Argument(help="A file that `fingerpost encoder export` wrote.")],
    data: Data = Path("data"),
) -> None:
    """Store an exported encoder in a data folder; every byte is verified first."""
    from fingerpost.bootstrap.building import load_encoder

    digest = load_encoder(data, file)
    typer.echo(f"Encoder {digest[:12]} stored. Next: fingerpost reindex --data {data}")
