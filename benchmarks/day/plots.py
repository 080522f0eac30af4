"""Plots of the simulated day."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BLUE, _DARK, _ORANGE, _RED, _GREY, _GREEN = "#1f6f8b", "#0b3948", "#d98e04", "#a02c2c", "#999999", "#6aa84f"

Found = Mapping[str, Any]


def requests(found: Found) -> Any:  # noqa: ANN401
    """Answers by model and hour, those that a budget made cheaper, and refused requests."""
    figure, axes = _figure(3.6)
    models = sorted({model for hour in found["models"].values() for model in hour})
    base = [0.0] * 24
    for place, model in enumerate(models):
        counts = [found["models"].get(str(hour), {}).get(model, 0) for hour in range(24)]
        axes.bar(range(24), counts, bottom=base, label=model, color=_shade(place, len(models)), width=0.85)
        base = [below + count for below, count in zip(base, counts, strict=True)]
    refused = [sum(found["refused"].get(str(hour), {}).values()) for hour in range(24)]
    axes.bar(range(24), refused, bottom=base, label="refused", color=_RED, width=0.85)
    cheaper = [found["downgraded"].get(str(hour), 0) for hour in range(24)]
    axes.plot(range(24), cheaper, "o-", color=_ORANGE, markersize=3, label="sent to a cheaper model")
    axes.set_ylabel("requests an hour")
    _hours(axes)
    axes.legend(loc="upper left", ncols=3, frameon=False, fontsize=7)
    return figure


def budget(found: Found) -> Any:  # noqa: ANN401
    """The day's account."""
    figure, axes = _figure(3.2)
    rows = [one for one in found["budgets"] if one["budget"] == "day"]
    hours = [one["hour"] for one in rows]
    layers = [[one[name] / 1e6 for one in rows] for name in ("reported", "reserved", "sliced")]
    labels = ("reported", "reserved, not reported yet", "in slices at hand")
    axes.stackplot(hours, *layers, labels=labels, colors=(_BLUE, _ORANGE, "#cccccc"))
    axes.axhline(rows[0]["limit"] / 1e6, color=_RED, linewidth=1.2, label="limit")
    axes.set_ylabel("US dollars")
    axes.set_ylim(0, rows[0]["limit"] * 1.35 / 1e6)
    _hours(axes)
    axes.legend(loc="upper left", frameon=False, fontsize=7)
    return figure


def tenants(found: Found) -> Any:  # noqa: ANN401
    """The account of each tenant in each hour, at its end or the last look before it."""
    from matplotlib.figure import Figure

    rows = [one for one in found["budgets"] if one["budget"] == "tenant-hour"]
    names = sorted({one["holder"] for one in rows})
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), sharey=True), names, strict=True):
        last = {one["window_hour"]: one for one in rows if one["holder"] == name}
        hours = list(last)
        reported = [one["reported"] / 1e6 for one in last.values()]
        reserved = [(one["reserved"] + one["sliced"]) / 1e6 for one in last.values()]
        axes.bar(hours, reported, color=_BLUE, width=0.85)
        axes.bar(hours, reserved, bottom=reported, color=_ORANGE, width=0.85)
        axes.axhline(rows[0]["limit"] / 1e6, color=_RED, linewidth=1.2)
        axes.set_title(name, fontsize=8)
        axes.set_xticks((0, 6, 12, 18, 24))
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supylabel("dollars in the hour", fontsize=8)
    return figure


def breakers(found: Found) -> Any:  # noqa: ANN401
    """A line a model: dark where its breaker is open; behind it the share of calls that failed."""
    figure, axes = _figure(2.6)
    failed = {model for hour in found["failed_calls"].values() for model in hour}
    names = sorted(failed | found["breakers"].keys(), reverse=True)
    most = max(max(hour.values()) for hour in found["failed_calls"].values())
    for place, name in enumerate(names):
        for hour in range(24):
            count = found["failed_calls"].get(str(hour), {}).get(name, 0)
            height = 0.8 * count / most
            axes.bar(hour + 0.5, height, bottom=place - 0.4, width=1.0, color="#e8c9a0")
        for begin, end in found["breakers"].get(name, ()):
            axes.barh(place, max(end - begin, 0.02), left=begin, height=0.35, color=_DARK)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 3), [f"{hour}:00" for hour in range(0, 25, 3)])
    axes.set_title("dark: left alone; light: failed calls an hour", fontsize=8)
    return figure


def write(figure: Any, path: Path) -> None:  # noqa: ANN401
    """As SVG, the same bytes for the same figure."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "fingerpost"}):
        figure.savefig(path, metadata={"Date": None})


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _hours(axes: Any) -> None:  # noqa: ANN401
    axes.set_xlim(-0.6, 24.1)
    axes.set_xticks(range(0, 25, 3), [f"{hour}:00" for hour in range(0, 25, 3)])


def _shade(place: int, count: int) -> str:
    """From dark blue to light."""
    dark, light = (0x0B, 0x39, 0x48), (0xC7, 0xE0, 0xE6)
    share = place / max(1, count - 1)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(dark, light, strict=True))
