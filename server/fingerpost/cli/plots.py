"""Plots of what the commands report, drawn with matplotlib where it is installed."""

from pathlib import Path
from typing import TYPE_CHECKING

from fingerpost.errors import FailedPrecondition, InvalidRequest

if TYPE_CHECKING:
    from fingerpost.build.report import Report
    from fingerpost.types import Decider

_ENDINGS = (".svg", ".png")


def plot_thresholds(decider: "Decider", report: "Report", out: Path) -> None:
    """Precision and its bound over coverage, with the target and the threshold in force.

    Raises:
        InvalidRequest: the file's name ends otherwise than .svg or .png.
        FailedPrecondition: matplotlib is missing, or the report has no curve.
    """
    if out.suffix not in _ENDINGS:
        raise InvalidRequest(f"a plot is {' or '.join(_ENDINGS)}, not {out.name}")
    if report.held_out is None:
        raise FailedPrecondition("the catalog has too few utterances for a curve: add some and reindex")
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise FailedPrecondition("plots need matplotlib: pip install 'fingerpost[plots]'") from error
    points, target = report.held_out.curve, decider.policy.target_precision
    coverage = [point.coverage for point in points]
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(coverage, [point.precision for point in points], label="precision, held-out utterances")
    axes.fill_between(
        coverage,
        [point.precision_bound for point in points],
        [point.precision for point in points],
        alpha=0.2,
        label="down to what is sure with chance 0.9",
    )
    axes.axhline(target, color="grey", linestyle="--", label=f"target precision {target:g}")
    in_force = max(
        (point for point in points if point.threshold >= decider.threshold), key=lambda p: p.coverage, default=None
    )
    if in_force is not None:
        axes.axvline(in_force.coverage, color="black", linestyle=":", label=f"threshold {decider.threshold:.2f}")
    axes.set(xlabel="coverage: share of requests that get a route", ylabel="share of these that is right")
    axes.set_ylim(min(0.5, *(point.precision_bound for point in points)) if points else 0.0, 1.01)
    axes.legend(loc="lower left")
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None)
