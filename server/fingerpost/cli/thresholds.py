"""What `fingerpost thresholds` shows: the curve of the active revision, as a table or JSON."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.promises import promised
from fingerpost.cli.show import to_json

if TYPE_CHECKING:
    from fingerpost.build.report import HeldOut, Report
    from fingerpost.types import Decider, RoutePolicy

_out = Console(highlight=False, soft_wrap=True)


def print_json(decider: "Decider", report: "Report") -> None:
    routes = {route.name: {"threshold": route.threshold, "given": route.threshold_given} for route in decider.routes}
    _out.print(to_json({"threshold": decider.threshold, "held_out": report.held_out, "routes": routes}), markup=False)


def print_table(decider: "Decider", report: "Report") -> None:
    """The promise, what each threshold would give, and the routes that have one of their own."""
    if report.held_out is None:
        _out.print(
            f"The catalog has too few utterances to tell: its threshold is {decider.threshold:.2f}, "
            f"calibration {report.calibration}."
        )
        return
    if report.held_out.promise is not None:
        _out.print(promised(report.held_out.promise))
    _out.print(_curve(report.held_out, decider.threshold))
    for route in decider.routes:
        if reason := _own_reason(route):
            _out.print(f"{escape(route.name)}: threshold {route.threshold:.2f}: {reason}")


def _curve(held_out: "HeldOut", threshold: float) -> Table:
    table = Table("threshold", "coverage", "precision", "at least", box=None, header_style="bold", pad_edge=False)
    in_force = min((p.threshold for p in held_out.curve if p.threshold >= threshold), default=None)
    for point in held_out.curve:
        mark = " in force" if point.threshold == in_force else ""
        shares = (point.coverage, point.precision, point.precision_bound)
        table.add_row(f"{point.threshold:.4f}{mark}", *(f"{share:.1%}" for share in shares))
    return table


def _own_reason(route: "RoutePolicy") -> str:
    """Why a route's threshold is not the catalog's; empty where it is."""
    if route.threshold_given:
        return "given in its file."
    return "" if route.promise is None else promised(route.promise)
