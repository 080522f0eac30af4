"""What `fingerpost thresholds` shows: the curve of the active revision, as a table or JSON."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.promises import in_force, promised
from fingerpost.cli.show import to_json
from fingerpost.types import Calibration

if TYPE_CHECKING:
    from fingerpost.build.report import HeldOut, Report
    from fingerpost.types import Decider, RoutePolicy

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def print_json(decider: "Decider", report: "Report") -> None:
    """The same numbers for programs; `held_out` is null where there is no curve."""
    routes = {
        route.name: {"threshold": route.threshold, "given": route.threshold_given, "promise": route.promise}
        for route in decider.routes
    }
    fields = {"threshold": decider.threshold, "calibration": report.calibration}
    typer.echo(to_json({**fields, "held_out": report.held_out, "routes": routes}))


def print_table(decider: "Decider", report: "Report") -> None:
    """The promise, what each threshold would give, and the routes that have one of their own."""
    if report.held_out is None:
        _out.print(_without_curve(decider))
    else:
        if report.held_out.promise is not None:
            _out.print(promised(report.held_out.promise))
        _out.print(_curve(report.held_out, decider.threshold))
    for route in decider.routes:
        if reason := _own_reason(route):
            _out.print(f"Route [bold]{escape(route.name)}[/]: {reason}")


def _without_curve(decider: "Decider") -> str:
    """Why there is no curve, and what decides instead."""
    calibration = decider.confidence_map.calibration
    instead = (
        "the similarity alone decides"
        if calibration is Calibration.NONE
        else f"the threshold {decider.threshold:.4f} is the one that is shipped for its encoder"
    )
    return f"The catalog has too few utterances for a curve: {instead} (calibration {calibration.value})."


def _curve(held_out: "HeldOut", threshold: float) -> Table:
    """A row for each point; the last that the threshold in force accepts is marked with it."""
    table = Table("threshold", "coverage", "precision", "at least", "", box=None, header_style="bold", pad_edge=False)
    last = in_force(held_out.curve, threshold)
    for point in held_out.curve:
        shares = (point.coverage, point.precision, point.precision_bound)
        mark = f"<- in force: {threshold:.4f}" if point is last else ""
        table.add_row(f"{point.threshold:.4f}", *(f"{share:.1%}" for share in shares), mark)
    return table


def _own_reason(route: "RoutePolicy") -> str:
    """Why a route's threshold is not the catalog's; empty where it is."""
    if route.threshold_given:
        return f"Threshold {route.threshold:.4f} is given in its file."
    return "" if route.promise is None else promised(route.promise)
