"""The command that makes a page about the active revision."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Catalog, Data


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
