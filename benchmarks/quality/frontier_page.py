"""The tables of the page's section on selections, made of what frontier.py found."""

from collections.abc import Sequence
from typing import Any

from reading import KNOWN, NEAREST, ROUTED
from tables import table

_SHOWN = (0.0, 0.22, 1.0, 2.2, 4.6, 10.0, 22.0, 46.0, 1000.0)
"""Weights of the table; the results hold all."""

_WAYS = {ROUTED: "as served", NEAREST: "nearest route", KNOWN: "right route known"}

Interval = Sequence[float | None]
Found = dict[str, Any]


def tables(frontier: Found) -> dict[str, str]:
    """By their names in page.txt."""
    sets: dict[str, Found] = frontier["sets"]
    return {
        "frontier_command": frontier["command"],
        "frontier_commit": frontier["commit"],
        "frontier_routing": _routing(sets),
        "frontier_gains": _gains(sets),
        "frontier_points": _points(sets["llmrouter"]),
        "frontier_alone": _alone(sets),
    }


def _routing(sets: dict[str, Found]) -> str:
    rows = []
    for found in sets.values():
        counts = [str(found[name]) for name in ("prompts", "folds", "routes")]
        shares = [f"{found['routing'][name]:.3f}" for name in ("accepted", "accepted_right", "nearest_right")]
        rows.append([found["title"], str(len(found["models"])), *counts, *shares])
    return table(["set", "models", "prompts", "folds", "routes", "accepted", "of these right", "nearest right"], rows)


def _alone(sets: dict[str, Found]) -> str:
    rows = []
    for found in sets.values():
        for model in [
            *sorted(found["models"], key=lambda one: one["score"][0]),
            {"model": "oracle", **found["oracle"]},
        ]:
            drawn = "yes" if model["model"] in found["zero_router"] else ""
            rows.append([found["title"], model["model"], _score(model["score"]), _dollars(model["cost"]), drawn])
    return table(["set", "model", "score", "dollars per 1,000", "zero router draws from it"], rows)


def _points(found: Found) -> str:
    curves = {way: {point["setting"]: point for point in found["curves"][way]["best_value"]} for way in _WAYS}
    rows = []
    for weight in _SHOWN:
        served, nearest, known = (curves[way][weight] for way in _WAYS)
        own = [
            cell
            for point in (served, nearest)
            for cell in (_score(point["score"]), _dollars(point["cost"]), _gain(point["over_zero"]))
        ]
        rows.append([f"{weight:g}", *own, f"{known['score'][0]:.3f} at {known['cost'][0]:.4f}"])
    heads = ["`cost_weight`", "as served: score", "dollars per 1,000", "over zero router"]
    return table([*heads, "nearest route: score", "dollars per 1,000", "over zero router", "right route known"], rows)


def _gains(sets: dict[str, Found]) -> str:
    rows = []
    for found in sets.values():
        if all(one["aiq_gain"][0] is None for way in _WAYS for one in found["summary"][way].values()):
            rows.append([found["title"], "both", "all three", "none: one model alone is taken", "", ""])
            continue
        for way, told in _WAYS.items():
            for mode, gains in found["summary"][way].items():
                area = _gain(gains["aiq_gain"])
                saved, better = _share(gains["saved_at_best_quality"]), _gain(gains["quality_at_best_cost"])
                rows.append([found["title"], f"`{mode}`", told, area, saved, better])
    heads = ["set", "mode", "routes", "area over the zero router", "saved at the best model's score"]
    return table([*heads, "score gained at its cost"], rows)


# --- Cells ----------------------------------------------------------------------------------------------------------


def _score(found: Sequence[float]) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*found)


def _dollars(found: Sequence[float]) -> str:
    return "{:.4f} ({:.4f} to {:.4f})".format(*found)


def _gain(found: Interval) -> str:
    """Nothing where there is none to compare with; the interval is left out where some draws have none."""
    if found[0] is None:
        return ""
    value = f"{found[0]:+.3f}"
    return value if None in found else f"{value} ({found[1]:+.3f} to {found[2]:+.3f})"


def _share(found: Interval) -> str:
    """Where the score is not reached nothing can be said to be saved."""
    value, low, high = ("not reached" if one is None else f"{one:.0%}" for one in found)
    return f"{value} ({low} to {high})"
