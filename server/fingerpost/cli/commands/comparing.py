"""Commands that compare published revisions, and say which there are."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Catalog, Data, Json

_A_REVISION = "A revision: its digest, the first 6 or more characters of it, or `active`."


@app.command(epilog="Example: fingerpost diff 1a2b3c4d5e6f active --cases cases.jsonl")
def diff(
    before: Annotated[str, typer.Argument(metavar="REV_A", help=_A_REVISION)],
    after: Annotated[str, typer.Argument(metavar="REV_B", help="The revision to compare it with, named likewise.")],
    cases: Annotated[
        Path | None,
        typer.Option(
            help='Texts to decide: rows {"text","label"} of .jsonl, where the label oos should fall back; or texts '
            "without labels of .jsonl, .csv or .txt."
        ),
    ] = None,
    routes: Annotated[
        Path | None,
        typer.Option(
            help="Decide the tests: of this folder of route files. Without this and --cases those of the folder routes "
            "are taken where they fit, else the utterances that differ."
        ),
    ] = None,
    data: Data = Path("data"),
    catalog: Catalog = "default",
    input_tokens: Annotated[
        int, typer.Option(min=0, help="Input tokens that a request is taken to have, as the provider counts them.")
    ] = 100,
    output_tokens: Annotated[int, typer.Option(min=0, help="Output tokens likewise.")] = 300,
    every: Annotated[bool, typer.Option("--all", help="List every text that is decided otherwise, not a few.")] = False,
    json: Json = False,
) -> None:
    """Show which decisions change from one revision to another, why, and what that does to quality and cost."""
    from fingerpost.bootstrap.comparing import Asked, compare_revisions
    from fingerpost.build.diff.prices import Tokens
    from fingerpost.cli.diff import print_diff, print_json
    from fingerpost.cli.progress import progress
    from fingerpost.errors import InvalidRequest
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    if cases is not None and routes is not None:
        raise InvalidRequest("give --cases or --routes, not both")
    tokens = Tokens(input_tokens, output_tokens)
    with progress() as bar:
        found = compare_revisions(data, (before, after), catalog, Asked(cases, routes), tokens, bar)
    if json:
        print_json(found)
    else:
        print_diff(found, every=every)
