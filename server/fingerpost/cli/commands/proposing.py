"""Commands by which some propose a revision, and others decide whether it may be served."""

from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.at_a_desk import at_a_desk
from fingerpost.cli.commands.options import Catalog, Json
from fingerpost.cli.desks import Desk

_Revision = Annotated[str, typer.Argument(help="A stored revision: the first 6 or more characters of its digest.")]
_Comment = Annotated[str, typer.Option(help="For the others and for the audit; at most 1,000 characters.")]


@app.command(epilog='Example: fingerpost propose 1a2b3c4d5e6f --comment "more utterances for code"')
@at_a_desk
def propose(
    desk: Desk, revision: _Revision, catalog: Catalog = "default", comment: _Comment = "", json: Json = False
) -> None:
    """Propose that a catalog serves a stored revision; a reindex does so where the policy asks for approvals."""
    from fingerpost.cli.proposals import show_proposal

    show_proposal(desk.propose(revision, catalog, comment), as_json=json)


@app.command(epilog='Example: fingerpost approve 1a2b3c4d5e6f --comment "tests look right"')
@at_a_desk
def approve(
    desk: Desk, revision: _Revision, catalog: Catalog = "default", comment: _Comment = "", json: Json = False
) -> None:
    """Approve a revision that somebody else proposed; it is served once somebody activates it."""
    from fingerpost.cli.proposals import show_proposal

    show_proposal(desk.approve(revision, catalog, comment), as_json=json)


@app.command(epilog='Example: fingerpost reject 1a2b3c4d5e6f --comment "steals traffic from billing"')
@at_a_desk
def reject(
    desk: Desk,
    revision: _Revision,
    comment: Annotated[str, typer.Option(help="Why, for whoever proposed it; at most 1,000 characters.")],
    catalog: Catalog = "default",
    json: Json = False,
) -> None:
    """Reject a proposed revision; it can be proposed anew, and then needs all its approvals."""
    from fingerpost.cli.proposals import show_proposal

    show_proposal(desk.reject(revision, catalog, comment), as_json=json)


@app.command(epilog="Example: fingerpost proposals --catalog default")
@at_a_desk
def proposals(desk: Desk, catalog: Catalog = "default", json: Json = False) -> None:
    """List what was proposed for a catalog, by whom, and how far it has come, the latest first."""
    from fingerpost.cli.proposals import show_proposals

    show_proposals(desk.proposals(catalog), as_json=json)
