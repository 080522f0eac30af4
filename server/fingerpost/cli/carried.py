"""What people see of an import or an export: every note, the same kind of note not more than a few times."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fingerpost.cli import show

if TYPE_CHECKING:
    from fingerpost.build.exports.semantic_router import ExportReport
    from fingerpost.build.imports.formats import ImportReport
    from fingerpost.types import Finding

_SHOWN = 10  # notes of one code
_FEW = 50  # utterances: `build.fit` fits no map to fewer


def imported(report: "ImportReport", out: Path, *, as_json: bool) -> None:
    """How much was written where, and what to do next."""
    if as_json:
        typer.echo(show.to_json(report))
        return
    show_notes(report.findings)
    written = report.written
    if written.utterances_count < _FEW:
        typer.echo(
            f"Fewer than {_FEW} utterances: confidences cannot be calibrated to them, and more requests fall back. "
            "Add some to each route.",
            err=True,
        )
    typer.echo(
        f"{count(written.routes_count, 'route')} with {count(written.utterances_count, 'utterance')} and "
        f"{count(written.out_of_scope_count, 'out-of-scope text')} written to {out}, read as {report.format}. "
        f"Next: put your models into {out / '_models.yaml'}, then fingerpost reindex --routes {out}"
    )


def exported(report: "ExportReport", out: Path, *, as_json: bool) -> None:
    """How much was written where; what of the folder no such file holds."""
    if as_json:
        typer.echo(show.to_json(report))
        return
    show_notes(report.findings)
    encoder = f"{report.encoder.kind} {report.encoder.name or ''}".rstrip()
    typer.echo(
        f"{count(report.routes_count, 'route')} with {count(report.utterances_count, 'utterance')} written to {out} "
        f"as {report.format}, with the encoder {encoder}. The policy and the details of the models stay in the folder."
    )


def show_notes(findings: "tuple[Finding, ...]") -> None:
    """A line for each, of one code not more than a few, and how many more there are."""
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.code] += 1
        if counts[finding.code] <= _SHOWN:
            show.show_findings((finding,))
    for code, count in sorted(counts.items()):
        if count > _SHOWN:
            typer.echo(f"{count - _SHOWN} more of {code}; --json lists all.", err=True)


def count(number: int, noun: str) -> str:
    """As people say it: `1 route`, `2 routes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
