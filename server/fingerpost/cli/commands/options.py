"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.completing import complete_catalog

DEFAULT_TARGET = "127.0.0.1:50051"

Target = Annotated[str, typer.Option(help="HOST:PORT of the server.", envvar="FINGERPOST_TARGET")]
Ca = Annotated[
    Path | None,
    typer.Option(help="PEM file of the authority that the server's certificate must be of.", envvar="FINGERPOST_CA"),
]
Certificate = Annotated[
    Path | None, typer.Option(help="PEM file of our certificate, to show it.", envvar="FINGERPOST_CERTIFICATE")
]
Key = Annotated[Path | None, typer.Option(help="PEM file of its key.", envvar="FINGERPOST_KEY")]
Token = Annotated[
    str,
    typer.Option(
        help="Our token; better in the variable, since others on this machine can see options.",
        envvar="FINGERPOST_TOKEN",
        show_default=False,
    ),
]
Catalog = Annotated[str, typer.Option(help="Which set of routes.", autocompletion=complete_catalog)]
InForce = Annotated[str, typer.Option(help="The first characters of a digest; by default the revision in force.")]
Routes = Annotated[Path, typer.Option(help="Folder of route files.")]
Data = Annotated[Path, typer.Option(help="Folder of revisions, encoders and pointers.", envvar="FINGERPOST_DATA")]
Store = Annotated[
    str,
    typer.Option(
        help="URL of the ledger's database, as postgresql://USER@HOST/NAME; by default SQLite in the data folder.",
        envvar="FINGERPOST_STORE",
        show_default=False,
    ),
]
Shared = Annotated[
    str,
    typer.Option(
        help="Folder or URL of artefacts that machines share; by default the data folder alone.",
        envvar="FINGERPOST_SHARED",
        show_default=False,
    ),
]
EncoderName = Annotated[
    str,
    typer.Option(help="minilm, a folder of a sentence-transformers model, or a hub id.", envvar="FINGERPOST_ENCODER"),
]
PrecisionName = Annotated[str, typer.Option(help="int8 or fp32.", envvar="FINGERPOST_PRECISION")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
