"""What the commands show that move pointers and tell who did."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.show import to_json
from fingerpost.durable import put_unlocked, storing

if TYPE_CHECKING:
    from fingerpost.release.pointing import Activated
    from fingerpost.types import AuditEntry, AuditHead

_DIGEST = 12  # characters

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def show_activated(done: "Activated", *, as_json: bool) -> None:
    """What is served now, and the head of the audit, which whoever wants to can keep."""
    if as_json:
        typer.echo(to_json(_row(done.entry)))
        return
    one = done.activation
    _out.print(
        f"Catalog [bold]{one.catalog}[/] now serves revision [bold]{one.revision[:_DIGEST]}[/] "
        f"(generation {one.generation})."
    )
    _out.print(f"Audit entry {done.entry.sequence}, hash {done.entry.hash[:_DIGEST]}.")


def show_entries(entries: "Sequence[AuditEntry]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json([_row(entry) for entry in entries]))
        return
    if not entries:
        _out.print("Nothing was changed yet. Next: fingerpost reindex")
        return
    table = Table(
        *("entry", "time (UTC)", "who", "what", "catalog", "revision", "gen."),
        box=None,
        header_style="bold",
        padding=(0, 1, 0, 0),
    )
    for entry in entries:
        event = entry.event
        table.add_row(
            str(entry.sequence),
            _time(entry).strftime("%Y-%m-%d %H:%M:%S"),
            escape(event.actor),
            event.action.value.replace("_", " "),
            escape(event.catalog),
            event.revision[:_DIGEST],
            event.details.get("generation", ""),
        )
    _out.print(table)
    _out.print(f"The latest one's hash is {entries[0].hash[:_DIGEST]}.")


def export_entries(entries: "Sequence[AuditEntry]", head: "AuditHead", file: Path) -> None:
    """Write a line of JSON an entry."""
    lines = "".join(json.dumps(_row(entry), sort_keys=True) + "\n" for entry in entries)
    with storing("the audit"):
        put_unlocked(file, lines.encode())
    _out.print(escape(f"{len(entries)} entries written to {file}; the last one's hash is {head.hash}."))


def show_verified(head: "AuditHead") -> None:
    _out.print(f"The audit is whole: {head.sequence} entries; the last one's hash is {head.hash}.")


def _row(entry: "AuditEntry") -> dict[str, Any]:
    event = entry.event
    return {
        "sequence": entry.sequence,
        "time": _time(entry).isoformat(),
        "actor": event.actor,
        "action": event.action.value,
        "catalog": event.catalog,
        "revision": event.revision,
        "details": dict(event.details),
        "key": entry.key,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def _time(entry: "AuditEntry") -> datetime:
    return datetime.fromtimestamp(entry.time_us / 1e6, tz=UTC)
