"""What the command shows that reports an outcome."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from fingerpost.cli.quantities import dollars
from fingerpost.cli.show import to_json
from fingerpost.errors import InvalidRequest

if TYPE_CHECKING:
    from fingerpost.client import FailedAttempt, Reported

_ID = 12  # characters
_SOURCES = {
    "REPORTED": "as reported",
    "TOKENS": "from its tokens",
    "RESERVED": "as held back for it",
    "NO_ANSWER": "since no model answered",
}


def attempts_of(given: Iterable[str]) -> "tuple[FailedAttempt, ...]":
    """Attempts as the option writes them: MODEL=STATUS.

    Raises:
        InvalidRequest: one is not written so.
    """
    from fingerpost.client import FailedAttempt

    found = []
    for one in given:
        model, _, status = one.rpartition("=")
        if not model or not status:
            raise InvalidRequest(f"--failed {one}: write MODEL=STATUS, as coder=timeout")
        found.append(FailedAttempt(model, status))
    return tuple(found)


def show_reported(reported: "Reported", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(reported))
        return
    kept = reported.kept
    begin = "A report was there already, and stands" if reported.repeated else "Kept"
    source = _SOURCES.get(reported.cost_source, reported.cost_source)
    typer.echo(
        f"{begin}: {kept.model} {kept.status} for decision {kept.decision_id[:_ID]}; it counts for "
        f"{dollars(reported.cost_usd_micros)}, {source}."
    )
