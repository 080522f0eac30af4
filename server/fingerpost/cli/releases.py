"""What the commands show that move pointers and tell who did."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.show import to_json
from fingerpost.durable import put_unlocked, storing

if TYPE_CHECKING:
    from fingerpost.client.catalog_types import AuditEntry, AuditHead, Moved

_DIGEST = 12  # characters
_MOVES = {"activate", "roll_back", "import"}

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def moves(entries: "Sequence[AuditEntry]") -> "list[AuditEntry]":
    """Those that changed what is served."""
    return [entry for entry in entries if entry.action in _MOVES]


def show_moved(done: "Moved", *, as_json: bool) -> None:
    """What is served now, and the head of the audit, which whoever wants to can keep."""
    if as_json:
        typer.echo(to_json(_row(done.entry)))
        return
    _out.print(
        f"Catalog [bold]{done.catalog}[/] now serves revision [bold]{done.revision[:_DIGEST]}[/] "
        f"(generation {done.generation})."
    )
    _out.print(f"Audit entry {done.entry.sequence}, hash {done.entry.hash[:_DIGEST]}.")


def show_done(entry: "AuditEntry", words: str, *, as_json: bool) -> None:
    """What was changed, in words, and where it stands in the audit."""
    if as_json:
        typer.echo(to_json(_row(entry)))
        return
    _out.print(escape(words))
    _out.print(f"Audit entry {entry.sequence}, hash {entry.hash[:_DIGEST]}.")


def show_entries(entries: "Sequence[AuditEntry]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json([_row(entry) for entry in entries]))
        return
    if not entries:
        _out.print("Nothing was changed yet. Next: fingerpost reindex")
        return
    names = ("entry", "time (UTC)", "who", "what", "catalog", "revision", "gen.", "comment")
    table = Table(*names, box=None, header_style="bold", padding=(0, 1, 0, 0))
    for entry in entries:
        table.add_row(
            str(entry.sequence),
            entry.time.strftime("%Y-%m-%d %H:%M:%S"),
            escape(entry.actor),
            escape(entry.action.replace("_", " ")),
            escape(entry.catalog),
            entry.revision[:_DIGEST],
            entry.details.get("generation", ""),
            escape(_told(entry)),
        )
    _out.print(table)
    _out.print(f"The latest one's hash is {entries[0].hash[:_DIGEST]}.")


def export_entries(entries: "Sequence[AuditEntry]", file: Path) -> None:
    """Write a line of JSON an entry, by sequence."""
    lines = "".join(json.dumps(_row(entry), sort_keys=True) + "\n" for entry in entries)
    with storing("the audit"):
        put_unlocked(file, lines.encode())
    last = entries[-1].hash if entries else "0" * 64
    _out.print(escape(f"{len(entries)} entries written to {file}; the last one's hash is {last}."))


def show_verified(head: "AuditHead") -> None:
    _out.print(f"The audit is whole: {head.sequence} entries; the last one's hash is {head.hash}.")


def _row(entry: "AuditEntry") -> dict[str, Any]:
    return {**asdict(entry), "time": entry.time.isoformat()}


def _told(entry: "AuditEntry") -> str:
    """What somebody said of the change, or else what was changed."""
    details = entry.details
    if "kind" in details:  # of what is set by hand
        return ", ".join(f"{name} {value}" for name, value in details.items() if value)
    return details.get("comment", details.get("method", ""))
