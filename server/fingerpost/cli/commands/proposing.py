"""Commands by which some propose a revision, and others decide whether it may be served."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import Catalog, Data, Json, Shared, Store

_Revision = Annotated[str, typer.Argument(help="A stored revision: the first 6 or more characters of its digest.")]
_Comment = Annotated[str, typer.Option(help="For the others and for the audit; at most 1,000 characters.")]


@app.command(epilog='Example: fingerpost propose 1a2b3c4d5e6f --comment "more utterances for code"')
def propose(
    revision: _Revision,
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    comment: _Comment = "",
    json: Json = False,
) -> None:
    """Propose that a catalog serves a stored revision; a reindex does so where the policy asks for approvals."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import propose_revision
    from fingerpost.cli.proposals import show_proposal
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    show_proposal(propose_revision(DataFolder(data, store, shared), catalog, revision, comment), as_json=json)


@app.command(epilog='Example: fingerpost approve 1a2b3c4d5e6f --comment "tests look right"')
def approve(
    revision: _Revision,
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    comment: _Comment = "",
    json: Json = False,
) -> None:
    """Approve a revision that somebody else proposed; it is served once somebody activates it."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import approve_revision
    from fingerpost.cli.proposals import show_proposal
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    show_proposal(approve_revision(DataFolder(data, store, shared), catalog, revision, comment), as_json=json)


@app.command(epilog='Example: fingerpost reject 1a2b3c4d5e6f --comment "steals traffic from billing"')
def reject(
    revision: _Revision,
    comment: Annotated[str, typer.Option(help="Why, for whoever proposed it; at most 1,000 characters.")],
    data: Data = Path("data"),
    store: Store = "",
    shared: Shared = "",
    catalog: Catalog = "default",
    json: Json = False,
) -> None:
    """Reject a proposed revision; it can be proposed anew, and then needs all its approvals."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import reject_revision
    from fingerpost.cli.proposals import show_proposal
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    show_proposal(reject_revision(DataFolder(data, store, shared), catalog, revision, comment), as_json=json)


@app.command(epilog="Example: fingerpost proposals --catalog default")
def proposals(
    data: Data = Path("data"), store: Store = "", shared: Shared = "", catalog: Catalog = "default", json: Json = False
) -> None:
    """List what was proposed for a catalog, by whom, and how far it has come, the latest first."""
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.bootstrap.pointing import read_proposals
    from fingerpost.cli.proposals import show_proposals
    from fingerpost.telemetry.logs import configure_logs

    configure_logs("auto")
    show_proposals(read_proposals(DataFolder(data, store, shared), catalog), as_json=json)
