"""The commands, each with an example in its help."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fingerpost import __version__
from fingerpost.cli import show
from fingerpost.errors import ErrorReason, FailedPrecondition, FingerpostError, InvalidRequest

app = typer.Typer(
    name="fingerpost",
    help="Points each request to the model that should answer it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_DEFAULT_TARGET = "127.0.0.1:50051"
_FORCED_STOP = 8
_STORAGE = 6

_Target = Annotated[str, typer.Option(help="HOST:PORT of the server.", envvar="FINGERPOST_TARGET")]
_Catalog = Annotated[str, typer.Option(help="Which set of routes.")]
_Data = Annotated[Path, typer.Option(help="Folder of revisions, encoders and pointers.", envvar="FINGERPOST_DATA")]
_Encoder = Annotated[
    str,
    typer.Option(help="minilm, a folder of a sentence-transformers model, or a hub id.", envvar="FINGERPOST_ENCODER"),
]
_Precision = Annotated[str, typer.Option(help="int8 or fp32.", envvar="FINGERPOST_PRECISION")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
_Text = Annotated[str, typer.Argument(help="The text to route; - reads it from standard input.")]


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
) -> None:
    pass


@app.command(epilog="Example: fingerpost reindex --routes routes --data data")
def reindex(
    routes: Annotated[Path, typer.Option(help="Folder of route files.")] = Path("routes"),
    data: _Data = Path("data"),
    catalog: _Catalog = "default",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON to this file.")] = None,
    encoder: _Encoder = "minilm",
    precision: _Precision = "int8",
    tune: Annotated[
        bool, typer.Option("--tune", help="Tune the encoder on the utterances first: minutes, and better decisions.")
    ] = False,
    refit: Annotated[bool, typer.Option("--refit", help="Learn everything anew, although little has changed.")] = False,
) -> None:
    """Read the route files, build and publish a revision, and activate it; a running server swaps to it by itself."""
    from fingerpost.bootstrap.building import encoder_source, open_workshop
    from fingerpost.build.reindex import reindex as build
    from fingerpost.cli.progress import progress
    from fingerpost.serve.runtime import check_catalog_name
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    check_catalog_name(catalog)
    source = encoder_source(encoder, precision)
    with progress() as bar, open_workshop(data, source, bar, tuning=tune) as shop:
        result = build(routes, catalog, shop, refit=refit)
    if json_file is not None:
        json_file.write_text(show.reindexed_json(result), encoding="utf-8")
    show.reindexed(result)


@app.command(epilog="Example: fingerpost evaluate cases.jsonl --data data --json report.json")
def evaluate(
    cases: Annotated[Path, typer.Argument(help='Rows {"text","label"}; the label oos should fall back.')],
    data: _Data = Path("data"),
    catalog: _Catalog = "default",
    baseline: Annotated[
        str | None, typer.Option(help="Also measure another system on the same vectors: semantic-router.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON to this file.")] = None,
) -> None:
    """Decide labelled cases with the active revision and measure how good the decisions are."""
    from fingerpost.bootstrap.building import evaluate_active
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
    data: _Data = Path("data"),
    catalog: _Catalog = "default",
    plot: Annotated[Path | None, typer.Option(help="Draw the curve to this file: .svg or .png.")] = None,
    json: _Json = False,
) -> None:
    """Show what each threshold would give: coverage, precision and its bound on held-out utterances."""
    from fingerpost.bootstrap.building import read_active
    from fingerpost.cli.thresholds import print_json, print_table
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    decider, report = read_active(data, catalog)
    if plot is not None:
        from fingerpost.cli.plots import plot_thresholds

        plot_thresholds(decider, report, plot)
    (print_json if json else print_table)(decider, report)


@app.command(epilog="Example: fingerpost serve --data data --listen 127.0.0.1:50051")
def serve(
    data: Annotated[Path | None, typer.Option(help="Folder of revisions, encoders and pointers.")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT to serve on; port 0 takes a free one.")] = None,
    embed_threads: Annotated[int | None, typer.Option(help="Threads that embed and search.")] = None,
) -> None:
    """Serve the published revisions until SIGTERM or Ctrl-C; every setting is also FINGERPOST_<NAME>."""
    import asyncio

    from fingerpost.bootstrap.serving import build_server
    from fingerpost.rpc.server import run as run_server
    from fingerpost.settings import read_settings
    from fingerpost.telemetry.logs import configure_logs

    given = {"data": data, "listen": listen, "embed_threads": embed_threads}
    settings = read_settings({name: value for name, value in given.items() if value is not None})
    configure_logs(settings.log_format)
    drained = asyncio.run(run_server(build_server(settings), show.serving))
    if not drained:
        raise typer.Exit(_FORCED_STOP)


@app.command(epilog='Example: fingerpost route "why does my loop never end" --alternatives 3')
def route(
    text: _Text,
    target: _Target = _DEFAULT_TARGET,
    catalog: _Catalog = "default",
    alternatives: Annotated[int, typer.Option(help="How many routes to list.")] = 3,
    json: _Json = False,
) -> None:
    """Route one text and show the decision."""
    from fingerpost.client import Client, Options

    with Client(target) as client:
        decision = client.route(_read(text), Options(catalog=catalog, alternatives_count=alternatives))
    show.decision(decision, as_json=json)


@app.command(epilog='Example: fingerpost explain "why does my loop never end"')
def explain(text: _Text, target: _Target = _DEFAULT_TARGET, catalog: _Catalog = "default", json: _Json = False) -> None:
    """Route one text and show how the decision came about."""
    from fingerpost.client import Client, Options

    with Client(target) as client:
        explanation = client.explain(_read(text), Options(catalog=catalog))
    show.explanation(explanation, as_json=json)


@app.command(name="try", epilog="Example: fingerpost try")
def try_(
    target: Annotated[
        str | None, typer.Option(help="HOST:PORT of a server; without it the data folder is looked at directly.")
    ] = None,
    data: _Data = Path("data"),
    catalog: _Catalog = "default",
) -> None:
    """Route line after line and see route, model, confidence, the nearest utterances and why."""
    from contextlib import nullcontext

    from fingerpost.cli.local import local_server
    from fingerpost.cli.trying import try_lines
    from fingerpost.client import Client
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto", quiet=True)
    with nullcontext(target) if target else local_server(data) as address, Client(address) as client:
        try_lines(client, catalog)


@app.command(epilog="Example: fingerpost info --target 127.0.0.1:50051")
def info(target: _Target = _DEFAULT_TARGET, json: _Json = False) -> None:
    """Show what a server serves: catalogs, revisions, encoders, limits."""
    from fingerpost.client import Client

    with Client(target) as client:
        show.server_info(client.info(), as_json=json)


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
    data: _Data = Path("data"),
    encoder: _Encoder = "minilm",
    precision: _Precision = "int8",
) -> None:
    """Write the built encoder of a data folder to one file."""
    from fingerpost.bootstrap.building import encoder_source, save_encoder

    digest = save_encoder(data, encoder_source(encoder, precision), file)
    typer.echo(f"Encoder {digest[:12]} written to {file}. Next, there: fingerpost encoder import {file.name}")


@encoder_app.command(name="import", epilog="Example: fingerpost encoder import minilm.tar --data data")
def encoder_import(
    file: Annotated[Path, typer.Argument(help="A file that `fingerpost encoder export` wrote.")],
    data: _Data = Path("data"),
) -> None:
    """Store an exported encoder in a data folder; every byte is verified first."""
    from fingerpost.bootstrap.building import load_encoder

    digest = load_encoder(data, file)
    typer.echo(f"Encoder {digest[:12]} stored. Next: fingerpost reindex --data {data}")


def _read(text: str) -> str:
    if text != "-":
        return text
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise FailedPrecondition("standard input is not UTF-8", ErrorReason.MALFORMED_REQUEST) from error
