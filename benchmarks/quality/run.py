"""Measures how good decisions are, on public sets, and writes docs/quality.md with its tables and plots.

    .venv/bin/python benchmarks/quality/run.py --sets ../shared/data --data data

For each set a catalog is built of its training texts alone, served, and asked the validation texts; semantic-router's
IndexedRouter, with its own settings, is asked the same texts on the same vectors. With --tune the headline tasks are
measured with a tuned encoder too. With --only the other sets keep what the results file says of them.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import compare
import numpy as np
from entries import ENTRIES, Entry, Task
from page import render
from promise import measure_promise
from public_sets import OUT_OF_SCOPE_LABEL
from robustness import measure_robustness
from systems import Answers, Bench, open_bench

from fingerpost.cli.progress import progress
from fingerpost.ports import Progress
from fingerpost.telemetry.logs import configure_logs

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent

PRINTED = ("conversations", "long_texts")
"""Other scripts here whose tables stand on the page as they print them."""


def main() -> None:
    given = _arguments()
    configure_logs("auto", quiet=True)
    if not given.render_only:
        _measure(given)
    results = json.loads(given.out.read_text(encoding="utf-8"))
    if results["entries"]:
        render(results, json.loads(given.frontier.read_text(encoding="utf-8")), given.page)


def _arguments() -> argparse.Namespace:
    names = [*(entry.name for entry in ENTRIES), "promise", *PRINTED]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder that holds or gets the encoder")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/quality.json", help="results")
    parser.add_argument(
        "--frontier", type=Path, default=ROOT / "benchmarks/results/frontier.json", help="results of frontier.py"
    )
    parser.add_argument("--page", type=Path, default=ROOT / "docs/quality.md", help="page to write, plots beside it")
    parser.add_argument("--only", default="", help=f"parts, or how names begin: {','.join(names)}")
    parser.add_argument(
        "--seeds", type=int, default=3, help="samples of the few-shot sets, splits of those without one"
    )
    parser.add_argument("--runs", type=int, default=200, help="catalogs drawn to test the promise")
    parser.add_argument("--tune", action="store_true", help="measure tuned catalogs too")
    parser.add_argument("--render-only", action="store_true", help="write the page of the results that are there")
    given = parser.parse_args()
    given.commit = _commit()
    given.names = [name for name in names if any(_means(part, name, names) for part in given.only.split(","))]
    missing = sorted({entry.source for entry in ENTRIES if not (given.sets / entry.source).is_dir()})
    if not given.names:
        parser.error(f"--only names no part: use {', '.join(names)}")
    if missing and not given.render_only:
        sys.exit(f"{parser.prog}: {given.sets} lacks {', '.join(missing)}: give the folder of the sets with --sets")
    return given


def _means(part: str, name: str, names: Sequence[str]) -> bool:
    return name == part if part in names else name.startswith(part)


def _commit() -> str:
    """Which code is measured, asked once at the start; with a mark when its files differ from their commit."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    return f"{commit}, changed" if _git("status", "--porcelain", "--", "server", "benchmarks/quality") else commit


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def _measure(given: argparse.Namespace) -> None:
    """Part by part; the results are written after each, so that little is lost when it is stopped."""
    known = json.loads(given.out.read_text(encoding="utf-8")) if given.only and given.out.is_file() else {}
    entries, printed = known.get("entries", {}), known.get("printed", {})
    results = {**_header(), "entries": entries, "promise": known.get("promise", {}), "printed": printed}
    with progress() as bar, open_bench(given.data, bar) as bench:
        for entry in ENTRIES:
            if entry.name in given.names:
                entries[entry.name] = _entry(entry, given, bench, bar)
                print(_summary(entry, entries[entry.name]), flush=True)
                _write(given.out, results)
        if "promise" in given.names:
            results["promise"] = measure_promise(bench, given.sets, given.runs, bar)
            _write(given.out, results)
    for name in PRINTED:
        if name in given.names:
            printed[name] = _printed(name, given)
            _write(given.out, results)


def _write(path: Path, results: dict[str, Any]) -> None:
    entries = results["entries"]
    ordered = {entry.name: entries[entry.name] for entry in ENTRIES if entry.name in entries}
    path.write_text(json.dumps(results | {"entries": ordered}, indent=1) + "\n", encoding="utf-8")


