"""The page of the results: docs/quality.md, made of the results files alone and the words of page.txt."""

from collections.abc import Sequence, Set
from pathlib import Path
from statistics import mean
from string import Template
from typing import Any

import frontier_page
from plots import draw
from public_sets import SOURCES
from reading import OURS, PEER, TUNED, Entries, Entry, Numbers, average, headline, mean_of, pooled, spread, value_of
from tables import table

_OPERATING = ("coverage", "precision", "in_scope_accuracy", "oos_recall")
_SCOPE = ("in_scope_accuracy", "oos_recall", "harmonic_mean")

_WORDS = Path(__file__).with_name("page.txt")


def render(results: dict[str, Any], frontier: dict[str, Any], page: Path) -> None:
    """Write the page and its plots; `frontier` is what frontier.py found."""
    plots = draw(results, frontier, page.parent / "images" / page.stem)
    words = Template(_WORDS.read_text(encoding="utf-8"))
    tables = _tables(results) | frontier_page.tables(frontier)
    named = {entry["source"] for entry in results["entries"].values()} | frontier["sets"].keys()
    page.write_text(words.substitute(tables, sources=_sources(named), **plots), encoding="utf-8")


def _tables(results: dict[str, Any]) -> dict[str, str]:
    entries: Entries = results["entries"]
    machine = results["machine"]
    return {
        "command": results["command"],
        "semantic_router": results["semantic_router"],
        "commits": "; ".join(sorted({entry["commit"] for entry in entries.values()})),
        "machine": f"{machine['cores']} cores of {machine['cpu']}, Python {machine['python']}",
        "best_route": _best_route(entries),
        "accepted": _accepted(entries),
        "own_share": _own_share(entries),
        "confidence": _confidence(entries),
        "samples": _samples(entries),
        "bots": _bots(entries),
        "languages": _languages(entries),
        "spellings": _spellings(entries),
        "promise": _promise(results["promise"]),
        "conversations": results["printed"].get("conversations", ""),
        "long_texts": results["printed"].get("long_texts", ""),
    }


# --- Tables -------------------------------------------------------------------------------------------------------


def _best_route(entries: Entries) -> str:
    tuned = [TUNED] if any(TUNED in task["systems"] for entry in entries.values() for task in entry["tasks"]) else []
    rows = []
    for entry in entries.values():
        tasks = headline(entry)
        counts = [_count(tasks, name) for name in ("routes", "utterances", "cases")]
        shares = [_written(mean_of(tasks, name, "top1_accuracy")) for name in (OURS, *tuned, PEER)]
        rows.append([entry["title"], *counts, *shares, _written(_top1_gap(entry, tasks), signed=True)])
    heads = ["set", "routes", "utterances", "texts asked", "Fingerpost", *["tuned" for _ in tuned]]
    return table([*heads, "semantic-router", "difference"], rows)


def _accepted(entries: Entries) -> str:
    rows = []
    for entry in entries.values():
        tasks = headline(entry)
        gaps = [task["paired"][PEER]["precision_at_our_coverage"] for task in tasks]
        own = [_written(mean_of(tasks, OURS, name)) for name in _OPERATING]
        other = _number(average([gap["other"] for gap in gaps]))
        rows.append([entry["title"], *own, other, _written(spread(gaps), signed=True)])
    heads = ["set", "coverage", "precision", "right of all in scope", "out-of-scope recall"]
    return table([*heads, "semantic-router's precision", "difference"], rows)


def _own_share(entries: Entries) -> str:
    rows = []
    for entry in entries.values():
        found = [task["at_own_share"] for task in headline(entry) if task["at_own_share"]]
        if found:
            share = _number(average([one["out_of_scope_share"] for one in found]))
            means = [_written(spread([one["metrics"][name] for one in found])) for name in (*_OPERATING, "ece")]
            rows.append([entry["title"], share, *means])
    heads = ["set", "share", "coverage", "precision", "right of all in scope", "out-of-scope recall"]
    return table([*heads, "calibration error"], rows)


def _confidence(entries: Entries) -> str:
    rows = []
    for entry in entries.values():
        tasks = headline(entry)
        own = [_written(mean_of(tasks, OURS, name)) for name in ("ece", "brier", "oos_auroc", "fpr95", "aurc")]
        other = [_written(mean_of(tasks, PEER, name)) for name in ("oos_auroc", "aurc")]
        rows.append([entry["title"], *own, *other])
    heads = ["set", "calibration error", "Brier", "in before out", "out passing at 95 %", "risk area"]
    return table([*heads, "semantic-router: in before out", "risk area"], rows)


