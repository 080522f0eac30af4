"""The page of the simulated day, made of the results alone and the words of page.txt."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from pydantic import TypeAdapter

from benchmarks.day import plots
from fingerpost.cli.experiment_plot import plot_experiment
from fingerpost.cli.experiment_words import headline
from fingerpost.types import Effect, ExperimentReport

_WORDS = Path(__file__).with_name("page.txt")

_reports = TypeAdapter(ExperimentReport)


def render(results: dict[str, Any], page: Path) -> None:
    """Write the page and its plots, in a folder of images beside it."""
    images = page.parent / "images" / page.stem
    images.mkdir(parents=True, exist_ok=True)
    report = _reports.validate_python(results["experiment"])
    found = results["found"]
    drawn = {"requests": plots.requests, "budget": plots.budget, "tenants": plots.tenants, "breakers": plots.breakers}
    for name, draw in drawn.items():
        plots.write(draw(found), images / f"{name}.svg")
    plot_experiment(report, images / "experiment.svg")
    words = Template(_WORDS.read_text(encoding="utf-8"))
    page.write_text(words.substitute(_numbers(results, report)), encoding="utf-8")


def _numbers(results: dict[str, Any], report: ExperimentReport) -> Mapping[str, str]:
    found, machine = results["found"], results["machine"]
    refused = {reason: sum(hour.get(reason, 0) for hour in found["refused"].values()) for reason in _reasons(found)}
    breach = next(iter(found["breaches"]), None)
    return {
        "command": results["command"],
        "commit": results["commit"],
        "machine": f"{machine['cores']} cores of {machine['cpu']}, Python {machine['python']}",
        "requests": f"{found['requests']:,}",
        "answered": f"{sum(found['outcomes'].values()):,}",
        "refused": ", ".join(f"{count:,} {reason}" for reason, count in sorted(refused.items())) or "none",
        "downgraded": f"{sum(found['downgraded'].values()):,}",
        "budgets": _budgets(found),
        "alerts": _alerts(found),
        "breakers": _breakers(found),
        "verdict": headline(report),
        "effects": _effects(report),
        "breach": "none" if breach is None else f"arm {breach['arm']} at {_time(breach['hour'])}: {breach['why']}",
    }


def _reasons(found: Mapping[str, Any]) -> set[str]:
    return {reason for hour in found["refused"].values() for reason in hour}


def _budgets(found: Mapping[str, Any]) -> str:
    """The greatest that each account of a hard budget ever stood at, against its limit."""
    highest: dict[str, tuple[float, str]] = {}
    for one in found["budgets"]:
        share = (one["reported"] + one["reserved"] + one["sliced"]) / one["limit"]
        name = one["budget"]
        if share > highest.get(name, (0.0, ""))[0]:
            highest[name] = (share, f"{_usd(one['reported'])} reported and {_usd(one['reserved'])} reserved")
    limits = {one["budget"]: one["limit"] for one in found["budgets"]}
    rows = ["| budget | limit | fullest account, slices at hand included | of it |", "| --- | ---: | ---: | --- |"]
    for name, (share, words) in sorted(highest.items()):
        rows.append(f"| `{name}` | {_usd(limits[name])} | {share:.1%} | {words} |")
    return "\n".join(rows)


def _alerts(found: Mapping[str, Any]) -> str:
    rows = ["| budget | 50 % | 80 % | 100 % |", "| --- | --- | --- | --- |"]
    for name in sorted({one["budget"] for one in found["alerts"]}):
        cells = []
        for percent in (50, 80, 100):
            times = [one["hour"] for one in found["alerts"] if (one["budget"], one["percent"]) == (name, percent)]
            cells.append("" if not times else _time(times[0]) if len(times) == 1 else f"{len(times)} accounts")
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _breakers(found: Mapping[str, Any]) -> str:
    rows = ["| model | opened | first at | last closed at | hours open |", "| --- | ---: | --- | --- | ---: |"]
    for model, spans in sorted(found["breakers"].items()):
        hours = sum(end - begin for begin, end in spans)
        rows.append(f"| `{model}` | {len(spans)} | {_time(spans[0][0])} | {_time(spans[-1][1])} | {hours:.2f} |")
    return "\n".join(rows)


def _effects(report: ExperimentReport) -> str:
    rows = ["| measure | difference of `small` | 95 % interval | says |", "| --- | ---: | --- | --- |"]
    rows += [_effect(one) for one in report.effects if one.difference is not None]
    return "\n".join(rows)


def _effect(one: Effect) -> str:
    interval = "" if one.low is None or one.high is None else f"{one.low:+.4g} to {one.high:+.4g}"
    return f"| {one.measure} | {one.difference:+.4g} | {interval} | {one.direction} |"


def _usd(micros: int) -> str:
    return f"${micros / 1e6:,.2f}"


def _time(hour: float) -> str:
    return f"{int(hour):02d}:{round(hour % 1 * 60) % 60:02d}"
