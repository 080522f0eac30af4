"""Commands that change route files, with every other line of them kept."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Catalog, Data, EncoderName, Json, PrecisionName, Routes, Shared, Store
from fingerpost.cli.commands.publishing import reindex as publish
from fingerpost.cli.completing import complete_model, complete_route
from fingerpost.errors import ErrorReason, FailedPrecondition, InvalidRequest

if TYPE_CHECKING:
    from fingerpost.build.edit.editor import Edited

_Route = Annotated[
    str,
    typer.Argument(help="Name of the route; _out_of_scope: texts of none.", autocompletion=complete_route),
]
_Texts = Annotated[list[str], typer.Argument(help="The texts; - reads them from standard input, one a line.")]
_Reindex = Annotated[bool, typer.Option("--reindex", help="Publish the change at once.")]


@app.command(epilog='Example: fingerpost add code "why does my loop never end" --reindex')
def add(
    route: _Route,
    texts: _Texts,
    test: Annotated[bool, typer.Option("--test", help="As tests: held out, never embedded.")] = False,
    routes: Routes = Path("routes"),
    reindex: _Reindex = False,
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    encoder: EncoderName = "minilm",
    precision: PrecisionName = "int8",
    json: Json = False,
) -> None:
    """Add utterances to a route's file; everything else in the file stays as it is."""
    from fingerpost.build.edit.editor import add_texts
    from fingerpost.build.edit.survey import TextKind

    _check_output(json, reindex)
    result = add_texts(routes, route, _read(texts), TextKind.TEST if test else TextKind.UTTERANCE)
    if _show(result, routes, json, reindex):
        publish(routes, data, store, shared, catalog, encoder=encoder, precision=precision)


@app.command(epilog='Example: fingerpost rm code "why does my loop never end"')
def rm(
    route: _Route,
    texts: _Texts,
    routes: Routes = Path("routes"),
    reindex: _Reindex = False,
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    encoder: EncoderName = "minilm",
    precision: PrecisionName = "int8",
    json: Json = False,
) -> None:
    """Remove texts from a route's utterances and tests; everything else in the file stays as it is."""
    from fingerpost.build.edit.editor import remove_texts

    _check_output(json, reindex)
    result = remove_texts(routes, route, _read(texts))
    if _show(result, routes, json, reindex):
        publish(routes, data, store, shared, catalog, encoder=encoder, precision=precision)


@app.command(epilog='Example: fingerpost mv "sum a column in a table" --from maths --to sql_data')
def mv(
    texts: _Texts,
    to: Annotated[str, typer.Option("--to", help="The route that gets them.", autocompletion=complete_route)],
    source: Annotated[
        str | None,
        typer.Option("--from", help="The route that has them; else whichever has.", autocompletion=complete_route),
    ] = None,
    test: Annotated[
        bool | None,
        typer.Option("--test/--utterance", help="Into the tests, or by --utterance into those; else as they are."),
    ] = None,
    routes: Routes = Path("routes"),
    reindex: _Reindex = False,
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    encoder: EncoderName = "minilm",
    precision: PrecisionName = "int8",
    json: Json = False,
) -> None:
    """Move texts to another route, or between a route's utterances and its tests."""
    from fingerpost.build.edit.editor import move_texts
    from fingerpost.build.edit.survey import TextKind

    _check_output(json, reindex)
    kind = None if test is None else TextKind.TEST if test else TextKind.UTTERANCE
    result = move_texts(routes, _read(texts), to, source, kind)
    if _show(result, routes, json, reindex):
        publish(routes, data, store, shared, catalog, encoder=encoder, precision=precision)


@app.command(epilog='Example: fingerpost new travel --model medium "what should I pack for a week in Norway"')
def new(
    route: Annotated[str, typer.Argument(help="Name of the new route.")],
    model: Annotated[
        str, typer.Option(help="The model that answers: a name in _models.yaml.", autocompletion=complete_model)
    ],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Its first utterances; - reads them from standard input, one a line.")
    ] = None,
    description: Annotated[str, typer.Option(help="What requests belong here; the scorer learns from it.")] = "",
    routes: Routes = Path("routes"),
    reindex: _Reindex = False,
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    encoder: EncoderName = "minilm",
    precision: PrecisionName = "int8",
    json: Json = False,
) -> None:
    """Write the file of a new route."""
    from fingerpost.build.edit.editor import create_route

    _check_output(json, reindex)
    result = create_route(routes, route, model, description, _read(texts) if texts else [])
    if _show(result, routes, json, reindex):
        publish(routes, data, store, shared, catalog, encoder=encoder, precision=precision)


def _check_output(json: bool, reindex: bool) -> None:
    if json and reindex:
        raise InvalidRequest("--json and --reindex do not go together: reindex in a second command")


def _show(result: "Edited", routes: Path, json: bool, reindex: bool) -> bool:
    """Print the edit; whether it is to be published."""
    from fingerpost.cli import edit

    if json:
        typer.echo(edit.edited_json(result))
        return False
    edit.edited(result)
    edit.written(result, routes, published=reindex)
    return reindex


def _read(texts: Sequence[str]) -> list[str]:
    """The texts, with the lines of standard input in place of a dash.

    Raises:
        InvalidRequest: there is none.
        FailedPrecondition: standard input is not UTF-8.
    """
    read = [line for text in texts for line in (_lines() if text == "-" else [text])]
    if not read:
        raise InvalidRequest("there is no text: standard input is empty")
    return read


def _lines() -> Iterator[str]:
    try:
        yield from (line.strip() for line in sys.stdin if line.strip())
    except UnicodeDecodeError as error:
        raise FailedPrecondition("standard input is not UTF-8", ErrorReason.MALFORMED_REQUEST) from error
