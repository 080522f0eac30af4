"""What people see: tables, one-line errors, exit codes."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost import errors
from fingerpost.cli.promises import promised
from fingerpost.cli.proposals import proposed
from fingerpost.errors import ErrorReason, FingerpostError

if TYPE_CHECKING:
    from fingerpost.build.metrics import Measured
    from fingerpost.build.reindex import Reindexed
    from fingerpost.build.report import Learned, Report
    from fingerpost.client import CatalogInfo, Decision, Explanation, LedgerInfo, ServerInfo
    from fingerpost.types import Finding, TuningVerdict

EXIT_CODES: Mapping[int, str] = {
    0: "done",
    1: "a fault of the program",
    2: "wrong usage: unknown option or missing argument",
    3: "the route files have errors, or with `lint --strict` warnings: nothing was published",
    4: "the server did not answer in time or cannot be reached",
    5: "the address to listen on is taken",
    6: "storage: no room left, a stored file is damaged, or a file or folder cannot be used",
    7: "refused: the request, a setting or a name is not acceptable as it is",
    8: "a second signal ended the server with calls in flight",
}

_BY_REASON = {
    ErrorReason.ROUTE_FILES_INVALID: 3,
    ErrorReason.ADDRESS_UNAVAILABLE: 5,
    ErrorReason.STORE_UNAVAILABLE: 6,
    ErrorReason.STORE_INCOMPATIBLE: 6,
    ErrorReason.ARTEFACTS_UNAVAILABLE: 6,
}
_BY_CLASS: Mapping[type[FingerpostError], int] = {
    errors.Unavailable: 4,
    errors.DeadlineExceeded: 4,
    errors.StorageFull: 6,
    errors.DataLoss: 6,
    errors.InternalError: 1,
}
_REFUSED = 7
_MISTAKES = 10
_SHOWN_OF_A_KIND = 20  # findings
_COLOURS = {"error": "red", "note": "blue"}

_out = Console(highlight=False, soft_wrap=True, emoji=False)
_err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def exit_code(error: FingerpostError) -> int:
    """Which of `EXIT_CODES` an error means."""
    by_reason = next((code for reason, code in _BY_REASON.items() if error.reason == reason), None)
    if by_reason is not None:
        return by_reason
    return next((code for kind, code in _BY_CLASS.items() if isinstance(error, kind)), _REFUSED)


def error(error: FingerpostError) -> None:
    """One line; route files get a line for each finding before it."""
    findings: tuple[Finding, ...] = getattr(error, "findings", ())
    show_findings(findings)
    typer.echo(f"fingerpost: {error.message or error.reason}", err=True)


def file_error(error: OSError) -> None:
    """One line for a file or folder that cannot be used."""
    place = f"{error.filename}: " if error.filename else ""
    typer.echo(f"fingerpost: {place}{error.strerror or type(error).__name__}", err=True)


def show_findings(findings: "Sequence[Finding]") -> None:
    for finding in findings:
        place = f"{finding.file}:{finding.line}" if finding.line else finding.file
        colour = _COLOURS.get(finding.severity, "yellow")
        _err.print(f"{escape(place)}: [{colour}]{finding.severity} {finding.code}[/]: {escape(finding.message)}")


def show_some(findings: "Sequence[Finding]") -> None:
    """The first of each kind, and how many more there are: a large catalog may have hundreds that say the same."""
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.code] += 1
        if counts[finding.code] <= _SHOWN_OF_A_KIND:
            show_findings([finding])
    for code, count in sorted(counts.items()):
        if count > _SHOWN_OF_A_KIND:
            _err.print(f"and {count - _SHOWN_OF_A_KIND} more {code}: fingerpost lint --json tells all")


def serving(address: str) -> None:
    """Say where, and how to try it."""
    option = "" if address.endswith(":50051") else f" --target {address}"
    typer.echo(f"Fingerpost serves on {address}. Stop it with Ctrl-C. Try it from another terminal:")
    typer.echo(f'  fingerpost route "write a function that reverses a list"{option}')
    typer.echo(f"  fingerpost try --target {address}")
    sys.stdout.flush()  # what reads along through a pipe must see it now


def reindexed(result: "Reindexed") -> None:
    """What was published and how well it does on the held-out texts."""
    show_some(result.findings)
    report, activation = result.report, result.activation
    size = f"{result.routes_count} routes, {result.exemplars_count} exemplars"
    if result.proposal is not None:
        _out.print(f"Published revision [bold]{activation.revision[:12]}[/]: {size}.")
        from fingerpost.cli.local_desk import proposal_seen  # needs the client, which reindexes seldom do

        proposed(proposal_seen(result.proposal))
    else:
        verb = "now serves" if result.changed else "already serves"
        _out.print(
            f"Catalog [bold]{activation.catalog}[/] {verb} revision [bold]{activation.revision[:12]}[/] "
            f"(generation {activation.generation}): {size}."
        )
    if report.learned is not None:
        _out.print(
            f"Calibration {report.calibration}, threshold {report.threshold:.2f}; utterances left out in turn: "
            f"{_percent(report.learned.left_out_accuracy)} to their own route."
        )
        _show_carried(report.learned)
    if report.tuning is not None:
        _show_tuning(report.tuning)
    if report.held_out is not None and report.held_out.promise is not None:
        _out.print(promised(report.held_out.promise))
    if not report.cases:
        _out.print("No tests: in the route files, so nothing was measured on held-out texts.")
        return
    _out.print(f"{report.cases} held-out texts, {report.out_of_scope_cases} of them out of scope:")
    _show_report(report)
    if result.not_compared:
        _out.print(escape(result.not_compared))


def _show_carried(learned: "Learned") -> None:
    if learned.changed:
        _out.print(
            f"Settings, maps and threshold were learned from {learned.texts} texts; {learned.changed} changed since, "
            "and --refit learns them anew."
        )


def _show_tuning(verdict: "TuningVerdict") -> None:
    kept = "The tuned encoder serves" if verdict.accepted else "The plain encoder was kept"
    _out.print(f"{kept}: {verdict.why}.")
    if verdict.texts_count:
        _out.print(
            f"On {verdict.texts_count} texts that the tuning never saw: best route right {verdict.plain_accuracy:.1%} "
            f"plain, {verdict.tuned_accuracy:.1%} tuned; out of scope told apart (AUROC) {verdict.plain_detection:.3f} "
            f"plain, {verdict.tuned_detection:.3f} tuned."
        )


def evaluated(report: "Report") -> None:
    """How many labelled cases fared."""
    _out.print(
        f"{report.cases} cases, {report.out_of_scope_cases} of them out of scope; calibration {report.calibration}, "
        f"threshold {report.threshold:.2f}:"
    )
    _show_report(report)
    for mistake in report.mistakes[:_MISTAKES]:
        expected, sure = mistake.expected or "fallback", _number(mistake.confidence)
        _out.print(
            f'  "{escape(short(mistake.text))}" went to {escape(mistake.decided or "")} ({sure}), not {expected}'
        )


def report_json(report: "Report") -> str:
    """The metrics by name, each with its interval, then counts, confusions, routes and mistakes."""
    fields = asdict(report)
    return to_json({**fields.pop("metrics"), **fields})


def _show_report(report: "Report") -> None:
    """The metrics, with those of the baseline beside them where there is one, then the routes."""
    other = report.baseline
    metrics = _table("metric", "value", "95 % interval", *((other.name, "95 % interval") if other else ()))
    for name, measured in report.metrics.items():
        cells = (*_cells(measured), *(_cells(other.metrics[name]) if other else ()))
        if any(cells):
            metrics.add_row(name, *cells)
    _out.print(metrics)
    _out.print(_route_table(report))


def _cells(measured: "Measured") -> tuple[str, str]:
    if measured.value is None:
        return "", ""
    return f"{measured.value:.3f}", f"{measured.low:.3f} to {measured.high:.3f}"


def short(text: str) -> str:
    """One line of at most 80 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"


