"""What the commands show that propose revisions and decide on them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from fingerpost.client.catalog_types import Proposal, Vote

_DIGEST = 12  # characters

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def show_proposal(proposal: "Proposal", *, as_json: bool) -> None:
    """How far it has come, and what to do next."""
    if as_json:
        from fingerpost.cli.show import to_json

        typer.echo(to_json(_row(proposal)))
    else:
        proposed(proposal)


def proposed(proposal: "Proposal") -> None:
    name, given, needed = proposal.revision[:_DIGEST], len(proposal.approvals), proposal.approvals_needed
    _out.print(
        f"Revision [bold]{name}[/] is [bold]{proposal.state}[/] for catalog [bold]{escape(proposal.catalog)}[/], "
        f"by {escape(proposal.proposer)}."
    )
    for vote in proposal.approvals:
        _out.print(escape(f"{vote.actor} approved it{_quoted(vote.comment)}."))
    if proposal.rejection is not None:
        _out.print(escape(f"{proposal.rejection.actor} rejected it{_quoted(proposal.rejection.comment)}."))
        _out.print(f"Next: change the route files and reindex, or fingerpost propose {name}")
    elif given < needed:
        _out.print(f"{given} of {needed} approvals. Next, by somebody else: fingerpost approve {name}")
    else:
        _out.print(f"Next: fingerpost activate {name}")


def show_proposals(proposals: "Sequence[Proposal]", *, as_json: bool) -> None:
    """A row a proposal, the latest first."""
    if as_json:
        from fingerpost.cli.show import to_json

        typer.echo(to_json([_row(one) for one in proposals]))
        return
    if not proposals:
        _out.print("Nothing was proposed yet. Next: fingerpost propose REVISION")
        return
    names = ("revision", "proposed (UTC)", "by", "state", "approvals", "comment")
    table = Table(*names, box=None, header_style="bold", padding=(0, 1, 0, 0))
    for one in proposals:
        table.add_row(
            one.revision[:_DIGEST],
            one.time.strftime("%Y-%m-%d %H:%M"),
            escape(one.proposer),
            one.state,
            f"{len(one.approvals)} of {one.approvals_needed}",
            escape(one.comment),
        )
    _out.print(table)


def _quoted(comment: str) -> str:
    return f": {comment}" if comment else ""


def _row(proposal: "Proposal") -> dict[str, Any]:
    rejection = proposal.rejection
    return {
        "catalog": proposal.catalog,
        "revision": proposal.revision,
        "state": proposal.state,
        "proposer": proposal.proposer,
        "comment": proposal.comment,
        "time": proposal.time.isoformat(),
        "approvals_needed": proposal.approvals_needed,
        "approvals": [_said(vote) for vote in proposal.approvals],
        "rejection": _said(rejection) if rejection else None,
    }


def _said(vote: "Vote") -> dict[str, str]:
    return {"actor": vote.actor, "comment": vote.comment, "time": vote.time.isoformat()}
