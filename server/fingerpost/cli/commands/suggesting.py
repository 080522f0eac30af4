"""Commands that learn from what was asked."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Catalog, Data, Json, Routes
from fingerpost.errors import InvalidRequest


@app.command(epilog="Example: fingerpost suggest --from texts.jsonl --patch suggested.patch")
def suggest(
    source: Annotated[
        Path, typer.Option("--from", help='Texts: rows {"text"} of a .jsonl or .jsonl.gz file, or a .txt file.')
    ],
    routes: Routes = Path("routes"),
    data: Data = Path("data"),
    catalog: Catalog = "default",
    ask: Annotated[
        int, typer.Option(min=0, max=1000, help="Print as many texts whose label would teach most, as rows to fill in.")
    ] = 0,
    patch: Annotated[Path | None, typer.Option(help="Write the patch to this new file instead of printing it.")] = None,
    json: Json = False,
) -> None:
    """Suggest utterances and new routes from texts that were asked, as a patch to review; no file is changed."""
    from fingerpost.bootstrap.suggesting import suggest_from
    from fingerpost.cli import suggest as show
    from fingerpost.cli.progress import progress
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    if patch is not None and patch.exists():
        raise InvalidRequest(f"{patch} exists already: name a new file, nothing is overwritten")
    with progress() as bar:
        found = suggest_from(source, routes, data, catalog, ask, bar)
    if patch is not None:
        show.write_patch(found, patch)
    show.summary(found, routes, patch)
    if json:
        show.print_json(found)
    elif ask:
        show.print_questions(found)
    elif patch is None:
        show.print_patch(found)