def _samples(entries: Entries) -> str:
    rows = []
    for entry in entries.values():
        tasks = [task for task in entry["tasks"] if not task["headline"]]
        if tasks:
            found = [[value_of(task, name, "top1_accuracy") for task in tasks] for name in (OURS, PEER)]
            shares = [[one for one in shares if one is not None] for shares in found]
            gap = _written(entry["top1_gap_over_samples"], signed=True)
            rows.append([entry["title"], str(len(tasks)), *(_range(one) for one in shares), gap])
    return table(["set", "samples", "Fingerpost", "semantic-router", "difference"], rows)


def _bots(entries: Entries) -> str:
    tasks = entries["hint3"]["tasks"] if "hint3" in entries else []
    bots = sorted({task["name"].partition(",")[0] for task in tasks})
    named = [(bot, [task for task in tasks if task["name"].startswith(bot)]) for bot in bots]
    rows = []
    for bot, own in [*named, *[("mean", tasks) for _ in tasks[:1]]]:
        share = _number(average([task["out_of_scope_cases"] / task["cases"] for task in own]))
        default = [_number(average([value_of(task, OURS, name) for task in own])) for name in _SCOPE]
        shared = [task["at_own_share"]["metrics"] for task in own]
        moved = [_number(average([one[name]["value"] for one in shared])) for name in _SCOPE]
        rows.append([bot, str(len(own)), share, *default, *moved])
    heads = ["bot", "splits", "share out of scope", "right of all in scope", "out-of-scope recall", "harmonic mean"]
    return table([*heads, "at the own share: right", "recall", "harmonic mean"], rows)


def _languages(entries: Entries) -> str:
    rows = []
    for task in headline(entries["xsid"]) if "xsid" in entries else []:
        for language, own in task["systems"][OURS]["groups"].items():
            other = task["systems"][PEER]["groups"][language]["top1_accuracy"]
            cells = [_written(own[name]) for name in ("coverage", "precision", "top1_accuracy")]
            rows.append([language, str(own["cases"]), *cells, _number(other["value"])])
    return table(["language", "texts", "coverage", "precision", "best route right", "semantic-router's"], rows)


def _spellings(entries: Entries) -> str:
    found = [task["robustness"] for entry in entries.values() for task in entry["tasks"] if task["robustness"]]
    rows, shares = [], []
    for spelling in found[0] if found else []:
        own = [one[spelling] for one in found]
        shares.append([pooled([one[kind] for one in own]) for kind in ("same_best", "same_decision")])
        rows.append([spelling, str(sum(one["same_best"]["count"] for one in own)), *map(_number, shares[-1])])
    rows.append(["mean", "", *(_number(average(column)) for column in zip(*shares, strict=True))])
    return table(["spelling", "texts", "same best route", "same decision"], rows)


def _promise(found: dict[str, Any]) -> str:
    titles = {name: source.title for name, source in SOURCES.items()}
    rows = []
    for name, one in found.items():
        means = [_number(one[key]) for key in ("coverage", "precision")]
        rows.append([titles.get(name, name), str(one["runs"]), *means, _written(one["broken"])])
    return table(["set", "catalogs", "mean coverage", "mean precision", "promises broken"], rows)


def _sources(named: Set[str]) -> str:
    rows = []
    for key, one in SOURCES.items():
        if key in named:
            repository = f"[{one.repository}](https://github.com/{one.repository})"
            rows.append([f"`{key}/`", one.work, repository, one.commit, one.licence, one.rows])
    return table(["folder", "work", "repository", "commit", "licence", "files"], rows)


def _top1_gap(entry: Entry, tasks: Sequence[Entry]) -> Numbers:
    gaps: list[Numbers] = [task["paired"][PEER]["top1_accuracy"] for task in tasks]
    return entry["top1_gap_over_samples"] if len(tasks) > 1 else gaps[0]


# --- Writing ------------------------------------------------------------------------------------------------------


def _number(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return ""
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def _written(numbers: Numbers, *, signed: bool = False) -> str:
    value, low, high = (_number(numbers.get(key), signed=signed) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if low and high else value


def _range(values: Sequence[float]) -> str:
    return f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _count(tasks: Sequence[Entry], name: str) -> str:
    counts = [task[name] for task in tasks]
    return str(counts[0]) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
