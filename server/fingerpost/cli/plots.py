"""Plots of what the commands report, drawn with matplotlib where it is installed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fingerpost.cli.promises import in_force
from fingerpost.errors import FailedPrecondition, InvalidRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fingerpost.build.report import Report
    from fingerpost.build.threshold import Point
    from fingerpost.types import Decider

_ENDINGS = (".svg", ".png")
_STEP = 0.05  # of the precision axis, which begins at a multiple
_MARGIN = 0.005  # that keeps lines at the edge in sight
_TICKS = 10  # thresholds that are told on the upper axis


def plot_thresholds(decider: "Decider", report: "Report", out: Path) -> None:
    """Precision and its bound over coverage, with the target and the threshold in force.

    The same numbers give the same bytes, so that a plot may be kept beside the files that it tells of.

    Raises:
        InvalidRequest: the file's name ends otherwise than .svg or .png.
        FailedPrecondition: matplotlib is missing, or the report has no curve.
        OSError: the file cannot be written.
    """
    check_name(out)
    if report.held_out is None or not report.held_out.curve:
        raise FailedPrecondition("the catalog has too few utterances for a curve: add some and reindex")
    curve = report.held_out.curve

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        _draw(axes, curve, decider)
        _name_axes(axes, curve)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)  # below, where it can hide no line

    write_figure(out, (7.5, 5.5), draw)


def check_name(out: Path) -> None:
    """Refuse a file that is no plot by its name.

    Raises:
        InvalidRequest: it ends otherwise than .svg or .png.
    """
    if out.suffix.lower() not in _ENDINGS:
        raise InvalidRequest(f"a plot is {' or '.join(_ENDINGS)}, not {out.name}")


def write_figure(out: Path, inches: tuple[float, float], draw: Callable[["Figure"], None]) -> None:
    """Write what is drawn on a figure of that size; the same drawing gives the same bytes.

    Raises:
        FailedPrecondition: matplotlib is missing.
        OSError: the file cannot be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise FailedPrecondition("plots need matplotlib: pip install 'fingerpost[plots]'") from error
    with rc_context({"svg.hashsalt": "fingerpost"}):  # without it the ids in an SVG file are drawn at random
        figure = Figure(figsize=inches, dpi=120, layout="constrained")
        draw(figure)
        figure.savefig(out, metadata={"Date": None} if out.suffix.lower() == ".svg" else None)


def _draw(axes: "Axes", curve: "Sequence[Point]", decider: "Decider") -> None:
    coverage, precision = [point.coverage for point in curve], [point.precision for point in curve]
    target, last = decider.policy.target_precision, in_force(curve, decider.threshold)
    axes.plot(coverage, precision, label="precision of held-out texts")
    bounds = [point.precision_bound for point in curve]
    axes.fill_between(coverage, bounds, precision, alpha=0.2, linewidth=0, label="down to its lower bound")
    axes.axhline(target, color="tab:orange", linestyle="--", label=f"target precision {100 * target:g}%")
    if last is not None:
        axes.axvline(last.coverage, color="black", linestyle=":", label=f"threshold in force {decider.threshold:.2f}")
    # The bound of the few most confident is low whatever they are: it may leave the picture, the rest may not.
    lowest = min(target, *precision, bounds[-1])
    axes.set(xlim=(0.0, 1.0), ylim=((lowest - _MARGIN) // _STEP * _STEP, 1.0 + _MARGIN))


def _name_axes(axes: "Axes", curve: "Sequence[Point]") -> None:
    """Shares as percentages; above them the thresholds that give these coverages."""
    from matplotlib.ticker import PercentFormatter

    axes.set(xlabel="coverage: share of requests that get a route", ylabel="share of these that is right")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(alpha=0.3)
    told = curve[:: -max(1, len(curve) // _TICKS)]
    above = axes.secondary_xaxis("top")
    above.set_xticks([point.coverage for point in told], [f"{point.threshold:.2f}" for point in told])
    above.set_xlabel("threshold")
