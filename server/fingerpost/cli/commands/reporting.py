"""Commands that make pages about a revision."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Catalog, Data, Shared, Store


@app.command(epilog="Example: fingerpost report --html report.html")
def report(
    html: Annotated[Path, typer.Option(help="The page to write; an older report there is replaced.")],
    data: Data = Path("data"),
    catalog: Catalog = "default",
    cases: Annotated[
        Path | None,
        typer.Option(
            help='Rows {"text","label"} to decide; the label oos should fall back. Default: the tests: there.'
        ),
    ] = None,
    routes: Annotated[
        Path | None, typer.Option(help="Folder of route files. Default: routes, where it is this catalog's.")
    ] = None,
    baseline: Annotated[
        bool, typer.Option(help="Compare with semantic-router on the same vectors, where it is installed.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace the file even if it is no report.")] = False,
) -> None:
    """Write a page about the active revision: how good it is, what it confuses, and what to do next."""
    from fingerpost.bootstrap.portraying import Wanted, portray_active
    from fingerpost.cli.progress import progress
    from fingerpost.cli.report import check_place, write_page
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto", quiet=True)
    check_place(html, force=force)
    assumed = Path("routes") if routes is None and Path("routes").is_dir() else None
    wanted = Wanted(data, catalog, cases, routes or assumed, routes_assumed=routes is None, baseline=baseline)
    with progress() as bar:
        portrait = portray_active(wanted, bar)
        bar.step("page")
        write_page(portrait, html)


class Format(StrEnum):
    """What a page is written in."""

    MARKDOWN = "markdown"
    HTML = "html"


@app.command(epilog="Example: fingerpost docs --format html --out routing.html")
def docs(
    revision: Annotated[
        str,
        typer.Argument(help="The first characters of its digest; by default the one in force.", show_default=False),
    ] = "",
    out: Annotated[Path | None, typer.Option(help="File to write; by default standard output.")] = None,
    written_in: Annotated[Format, typer.Option("--format", help="What the page is written in.")] = Format.MARKDOWN,
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
) -> None:
    """Write down for reviewers what a revision routes where, by which thresholds, and who approved it when."""
    from fingerpost.bootstrap.documenting import document
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.cli.document.content import content
    from fingerpost.cli.document.html import to_html
    from fingerpost.cli.document.markdown import to_markdown
    from fingerpost.durable import put_unlocked, storing
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    blocks = content(document(DataFolder(data, store, shared), catalog, revision))
    page = to_html(blocks) if written_in is Format.HTML else to_markdown(blocks)
    if out is None:
        typer.echo(page, nl=False)
        return
    with storing("the page"):
        put_unlocked(out, page.encode())
    typer.echo(f"Written to {out}.")