def _printed(name: str, given: argparse.Namespace) -> str:
    command = [sys.executable, HERE / f"{name}.py", "--sets", given.sets, "--data", given.data]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _header() -> dict[str, Any]:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return {
        "command": "python benchmarks/quality/run.py",
        "machine": {
            "cpu": model.partition(":")[2].strip(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "semantic_router": version("semantic-router"),
    }


def _entry(entry: Entry, given: argparse.Namespace, bench: Bench, bar: Progress) -> dict[str, Any]:
    started = time.monotonic()
    tasks, gaps = [], []
    for task in entry.tasks(given.sets, given.seeds):
        measured, gap = _task(entry, task, bench, bar, tune=given.tune)
        tasks.append(measured)
        gaps.append(gap)
    repeated = [gap for gap, task in zip(gaps, tasks, strict=True) if not task["headline"]] or gaps
    return {
        "title": entry.title,
        "source": entry.source,
        "commit": given.commit,
        "seconds": round(time.monotonic() - started, 1),
        "tasks": tasks,
        "top1_gap_over_samples": compare.over_samples(repeated) if len(tasks) > 1 else None,
    }


def _task(entry: Entry, task: Task, bench: Bench, bar: Progress, *, tune: bool) -> tuple[dict[str, Any], np.ndarray]:
    cases, texts = task.cases, [case.text for case in task.cases]
    bar.step(f"{entry.name}: {task.name}", len(cases) * (2 + (tune and task.headline)))
    published = bench.publish(task.train)
    robustness = None
    with bench.served() as served:
        ours = served.ask(texts)
        if entry.robustness_texts and task.headline:
            bar.step(f"{entry.name}: other spellings")
            robustness = measure_robustness(served, texts, entry.robustness_texts)
    peer = bench.ask_semantic_router(cases)
    systems = {
        "fingerpost": asdict(published) | _numbers(task, ours, probabilities=True),
        "semantic_router": _numbers(task, peer, probabilities=False),
    }
    found: dict[str, Any] = {
        "name": task.name,
        "headline": task.headline,
        "routes": published.routes,
        "utterances": published.utterances,
        "cases": len(cases),
        "out_of_scope_cases": sum(case.label == OUT_OF_SCOPE_LABEL for case in cases),
        "systems": systems,
        "paired": {"semantic_router": compare.paired(cases, ours, peer)},
        "robustness": robustness,
    }
    if tune and task.headline:
        tuned = _tuned(task, bench)
        systems["fingerpost_tuned"] = tuned[0]
        found["paired"]["untuned"] = compare.paired(cases, tuned[1], ours)
    if task.headline:
        found["at_own_share"] = _at_own_share(task, bench)
    return found, compare.top1_gaps(cases, ours, peer)


def _tuned(task: Task, bench: Bench) -> tuple[dict[str, Any], Answers]:
    published = bench.publish(task.train, tuned=True)
    with bench.served() as served:
        answers = served.ask([case.text for case in task.cases])
    return asdict(published) | _numbers(task, answers, probabilities=True), answers


def _numbers(task: Task, answers: Answers, *, probabilities: bool) -> dict[str, Any]:
    rows = answers.rows(task.cases)
    found: dict[str, Any] = {
        "metrics": compare.metrics_of(rows, intervals=task.headline, probabilities=probabilities),
        "groups": compare.groups_of(task.cases, answers, intervals=task.headline),
    }
    if task.headline:
        found["curve"] = compare.curve(task.cases, answers)
        found["reliability"] = compare.reliability(task.cases, answers) if probabilities else []
    return found


def _at_own_share(task: Task, bench: Bench) -> dict[str, Any] | None:
    """The catalog whose policy expects as much out of scope as the cases hold; None where nothing is."""
    outside = sum(case.label == OUT_OF_SCOPE_LABEL for case in task.cases)
    if not outside:
        return None
    expected = outside / len(task.cases)
    bench.publish(task.train, out_of_scope_share=expected)
    report = bench.evaluate(task.cases)
    metrics = {name: asdict(one) for name, one in report.metrics.items()}
    means = [metrics[name]["value"] for name in ("in_scope_accuracy", "oos_recall")]
    metrics["harmonic_mean"] = {"value": compare.harmonic(*means)}
    return {"out_of_scope_share": expected, "threshold": report.threshold, "metrics": metrics}


def _summary(entry: Entry, measured: dict[str, Any]) -> str:
    systems = measured["tasks"][0]["systems"]
    accuracies = {name: system["metrics"]["top1_accuracy"]["value"] for name, system in systems.items()}
    found = ", ".join(f"{name} {value:.4f}" for name, value in accuracies.items())
    return f"{entry.name}: best route right {found} ({measured['seconds']:.0f} s)"


if __name__ == "__main__":
    main()
