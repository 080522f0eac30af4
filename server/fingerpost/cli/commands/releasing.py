"""Commands that move a catalog's pointer by hand, and tell who moved it when."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Catalog, Data, Json, Shared, Store


@app.command(epilog="Example: fingerpost activate 1a2b3c4d5e6f --data data")
def activate(
    revision: Annotated[str, typer.Argument(help="A stored revision: the first 6 or more characters of its digest.")],
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    expect_generation: Annotated[
        int | None, typer.Option(min=0, help="Refuse when the catalog is at another generation by now.")
    ] = None,
    json: Json = False,
) -> None:
    """Let a catalog serve a stored revision; a running server swaps to it by itself."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import move_pointer
    from fingerpost.cli.releases import show_activated
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    show_activated(move_pointer(DataFolder(data, store, shared), catalog, revision, expect_generation), as_json=json)


@app.command(epilog="Example: fingerpost rollback --data data")
def rollback(
    revision: Annotated[
        str | None,
        typer.Argument(help="The first characters of its digest; by default what was served before the one in force."),
    ] = None,
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    json: Json = False,
) -> None:
    """Let a catalog serve again what it served before; needs neither the encoder nor the revision in force."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import go_back
    from fingerpost.cli.releases import show_activated
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    show_activated(go_back(DataFolder(data, store, shared), catalog, revision), as_json=json)


@app.command(epilog="Example: fingerpost history --catalog default")
def history(
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    json: Json = False,
) -> None:
    """List what a catalog served, since when, and who decided so, the latest first."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import moves
    from fingerpost.cli.releases import show_entries
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    show_entries(moves(DataFolder(data, store, shared), catalog), as_json=json)


audit_app = typer.Typer(help="Read and verify who changed what.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@audit_app.command(name="list", epilog="Example: fingerpost audit list --last 50")
def audit_list(
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    last: Annotated[int, typer.Option(min=1, help="How many entries.")] = 20,
    json: Json = False,
) -> None:
    """List the last changes of all catalogs, the latest first."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import read_audit
    from fingerpost.cli.releases import show_entries
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    entries, _ = read_audit(DataFolder(data, store, shared))
    show_entries(entries[::-1][:last], as_json=json)


@audit_app.command(name="export", epilog="Example: fingerpost audit export audit.jsonl --data data")
def audit_export(
    file: Annotated[Path, typer.Argument(help="The file to write, a line of JSON an entry.")],
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
) -> None:
    """Write the whole audit to a file, with its hashes."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import read_audit
    from fingerpost.cli.releases import export_entries
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    entries, head = read_audit(DataFolder(data, store, shared))
    export_entries(entries, head, file)


@audit_app.command(name="verify", epilog="Example: fingerpost audit verify --head 3f9c2a71b0de")
def audit_verify(
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    head: Annotated[
        str | None,
        typer.Option(help="A hash that was told before, or its first 12 or more characters: it must be in the chain."),
    ] = None,
) -> None:
    """Prove that no entry was changed, moved or removed, or name the first that was."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import read_audit
    from fingerpost.cli.releases import show_verified
    from fingerpost.release.audit import verified
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    show_verified(verified(*read_audit(DataFolder(data, store, shared)), head))