def _route_table(report: "Report") -> Table:
    table = _table("route", "tests", "best", "accepted", "wrong", "taken for")
    for route in report.routes:
        if route.cases:
            taken_for = ", ".join(f"{name} {count}" for name, count in route.confusions.items())
            wrong = route.accepted - route.accepted_right
            table.add_row(
                escape(route.route),
                str(route.cases),
                str(route.best),
                str(route.accepted),
                str(wrong),
                escape(taken_for),
            )
    return table


def reindexed_json(result: "Reindexed") -> str:
    return to_json(result)


def decision(decision: "Decision", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(decision))
        return
    chosen = f"route [bold]{escape(decision.route)}[/], " if decision.route else ""
    reasons = f" ({', '.join(decision.reasons)})" if decision.reasons else ""
    _out.print(f"{decision.outcome}: {chosen}model [bold]{escape(decision.model)}[/]{reasons}")
    _out.print(
        f"confidence {_number(decision.confidence)}, threshold {decision.threshold:.2f}, "
        f"margin {_number(decision.margin)}, similarity {_number(decision.similarity)}, "
        f"calibration {decision.calibration}, revision {decision.revision[:12]}, "
        f"{decision.timing.total_us / 1000:.1f} ms"
    )
    if decision.alternatives:
        _out.print(_alternatives(decision))


