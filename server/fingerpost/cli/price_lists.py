"""What people see of models that came from a price list: what is new, what is another now, and what was left out."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from fingerpost.cli import show
from fingerpost.cli.carried import count, show_notes

if TYPE_CHECKING:
    from fingerpost.build.edit.model_entries import Entry, Value
    from fingerpost.build.imports.models import ModelsReport

_out = Console(highlight=False, soft_wrap=True, emoji=False)

_SHOWN = 20  # models or values of a kind; the rest is counted


def show_models_import(report: "ModelsReport", routes: Path, *, as_json: bool) -> None:
    """The notes, a line for each model that is new and each value that is another, and what to do next."""
    if as_json:
        typer.echo(show.to_json(report))
        return
    show_notes(report.findings)
    _lines([f"[green]+[/] {_entry(one)}" for one in report.added])
    _lines(
        [
            f"[yellow]~[/] {escape(one.model)} {one.key}: {_value(one.before)} -> {_value(one.after)}"
            for one in report.changed
        ]
    )
    _out.print(f"{_summary(report)}, read as {report.format}.{_passed_over(report)}")
    _out.print(escape(_next(report, routes)))


def _lines(lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        _out.print(line)
    if len(lines) > _SHOWN:
        _out.print(f"and {len(lines) - _SHOWN} more; --json lists all")


def _entry(entry: "Entry") -> str:
    """Name and price; dollars are for people."""
    prices = [entry.get(f"{kind}_price_usd_micros") for kind in ("input", "output")]
    shown = [f"{price / 1e6:g}" if isinstance(price, int) else "?" for price in prices]
    window = entry.get("context_window_tokens")
    tokens = f", {window:,} tokens" if isinstance(window, int) else ""
    can = entry.get("capabilities")
    able = f", {', '.join(can)}" if isinstance(can, tuple) else ""
    return f"[bold]{escape(str(entry['name']))}[/]  $/M {shown[0]} in, {shown[1]} out{tokens}{escape(able)}"


def _value(value: "Value | None") -> str:
    if value is None:
        return "not said"
    return escape(", ".join(value) or "none") if isinstance(value, tuple) else str(value)


def _summary(report: "ModelsReport") -> str:
    return (
        f"{count(len(report.added), 'model')} added, {count(len(report.changed), 'value')} changed, "
        f"{count(len(report.unchanged), 'model')} as before"
        + (f", {len(report.absent):,} not in the list" if report.absent else "")
    )


def _passed_over(report: "ModelsReport") -> str:
    kinds = ", ".join(f"{number:,} {show.short(kind)}" for kind, number in report.passed_over.items())
    return escape(f" Passed over, since they do not chat: {kinds}.") if kinds else ""


def _next(report: "ModelsReport", routes: Path) -> str:
    if report.dry_run:
        return "Nothing was written: this was a dry run."
    if not report.files:
        return "No file was changed."
    files = ", ".join(str(routes / name) for name in report.files)
    return f"Written: {files}. Next: fingerpost reindex --routes {shlex.quote(str(routes))}"
