"""The command that looks for what is wrong in route files."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Catalog, Data, EncoderName, Json, PrecisionName, Routes

_FOUND = 3


@app.command(epilog="Example: fingerpost lint --routes routes --strict --sarif lint.sarif")
def lint(
    routes: Routes = Path("routes"),
    data: Data = Path("data"),
    catalog: Catalog = "default",
    encoder: EncoderName = "minilm",
    precision: PrecisionName = "int8",
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too, not on errors alone.")] = False,
    sarif: Annotated[Path | None, typer.Option(help="Write the findings to this file for code scanning.")] = None,
    json: Json = False,
) -> None:
    """Look for what is wrong in route files: errors, texts too alike or astray, secrets; nothing is published."""
    from fingerpost.bootstrap.building import encoder_source
    from fingerpost.bootstrap.linting import lint_folder
    from fingerpost.build.findings import RouteFilesInvalid
    from fingerpost.cli.lint import failed, print_findings, print_json, write_sarif
    from fingerpost.cli.progress import progress
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    source, loads = encoder_source(encoder, precision), True
    try:
        with progress() as bar:
            findings = lint_folder(routes, data, catalog, source, bar)
    except RouteFilesInvalid as error:
        findings, loads = error.findings, False
    if sarif is not None:
        write_sarif(findings, routes, sarif)
    (print_json if json else print_findings)(findings, loads=loads)
    if failed(findings, strict=strict):
        raise typer.Exit(_FOUND)
