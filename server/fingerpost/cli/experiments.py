"""What `fingerpost experiments` shows of the report of an experiment: arms, effects, and what is sure by now."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli import experiment_words as words
from fingerpost.cli.show import to_json

if TYPE_CHECKING:
    from fingerpost.types import Effect, ExperimentReport

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def show_experiment_report(report: "ExperimentReport", *, as_json: bool, plot: Path | None) -> None:
    """Everything as JSON, or means, differences and what they say in words; and a plot of the way there.

    Raises:
        InvalidRequest: the plot's name ends otherwise than .svg or .png.
        FailedPrecondition: matplotlib is missing, or there is nothing to plot yet.
        OSError: the plot cannot be written.
    """
    if plot is not None:
        from fingerpost.cli.experiment_plot import plot_experiment

        plot_experiment(report, plot)
    if as_json:
        typer.echo(to_json(report))
        return
    _say(words.headline(report))
    if not report.reports:
        return
    _out.print()
    _out.print(_arms(report))
    for arm in report.experiment.arms[1:]:
        _show_arm(report, [effect for effect in report.effects if effect.arm == arm.name])
    for warning in words.split_warning(report):
        _out.print()
        _out.print(f"[yellow]{escape(warning)}[/]")


def _arms(report: "ExperimentReport") -> Table:
    """A row for each measure and arm that is told."""
    table = _table("", "arm", "mean (95 % interval)", "reports", words.units(report))
    before = None
    for of in report.arms:
        if of.reports:
            name = "" if of.measure is before else words.measure_name(of.measure)
            table.add_row(name, escape(of.arm), words.mean(of), f"{of.reports:,}", f"{of.units:,}")
            before = of.measure
    return table


def _show_arm(report: "ExperimentReport", effects: "Sequence[Effect]") -> None:
    """The differences of one arm to the first, then what they say."""
    told = [effect for effect in effects if effect.difference is not None]
    if not told:
        return
    _out.print()
    table = _table(f"{told[0].arm} against {report.experiment.arms[0].name}", "difference", "95 % interval", "p")
    for effect in told:
        p = "" if effect.low is None else "< 0.001" if effect.p_value < 0.001 else f"{effect.p_value:.3f}"
        table.add_row(words.measure_name(effect.measure), *words.change(effect), p)
    _out.print(table)
    for effect in told:
        _out.print(_mark(effect, f"  {words.verdict(report, effect)}."))


def _mark(effect: "Effect", line: str) -> str:
    """Sure effects in colour: green what one wishes for, red what one does not."""
    if effect.direction == "open":
        return escape(line)
    return f"[{'green' if words.is_good(effect) else 'red'}]{escape(line)}[/]"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(escape(column), no_wrap=True)
    return table


def _say(line: str) -> None:
    _out.print(escape(line))
