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


@app.command(epilog="Example: fingerpost replay decisions --revision 1a2b3c4d5e6f")
def replay(
    log: Annotated[
        Path,
        typer.Argument(
            help="A decision log: the folder that FINGERPOST_DECISION_LOG names, or a file of it; or a file of cases."
        ),
    ],
    revision: Annotated[
        str, typer.Option(help="The first characters of a digest; by default the revision in force.")
    ] = "",
    texts: Annotated[
        Path | None, typer.Option(help="Texts for rows without any, of .jsonl, .csv or .txt: those that fit are taken.")
    ] = None,
    data: Data = Path("data"),
    catalog: Catalog = "default",
    input_tokens: Annotated[
        int, typer.Option(min=0, help="Input tokens that a request is taken to have, as the provider counts them.")
    ] = 100,
    output_tokens: Annotated[int, typer.Option(min=0, help="Output tokens likewise.")] = 300,
    examples: Annotated[int, typer.Option(min=0, help="Texts shown of each group.")] = 1,
    json: Json = False,
) -> None:
    """Decide logged requests anew with a revision: what changes, for which share of the traffic, at which cost.

    Cases, with or without labels, are compared with what the catalog serves now, as `fingerpost diff active REVISION
    --cases` does.
    """
    from fingerpost.bootstrap.comparing import ACTIVE, Asked, compare_revisions
    from fingerpost.bootstrap.replaying import replay_log
    from fingerpost.build.diff.prices import Tokens
    from fingerpost.build.replay.reading import is_log
    from fingerpost.cli.diff import print_diff, print_json as print_diff_json
    from fingerpost.cli.progress import progress
    from fingerpost.cli.replay import print_json, print_replayed
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    tokens = Tokens(input_tokens, output_tokens)
    if not is_log(log):
        with progress() as bar:
            diff = compare_revisions(data, (ACTIVE, revision or ACTIVE), catalog, Asked(log), tokens, bar)
        if json:
            print_diff_json(diff)
        else:
            print_diff(diff, every=False)
        return
    with progress() as bar:
        found = replay_log(data, log, catalog, revision, texts, tokens, bar)
    if json:
        print_json(found)
    else:
        print_replayed(found, examples=examples)
