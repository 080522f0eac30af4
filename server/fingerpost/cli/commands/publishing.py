"""Commands that publish route files, and measure what is published."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli import show
from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Catalog, Data, EncoderName, Json, PrecisionName, Routes, Shared, Store


@app.command(epilog="Example: fingerpost reindex --routes routes --data data")
def reindex(
    routes: Routes = Path("routes"),
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON to this file.")] = None,
    encoder: EncoderName = "minilm",
    precision: PrecisionName = "int8",
    tune: Annotated[
        bool, typer.Option("--tune", help="Tune the encoder on the utterances first: minutes, and better decisions.")
    ] = False,
    refit: Annotated[bool, typer.Option("--refit", help="Learn everything anew, although little has changed.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Do it again each time a file changes, until Ctrl-C.")] = False,
) -> None:
    """Read the route files, build and publish a revision, and activate it; a running server swaps to it by itself."""
    if watch:
        from fingerpost.cli.watching import watch_files

        options = (routes, data, store, shared, catalog, json_file, encoder, precision, tune, refit)
        watch_files(routes, lambda: reindex(*options))
        return
    from fingerpost.bootstrap.building import encoder_source, open_workshop
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.build.reindex import reindex as build
    from fingerpost.cli.diff import print_since
    from fingerpost.cli.progress import progress
    from fingerpost.serve.runtime import check_catalog_name
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    check_catalog_name(catalog)
    source, folder = encoder_source(encoder, precision), DataFolder(data, store, shared)
    with progress() as bar, open_workshop(folder, source, bar, tuning=tune) as shop:
        result = build(routes, catalog, shop, refit=refit)
    if json_file is not None:
        json_file.write_text(show.reindexed_json(result), encoding="utf-8")
    show.reindexed(result)
    if result.diff is not None:
        print_since(result.diff)


@app.command(epilog="Example: fingerpost evaluate cases.jsonl --data data --json report.json")
def evaluate(
    cases: Annotated[Path, typer.Argument(help='Rows {"text","label"}; the label oos should fall back.')],
    data: Data = Path("data"),
    catalog: Catalog = "default",
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Also measure another system on the same vectors: semantic-router, or one of its scores on our "
            "search, for which it need not be installed: nearest-mean, nearest-sum or nearest-max."
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON to this file.")] = None,
) -> None:
    """Decide labelled cases with the active revision and measure how good the decisions are."""
    from fingerpost.bootstrap.studying import evaluate_active
    from fingerpost.cli.progress import progress
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    with progress() as bar:
        report = evaluate_active(data, catalog, cases, bar, baseline)
    if json_file is not None:
        json_file.write_text(show.report_json(report), encoding="utf-8")
    show.evaluated(report)


@app.command(epilog="Example: fingerpost thresholds --data data --plot thresholds.svg")
def thresholds(
    data: Data = Path("data"),
    catalog: Catalog = "default",
    plot: Annotated[Path | None, typer.Option(help="Draw the curve to this file: .svg or .png.")] = None,
    json: Json = False,
) -> None:
    """Show what each threshold would give: coverage, precision and its bound on held-out utterances."""
    from fingerpost.bootstrap.studying import read_active
    from fingerpost.cli.thresholds import print_json, print_table
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    decider, report = read_active(data, catalog)
    if plot is not None:
        from fingerpost.cli.plots import plot_thresholds

        plot_thresholds(decider, report, plot)
    (print_json if json else print_table)(decider, report)
