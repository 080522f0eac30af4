"""The plots of the page, as SVG files that are the same for the same results."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_OURS, _DARK, _PEER, _REFUSED, _GREY = "#1f6f8b", "#0b3948", "#d98e04", "#c8c8c8", "#999999"

_SYSTEMS = {
    "torch_grpc": "semantic-router, torch,\nbehind gRPC",
    "torch": "semantic-router, torch,\nin process",
    "onnx_grpc": "semantic-router, our encoder,\nbehind gRPC",
    "onnx": "semantic-router, our encoder,\nin process",
    "fingerpost": "Fingerpost over gRPC",
    "encoder": "our encoder alone",
}
_PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99)

Parts = Mapping[str, Any]


def draw(parts: Parts, folder: Path) -> dict[str, str]:
    """Write the plots of the parts that were measured, and give their places as the page names them."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "fingerpost", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    plots: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "latency": ("phases", _latency),
        "percentiles": ("phases", _percentiles),
        "overload": ("phases", _overload),
        "peers": ("peers", _peers),
    }
    folder.mkdir(parents=True, exist_ok=True)
    places = {}
    for name, (part, figure) in plots.items():
        if part in parts:
            figure(parts[part]["measured"]).savefig(
                folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight"
            )
            places[name] = f"{folder.parent.name}/{folder.name}/{name}.svg"
    return places


def _latency(phases: Any) -> Any:  # noqa: ANN401
    """p50 and p99 against the offered rate, for even and for random arrivals."""
    figure, axes = _figure(3.6)
    colours = {"constant": _OURS, "poisson": _PEER}
    labels = {"constant": "even arrivals", "poisson": "random arrivals (Poisson)"}
    for arrivals, steps in phases["b"].items():
        shown = [row for row in steps if "OK" in row["codes"] and not row["void"]]
        rates = [row["offered_per_s"] for row in shown]
        for name, style in (("p99", "o-"), ("p50", "o:")):
            times = [row["codes"]["OK"][f"{name}_ms"] for row in shown]
            label = f"{name}, {labels[arrivals]}"
            axes.plot(rates, times, style, color=colours[arrivals], label=label, markersize=4, linewidth=1.5)
    for name, rate in (("knee", phases["knee_per_s"]), ("ceiling", phases["ceiling_per_s"])):
        axes.axvline(rate, color=_GREY, linewidth=0.8, linestyle="--")
        axes.annotate(f" {name}", (rate, 0.98), xycoords=("data", "axes fraction"), color="#666666", va="top")
    axes.set_yscale("log")
    _ticks_between(axes)
    axes.set_xlim(left=0)
    axes.set_xlabel("calls offered per second")
    axes.set_ylabel("latency of answered calls, ms")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _percentiles(phases: Any) -> Any:  # noqa: ANN401
    """Latency by percentile, the tail drawn out."""
    figure, axes = _figure(3.6)
    runs = {
        "half": ("half the knee", _GREY, "-"),
        "c": ("0.8 of the knee", _OURS, "-"),
        "knee": ("the knee", _DARK, "-"),
        "g": ("0.8 of the knee, revisions taking turns", _OURS, "--"),
        "d": ("twice the knee, accepted", _PEER, "-"),
    }
    shown: list[float] = []
    for name, (label, colour, style) in runs.items():
        times = phases[name]["codes"].get("OK", {})
        known = [one for one in _PERCENTILES if _key(one) in times]
        points = [times[_key(one)] for one in known]
        axes.plot([100 / (100 - one) for one in known], points, style, color=colour, label=label, linewidth=1.6)
        shown = max(shown, known, key=len)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([100 / (100 - one) for one in shown], [f"{one:g} %" for one in shown])
    axes.xaxis.set_minor_locator(_none())
    _ticks_between(axes)
    axes.set_xlabel("share of calls that were faster")
    axes.set_ylabel("latency, ms")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _overload(phases: Any) -> Any:  # noqa: ANN401
    """What became of the calls of a second, at half the knee and beyond it."""
    figure, axes = _figure(3.2)
    runs = {"half": "half the knee", "knee": "the knee", "d": "twice", "e": "ten times"}
    for place, (name, label) in enumerate(runs.items()):
        run = phases[name]
        good = run["goodput_per_s"]
        refused = run["server"]["calls_per_s"].get("RESOURCE_EXHAUSTED", 0.0)
        axes.bar(place, good, 0.6, color=_OURS, label="answered in time" if not place else None)
        axes.bar(place, refused, 0.6, bottom=good, color=_REFUSED, label="refused" if not place else None)
        offered = run["offered_per_s"]
        mark = "calls offered" if not place else None
        axes.plot([place - 0.38, place + 0.38], [offered, offered], color=_PEER, linewidth=2, label=mark)
        top = max(offered, good + refused) if offered < 1.2 * (good + refused) else good + refused
        place_above: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center", "va": "bottom"}
        axes.annotate(f"{good:,.0f} in time", (place, top), color="#444444", **place_above)
        runs[name] = f"{label}\n{offered:,.0f} offered"
    axes.axhline(phases["ceiling_per_s"], color=_GREY, linewidth=0.8, linestyle="--")
    axes.annotate("ceiling", (1, phases["ceiling_per_s"]), xycoords=("axes fraction", "data"), color="#666666",
                  ha="right", va="bottom")  # fmt: skip
    axes.set_xticks(range(len(runs)), list(runs.values()))
    axes.set_ylabel("calls a second")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _peers(peers: Any) -> Any:  # noqa: ANN401
    """Medians of one caller, with the range over the server starts."""
    figure, axes = _figure(3.2)
    times = [peers["p50_ms"][name] for name in _SYSTEMS]
    ratios = [peers["p50_ratio"][name]["median"] for name in _SYSTEMS]
    middles = [one["median"] for one in times]
    reach = [[one["median"] - one["lowest"] for one in times], [one["highest"] - one["median"] for one in times]]
    colours = {"fingerpost": _OURS, "encoder": _REFUSED}
    axes.barh(range(len(times)), middles, 0.65, color=[colours.get(name, _PEER) for name in _SYSTEMS])
    axes.errorbar(middles, range(len(times)), xerr=reach, fmt="none", ecolor="#222222", elinewidth=0.8)
    for place, (one, ratio) in enumerate(zip(times, ratios, strict=True)):
        axes.annotate(f"  {ratio:.2g} x", (one["highest"], place), va="center", color="#444444")
    axes.set_yticks(range(len(times)), list(_SYSTEMS.values()))
    axes.set_ylim(len(times) - 0.5, -0.5)
    axes.margins(x=0.12)
    axes.set_xlabel("one caller's median, ms; beside it as a multiple of Fingerpost's")
    return figure


def _figure(height: float) -> tuple[Any, Any]:
    """A figure of the page's width and its axes; matplotlib is imported only when something is drawn."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    return figure, figure.subplots()


def _key(percentile: float) -> str:
    return f"p{percentile:g}".replace(".", "_") + "_ms"


def _ticks_between(axes: Any) -> None:  # noqa: ANN401
    """On a scale of powers of ten, ticks at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator

    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(_plain)
    axes.yaxis.set_minor_locator(_none())


def _none() -> Any:  # noqa: ANN401
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _plain(value: float, _: object) -> str:
    return f"{value:g}"
