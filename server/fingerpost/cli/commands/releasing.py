"""Commands that look at what catalogs serve and served, move their pointers, and clear up."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.at_a_desk import at_a_desk
from fingerpost.cli.commands.options import Catalog, InForce, Json
from fingerpost.cli.desks import Desk

_Revision = Annotated[str, typer.Argument(help="A stored revision: the first 6 or more characters of its digest.")]


@app.command(epilog="Example: fingerpost activate 1a2b3c4d5e6f --data data")
@at_a_desk
def activate(
    desk: Desk,
    revision: _Revision,
    catalog: Catalog = "default",
    expect_generation: Annotated[
        int | None, typer.Option(min=0, help="Refuse when the catalog is at another generation by now.")
    ] = None,
    json: Json = False,
) -> None:
    """Let a catalog serve a stored revision; a running server swaps to it by itself."""
    from fingerpost.cli.releases import show_moved

    show_moved(desk.activate(revision, catalog, expect_generation), as_json=json)


@app.command(epilog="Example: fingerpost rollback --data data")
@at_a_desk
def rollback(
    desk: Desk,
    revision: Annotated[
        str,
        typer.Argument(
            help="The first characters of its digest; by default what was served before the one in force.",
            show_default=False,
        ),
    ] = "",
    catalog: Catalog = "default",
    json: Json = False,
) -> None:
    """Let a catalog serve again what it served before; needs neither the encoder nor the revision in force."""
    from fingerpost.cli.releases import show_moved

    show_moved(desk.roll_back(catalog, revision), as_json=json)


@app.command(epilog="Example: fingerpost history --catalog default")
@at_a_desk
def history(desk: Desk, catalog: Catalog = "default", json: Json = False) -> None:
    """List what a catalog served, since when, and who decided so, the latest first."""
    from fingerpost.cli.releases import moves, show_entries
    from fingerpost.serve.runtime import check_catalog_name

    check_catalog_name(catalog)
    show_entries(moves(desk.audit(catalog)), as_json=json)


@app.command(epilog="Example: fingerpost routes --catalog default")
@at_a_desk
def routes(desk: Desk, revision: InForce = "", catalog: Catalog = "default", json: Json = False) -> None:
    """List the routes of a revision: their models, thresholds and sizes."""
    from fingerpost.cli.contents import show_routes

    show_routes(desk.routes(catalog, revision), as_json=json)


@app.command(epilog="Example: fingerpost compare 1a2b3c4d5e6f 3f9c2a71b0de")
@at_a_desk
def compare(
    desk: Desk,
    before: Annotated[str, typer.Argument(help="A revision: the first 6 or more characters of its digest.")],
    after: Annotated[str, typer.Argument(help="Another; by default the revision in force.", show_default=False)] = "",
    catalog: Catalog = "default",
    json: Json = False,
) -> None:
    """Show what two revisions have otherwise, without deciding a text; `fingerpost diff` shows changed decisions."""
    from fingerpost.cli.contents import show_changes

    show_changes(desk.compare(before, after, catalog), as_json=json)


@app.command(epilog="Example: fingerpost revisions --data data")
@at_a_desk
def revisions(desk: Desk, json: Json = False) -> None:
    """List the stored revisions, the latest first: what `fingerpost diff` can compare."""
    from fingerpost.cli.revisions import print_json, print_table

    (print_json if json else print_table)(desk.revisions())


@app.command(epilog="Example: fingerpost gc --keep 20 --dry-run")
@at_a_desk
def gc(
    desk: Desk,
    keep: Annotated[int, typer.Option(min=1, help="Of each catalog, so many of the last served revisions stay.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    json: Json = False,
) -> None:
    """Remove revisions that nobody needs: not among the last served, not proposed or approved, older than a day."""
    from fingerpost.cli.contents import show_collected

    show_collected(desk.collect(keep, dry_run=dry_run), dry_run=dry_run, as_json=json)


audit_app = typer.Typer(help="Read and verify who changed what.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@audit_app.command(name="list", epilog="Example: fingerpost audit list --last 50")
@at_a_desk
def audit_list(
    desk: Desk,
    last: Annotated[int, typer.Option(min=1, help="How many entries.")] = 20,
    json: Json = False,
) -> None:
    """List the last changes of all catalogs, the latest first."""
    from fingerpost.cli.releases import show_entries

    show_entries(desk.audit(last=last), as_json=json)


@audit_app.command(name="export", epilog="Example: fingerpost audit export audit.jsonl --data data")
@at_a_desk
def audit_export(
    desk: Desk, file: Annotated[Path, typer.Argument(help="The file to write, a line of JSON an entry.")]
) -> None:
    """Write the whole audit to a file, with its hashes."""
    from fingerpost.cli.releases import export_entries

    export_entries(desk.audit()[::-1], file)


@audit_app.command(name="verify", epilog="Example: fingerpost audit verify --head 3f9c2a71b0de")
@at_a_desk
def audit_verify(
    desk: Desk,
    head: Annotated[
        str,
        typer.Option(
            help="A hash that was told before, or its first 12 or more characters: it must be in the chain.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Prove that no entry was changed, moved or removed, or name the first that was."""
    from fingerpost.cli.releases import show_verified

    show_verified(desk.verify(head))
