"""The plots of the page, as SVG files that are the same for the same results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from frontier_plot import frontier_figure
from reading import OURS, PEER, TUNED, headline, mean_of

_COLOURS = {OURS: "#1f6f8b", TUNED: "#0b3948", PEER: "#d98e04"}
_LABELS = {OURS: "Fingerpost", TUNED: "Fingerpost, tuned", PEER: "semantic-router"}
_PANELS = ("clinc150", "clinc150_10shot", "banking77", "banking77_10shot", "hwu64", "hwu64_10shot")
_COLUMNS = 3
_GREY = "#999999"


def draw(results: dict[str, Any], frontier: dict[str, Any], folder: Path) -> dict[str, str]:
    """Write every plot into the folder, and give their places as the page names them."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "fingerpost", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    folder.mkdir(parents=True, exist_ok=True)
    entries = results["entries"]
    figures = {
        "best_route": _bars(entries),
        "coverage": _panels(entries, _coverage, "coverage", "precision"),
        "reliability": _panels(entries, _reliability, "confidence", "share right"),
        **{f"frontier_{name}": frontier_figure(found) for name, found in frontier["sets"].items()},
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    return {f"{name}_plot": f"{folder.parent.name}/{folder.name}/{name}.svg" for name in figures}


def _bars(entries: dict[str, Any]) -> Any:  # noqa: ANN401
    """Share of right best routes, one group a set, with 95 % intervals."""
    from matplotlib.figure import Figure

    names = [name for name in (OURS, TUNED, PEER) if any(_has(entry, name) for entry in entries.values())]
    figure = Figure(figsize=(8, 0.4 * len(entries) + 1), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(names)
    for number, name in enumerate(names):
        found = [(i, _accuracy(entry, name)) for i, entry in enumerate(entries.values()) if _has(entry, name)]
        places = [place + (number - (len(names) - 1) / 2) * height for place, _ in found]
        values = [value for _, (value, _, _) in found]
        reach = [[v - low for _, (v, low, _) in found], [high - v for _, (v, _, high) in found]]
        axes.barh(places, values, height * 0.95, color=_COLOURS[name], label=_LABELS[name])
        axes.errorbar(values, places, xerr=reach, fmt="none", ecolor="#222222", elinewidth=0.8)
    axes.set_yticks(range(len(entries)), [entry["title"] for entry in entries.values()])
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("best route right")
    figure.legend(loc="outside upper center", ncols=len(names), frameon=False)
    return figure


def _has(entry: dict[str, Any], system: str) -> bool:
    return any(system in task["systems"] for task in headline(entry))


def _accuracy(entry: dict[str, Any], system: str) -> tuple[float, float, float]:
    found = mean_of(headline(entry), system, "top1_accuracy")
    value = found["value"] or 0.0
    low, high = found["low"], found["high"]
    return value, value if low is None else low, value if high is None else high


def _panels(entries: dict[str, Any], fill: Any, x_label: str, y_label: str) -> Any:  # noqa: ANN401
    from matplotlib.figure import Figure

    shown = [entries[name] for name in _PANELS if name in entries] or list(entries.values())[: len(_PANELS)]
    lines = -(-len(shown) // _COLUMNS)
    figure = Figure(figsize=(8, 2.7 * lines), layout="constrained")
    grid = figure.subplots(lines, _COLUMNS, squeeze=False)
    for axes, entry in zip(grid.flat, shown, strict=False):
        fill(axes, entry["tasks"][0]["systems"])
        axes.set_title(entry["title"], fontsize=9)
    for axes in grid.flat[len(shown) :]:
        axes.axis("off")
    for axes in grid[-1]:
        axes.set_xlabel(x_label)
    for axes in grid[:, 0]:
        axes.set_ylabel(y_label)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _coverage(axes: Any, systems: dict[str, Any]) -> None:  # noqa: ANN401
    lowest = 1.0
    for name in (PEER, OURS, TUNED):
        if name in systems:
            x, y = _columns(systems[name]["curve"])
            axes.plot(x, y, color=_COLOURS[name], label=_LABELS[name], linewidth=1.6)
            lowest = min(lowest, *y)
    metrics = systems[OURS]["metrics"]
    if metrics["precision"]["value"] is not None:
        axes.plot(
            metrics["coverage"]["value"],
            metrics["precision"]["value"],
            "o",
            color=_COLOURS[OURS],
            label="what the default policy accepts",
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(max(0.0, lowest - 0.05), 1.005)


def _reliability(axes: Any, systems: dict[str, Any]) -> None:  # noqa: ANN401
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--", label="as often right as it says")
    for name in (OURS, TUNED):
        if systems.get(name, {}).get("reliability"):
            x, y = _columns(systems[name]["reliability"])
            axes.plot(x, y, "o-", color=_COLOURS[name], label=_LABELS[name], markersize=3, linewidth=1.2)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _columns(points: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
