"""The plot of what a selection gives: mean score over mean cost."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hull import hull_of
from reading import KNOWN, NEAREST, ROUTED

Point = dict[str, Any]

_WAYS = {
    ROUTED: ("best_value, as served", "#1f6f8b", "o-"),
    NEAREST: ("best_value, nearest route however unsure", "#0b3948", "^-"),
    KNOWN: ("best_value, right route known", "#6aa84f", ":"),
}
_CHEAPEST, _ORACLE, _GREY = "#d98e04", "#a02c2c", "#777777"
_GAP = 0.028  # of score, between the names of models at one cost


def frontier_figure(found: dict[str, Any]) -> Any:  # noqa: ANN401
    """One set: models, zero router, selections by their settings, and the oracle; the cost axis is logarithmic."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    _models(axes, found["models"])
    for way, (label, colour, line) in _WAYS.items():
        points = found["curves"][way]["best_value"]
        axes.plot(*_columns(points), line, color=colour, label=label, markersize=4, linewidth=1.4)
    _reach(axes, found["curves"][ROUTED]["best_value"])
    cheapest = _columns(found["curves"][ROUTED]["cheapest"])
    axes.plot(*cheapest, "s", color=_CHEAPEST, label="cheapest over a floor, as served", markersize=3.5)
    axes.plot(*_columns([found["oracle"]]), "*", color=_ORACLE, label="oracle", markersize=11)
    costs = [model["cost"][0] for model in found["models"]]
    axes.set_xlim(min(costs) / 1.3, max(costs) * 2.1)  # names stand right of their points
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    ticks = [
        tick for tick in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if axes.get_xlim()[0] < tick < axes.get_xlim()[1]
    ]
    axes.set_xticks(ticks)
    axes.set_xlabel("mean cost, dollars per thousand requests (logarithmic)")
    axes.set_ylabel("mean score, 0 to 1")
    axes.set_title(f"{found['title']}, {found['prompts']} prompts", fontsize=9)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _models(axes: Any, models: Sequence[Point]) -> None:  # noqa: ANN401
    axes.plot(*_columns(models), "o", color=_GREY, label="one model for all", markersize=5)
    hull = hull_of(np.array([[model["cost"][0], model["score"][0]] for model in models]))
    costs = np.geomspace(hull[0, 0], max(model["cost"][0] for model in models), 200)
    scores = np.interp(costs, hull[:, 0], hull[:, 1])
    axes.plot(costs, scores, "--", color=_GREY, linewidth=1.2, label="zero router")
    for cost in {model["cost"][0] for model in models}:
        own = sorted((model for model in models if model["cost"][0] == cost), key=lambda model: model["score"][0])
        _name(axes, own)


def _name(axes: Any, models: Sequence[Point]) -> None:  # noqa: ANN401
    """Names right of models of one cost, which come by rising score, apart from each other."""
    from matplotlib.patheffects import withStroke

    height = -np.inf
    for model in models:
        height = max(model["score"][0], height + _GAP)
        place = (model["cost"][0], height)
        name = axes.annotate(
            model["model"],
            place,
            (6, -5),
            textcoords="offset points",
            fontsize=7,
            color="#222222",
            va="center",
            zorder=9,
        )
        name.set_path_effects([withStroke(linewidth=2.5, foreground="white")])  # legible on lines


def _reach(axes: Any, points: Sequence[Point]) -> None:  # noqa: ANN401
    """95 % intervals of score and cost."""
    costs, scores = _columns(points)
    reach = [
        [[point[name][0] - point[name][1] for point in points], [point[name][2] - point[name][0] for point in points]]
        for name in ("cost", "score")
    ]
    colour = _WAYS[ROUTED][1]
    axes.errorbar(costs, scores, xerr=reach[0], yerr=reach[1], fmt="none", ecolor=colour, elinewidth=0.6, alpha=0.5)


def _columns(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point["cost"][0] for point in points], [point["score"][0] for point in points]
