"""What `fingerpost lint` shows: findings by place, a summary, JSON and SARIF."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fingerpost import __version__
from fingerpost.cli.show import show_some, to_json
from fingerpost.durable import put_file
from fingerpost.types import Severity

if TYPE_CHECKING:
    from fingerpost.types import Finding


def print_findings(findings: "Sequence[Finding]", *, loads: bool) -> None:
    """The findings, of each kind only some, and a line that counts all."""
    show_some(findings)
    typer.echo(_summary(findings, loads=loads))


def print_json(findings: "Sequence[Finding]", *, loads: bool) -> None:
    """All findings, and how many there are of each severity; `loads` tells whether texts could be looked at."""
    typer.echo(to_json({**_counts(findings), "loads": loads, "findings": list(findings)}))


def write_sarif(findings: "Sequence[Finding]", routes: Path, out: Path) -> None:
    """All findings as a SARIF log; places are relative to the working folder, or to the route folder outside of it.

    Raises:
        OSError: the file cannot be written.
    """
    from fingerpost.build.lint.sarif import sarif

    relative = os.path.relpath(routes)
    folder = Path(routes.resolve().name if relative.startswith("..") else relative).as_posix()
    put_file(out, sarif(findings, folder, __version__).encode())


def failed(findings: "Sequence[Finding]", *, strict: bool) -> bool:
    """Whether there is an error, or, when strict, a warning."""
    severities = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return any(finding.severity in severities for finding in findings)


def _counts(findings: "Sequence[Finding]") -> dict[str, int]:
    counted = Counter(finding.severity for finding in findings)
    return {f"{severity.value}s": counted[severity] for severity in Severity}


def _summary(findings: "Sequence[Finding]", *, loads: bool) -> str:
    counts = _counts(findings)
    told = ", ".join(f"{count} {name if count != 1 else name[:-1]}" for name, count in counts.items() if count)
    files = len({finding.file for finding in findings})
    where = f" in {files} file{'' if files == 1 else 's'}" if files else ""
    hint = "" if loads else " The texts themselves are looked at once the errors are mended."
    return f"{told or 'Nothing found'}{where}.{hint}"
