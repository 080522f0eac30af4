"""Commands that serve decisions, and ask for them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli import show
from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import DEFAULT_TARGET, Ca, Catalog, Certificate, Data, Json, Key, Target, Token
from fingerpost.errors import ErrorReason, FailedPrecondition, InvalidRequest

_FORCED_STOP = 8

_Text = Annotated[str, typer.Argument(help="The text to route; - reads it from standard input.")]


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
    target: Target = DEFAULT_TARGET,
    catalog: Catalog = "default",
    alternatives: Annotated[int, typer.Option(help="How many routes to list.")] = 3,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    token: Token = "",
    json: Json = False,
) -> None:
    """Route one text and show the decision."""
    from fingerpost.cli.connecting import connect
    from fingerpost.client import Options

    with connect(target, ca, certificate, key, token) as client:
        decision = client.route(_read(text), Options(catalog=catalog, alternatives_count=alternatives))
    show.decision(decision, as_json=json)


@app.command(epilog='Example: fingerpost explain "why does my loop never end"')
def explain(
    text: _Text,
    target: Target = DEFAULT_TARGET,
    catalog: Catalog = "default",
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    token: Token = "",
    json: Json = False,
) -> None:
    """Route one text and show how the decision came about."""
    from fingerpost.cli.connecting import connect
    from fingerpost.client import Options

    with connect(target, ca, certificate, key, token) as client:
        explanation = client.explain(_read(text), Options(catalog=catalog))
    show.explanation(explanation, as_json=json)


@app.command(epilog='Example: fingerpost decide "why does my loop never end" --metadata tier=gold --explain')
def decide(
    text: _Text,
    metadata: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE, a fact that rules may read; repeatable.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Who asks.")] = "",
    session: Annotated[str, typer.Option(help="The dialogue it belongs to.")] = "",
    capability: Annotated[list[str] | None, typer.Option(help="What the model must be able to do; repeatable.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Where it may run; repeatable.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="What it must be good at, as de; repeatable.")] = None,
    input_tokens: Annotated[int, typer.Option(help="Tokens that will be sent; 0: estimated from the text.")] = 0,
    output_tokens: Annotated[int, typer.Option(help="Tokens that the answer may have; 0: not known.")] = 0,
    explain: Annotated[bool, typer.Option("--explain", help="Show each rule, score and model in order.")] = False,
    target: Annotated[
        str | None, typer.Option(help="HOST:PORT of a server; without it the data folder is looked at directly.")
    ] = None,
    data: Data = Path("data"),
    catalog: Catalog = "default",
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    token: Token = "",
    json: Json = False,
) -> None:
    """Decide one request with facts and requirements, and show the decision or, step by step, how it came about."""
    from contextlib import nullcontext

    from fingerpost.cli.connecting import connect
    from fingerpost.cli.deciding import explained
    from fingerpost.cli.local import local_server
    from fingerpost.client import Options, Requirements
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto", quiet=True)
    options = Options(
        catalog=catalog,
        metadata=_pairs(metadata or []),
        tenant=tenant,
        session_id=session,
        requirements=Requirements(capability or [], region or [], language or [], input_tokens, output_tokens),
    )
    proofs = (ca, certificate, key, token) if target else (None, None, None, "")
    with nullcontext(target) if target else local_server(data) as address, connect(address, *proofs) as client:
        if explain:
            explained(client.explain(_read(text), options), as_json=json)
        else:
            show.decision(client.route(_read(text), options), as_json=json)


@app.command(name="try", epilog="Example: fingerpost try")
def try_(
    target: Annotated[
        str | None, typer.Option(help="HOST:PORT of a server; without it the data folder is looked at directly.")
    ] = None,
    data: Data = Path("data"),
    catalog: Catalog = "default",
    routes: Annotated[Path | None, typer.Option(help="Folder of route files that :add and :test write to.")] = None,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    token: Token = "",
) -> None:
    """Route line after line and see route, model, confidence, the nearest utterances and why."""
    from contextlib import nullcontext

    from fingerpost.cli.connecting import connect
    from fingerpost.cli.local import local_server
    from fingerpost.cli.trying import try_lines
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto", quiet=True)
    proofs = (ca, certificate, key, token) if target else (None, None, None, "")
    with nullcontext(target) if target else local_server(data) as address, connect(address, *proofs) as client:
        try_lines(client, catalog, routes)


@app.command(epilog="Example: fingerpost info --target 127.0.0.1:50051")
def info(
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    token: Token = "",
    json: Json = False,
) -> None:
    """Show what a server serves: catalogs, revisions, encoders, limits."""
    from fingerpost.cli.connecting import connect

    with connect(target, ca, certificate, key, token) as client:
        show.server_info(client.info(), as_json=json)


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = {}
    for pair in given:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise InvalidRequest(f"--metadata {pair}: write KEY=VALUE")
        pairs[name] = value
    return pairs


def _read(text: str) -> str:
    if text != "-":
        return text
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise FailedPrecondition("standard input is not UTF-8", ErrorReason.MALFORMED_REQUEST) from error
