"""Plot of an experiment: how each effect and its interval became what they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fingerpost.cli import experiment_words as words
from fingerpost.cli.plots import check_name, write_figure
from fingerpost.errors import FailedPrecondition
from fingerpost.types import Direction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fingerpost.types import Effect, ExperimentReport, Look, Measure

_OPEN, _GOOD, _BAD = "0.55", "tab:green", "tab:red"
_TIMES = (("days", 86_400_000_000), ("hours", 3_600_000_000), ("minutes", 60_000_000), ("seconds", 1_000_000))
_WIDTH, _HEIGHT, _TITLE = 3.4, 2.5, 0.5  # inches of a picture, and of what stands above all
_COLUMNS = 3  # where there is one arm: measures beside one another
_LATER = 0.25  # from which part of the looks on all must be in sight: the first intervals are as wide as can be


def plot_experiment(report: "ExperimentReport", out: Path) -> None:
    """A picture for each effect: difference and interval over time, green or red from when on it was sure.

    The same report gives the same bytes.

    Raises:
        InvalidRequest: the file's name ends otherwise than .svg or .png.
        FailedPrecondition: matplotlib is missing, or no effect has an interval yet.
        OSError: the file cannot be written.
    """
    check_name(out)
    looks: dict[tuple[str, Measure], list[Look]] = {}
    for look in report.looks:
        if look.effect.low is not None:
            looks.setdefault((look.effect.arm, look.effect.measure), []).append(look)
    if not looks:
        raise FailedPrecondition("there are too few reports for a plot: wait for more")
    arms = [arm.name for arm in report.experiment.arms if any(arm.name == name for name, _ in looks)]
    columns = min(_COLUMNS, len(looks)) if len(arms) == 1 else len(arms)
    rows = -(-len(looks) // columns) if len(arms) == 1 else len({measure for _, measure in looks})

    start_us = report.first_us or 0
    time, unit_us = _scale((report.last_us or 0) - start_us)

    def draw(figure: "Figure") -> None:
        first = report.experiment.arms[0].name
        figure.suptitle(f"{report.experiment.name}: difference to {_plain(first)}, and where it surely is", fontsize=11)
        figure.supxlabel(f"{time} since the first report", fontsize=9)
        measures = list(dict.fromkeys(measure for _, measure in looks))
        for number, ((arm, measure), some) in enumerate(looks.items()):
            place = number if len(arms) == 1 else measures.index(measure) * columns + arms.index(arm)
            _draw(figure.add_subplot(rows, columns, place + 1), some, start_us, unit_us)

    write_figure(out, (columns * _WIDTH, rows * _HEIGHT + _TITLE), draw)


def _draw(axes: "Axes", looks: "Sequence[Look]", start_us: int, unit_us: int) -> None:
    last = looks[-1].effect
    unit, factor = words.unit_of(last.measure)
    times = [(look.time_us - start_us) / unit_us for look in looks]
    middle, low, high = ([factor * (part or 0.0) for part in parts] for parts in zip(*map(_parts, looks), strict=True))
    axes.axhline(0.0, color="black", linewidth=0.8)
    for colour in (_OPEN, _GOOD, _BAD):
        which = [_colour(look.effect) == colour for look in looks]
        # From each look to the next, so that colours meet.
        shown = [one or (number > 0 and which[number - 1]) for number, one in enumerate(which)]
        axes.fill_between(times, low, high, where=shown, color=colour, alpha=0.25, linewidth=0)
    axes.vlines(times[-1], low[-1], high[-1], color=_colour(last), linewidth=2)  # of a single look it is all there is
    axes.plot(times, middle, color="0.2", linewidth=1.2, marker="." if len(looks) == 1 else "")
    late = int(_LATER * len(looks))
    bottom, top = min(0.0, *low[late:]), max(0.0, *high[late:])
    room = 0.08 * (top - bottom)
    axes.set_ylim(bottom - room, top + room)
    title = f"{words.measure_name(last.measure)}, {unit}" if unit else words.measure_name(last.measure)
    axes.set_title(f"{_plain(last.arm)}: {title}", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)


def _scale(microseconds: int) -> tuple[str, int]:
    """In what to count so much time, and its microseconds."""
    return next(((name, unit) for name, unit in _TIMES if microseconds >= 2 * unit), _TIMES[-1])


def _parts(look: "Look") -> tuple[float | None, float | None, float | None]:
    return look.effect.difference, look.effect.low, look.effect.high


def _colour(effect: "Effect") -> str:
    if effect.direction is Direction.OPEN:
        return _OPEN
    return _GOOD if words.is_good(effect) else _BAD


def _plain(name: str) -> str:
    """Without what matplotlib takes for mathematics."""
    return name.replace("$", r"\$")