def _alternatives(decision: "Decision") -> Table:
    table = _table("route", "model", "confidence", "score", "similarity")
    for a in decision.alternatives:
        table.add_row(escape(a.route), escape(a.model), _number(a.confidence), f"{a.score:.2f}", f"{a.similarity:.2f}")
    return table


def explanation(explanation: "Explanation", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(explanation))
        return
    _out.print(escape(explanation.summary))
    decision(explanation.decision, as_json=False)
    matches = _table("similarity", "route", "utterance")
    for match in explanation.decision.matches[:10]:
        matches.add_row(f"{match.similarity:.2f}", escape(match.route or "(out of scope)"), escape(match.text))
    _out.print(matches)
    features = _table("feature", "value", "adds to the log-odds")
    for name, value in explanation.features.items():
        features.add_row(name, f"{value:.3f}", f"{explanation.contributions[name]:+.3f}")
    _out.print(features)


def server_info(info: "ServerInfo", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(info))
        return
    _out.print(f"Fingerpost {info.version}")
    for catalog in info.catalogs:
        _out.print(f"\nCatalog [bold]{catalog.name}[/]")
        _out.print(_grid(_catalog_facts(catalog)))
    if info.ledger is not None:
        _out.print("\nLedger")
        _out.print(_grid(_ledger_facts(info.ledger)))
    _out.print("\nLimits")
    _out.print(_grid({name: f"{value:,}" for name, value in info.limits.items()}))


def _ledger_facts(ledger: "LedgerInfo") -> dict[str, str]:
    age = "never" if ledger.age_seconds is None else f"{ledger.age_seconds:.1f} s ago"
    state = "overdue" if ledger.overdue else "stale: it cannot be reached" if ledger.stale else "followed"
    return {"looked at": age, "state": state}


def _catalog_facts(catalog: "CatalogInfo") -> dict[str, str]:
    facts = {
        "revision": f"{catalog.revision} (generation {catalog.generation})",
        "routes": ", ".join(catalog.routes) or "none",
        "exemplars": str(catalog.exemplars_count),
        "encoder": f"{catalog.encoder_name} {catalog.encoder_digest[:12]}, {catalog.precision}, "
        f"{catalog.dimensions} dimensions, {catalog.max_tokens} tokens",
        "confidence": f"{catalog.calibration}, threshold {catalog.threshold:.2f}",
        "refused reloads": str(catalog.refused_reloads_count),
    }
    if catalog.open_breakers:
        facts["left alone"] = ", ".join(f"{one.model} ({one.cause.replace('_', ' ')})" for one in catalog.open_breakers)
    return facts


def _grid(facts: Mapping[str, str]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(f"  {name}", escape(value))
    return grid


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="bold", pad_edge=False)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


def to_json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:  # noqa: ANN401
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return dict(value)
