"""Simulates a day of 200,000 requests with failing models, budgets and experiments, and draws what it showed.

    .venv/bin/python -m benchmarks.day.run --data data
    .venv/bin/python -m benchmarks.day.run --render-only

A few minutes. The routes are the starter set; the policy is benchmarks/day/policy.yaml. The data folder gets a catalog
`day` and a ledger of its own, in a folder beside it that is made anew each time. A hard budget that is overspent by one
micro-dollar at any look ends the run with an error.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from benchmarks.day.page import render
from benchmarks.machine import commit_of, machine
from fingerpost.cli.progress import progress
from fingerpost.telemetry.logs import configure_logs

if TYPE_CHECKING:
    from benchmarks.day.simulate import Found

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks/results/day.json"
PAGE = ROOT / "docs/simulated-day.md"
POLICY = Path(__file__).with_name("policy.yaml")
CATALOG = "default"
REQUESTS = 200_000
SEED = 2026


def main() -> None:
    given = _arguments()
    if not given.render_only:
        configure_logs("auto", quiet=True)
        RESULTS.write_text(json.dumps(measured(given.data, given.requests), separators=(",", ":")) + "\n")
    render(json.loads(RESULTS.read_text(encoding="utf-8")), given.page)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder that holds or gets the encoder")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="about so many")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write, plots beside it")
    parser.add_argument("--render-only", action="store_true", help="only the page, from the results that are there")
    return parser.parse_args()


def measured(data: Path, requests: int) -> dict[str, Any]:
    """All that the results say."""
    from benchmarks.day.simulate import Clock, Day, texts_of
    from fingerpost.bootstrap.controls import FolderControls
    from fingerpost.bootstrap.folder import DataFolder

    with tempfile.TemporaryDirectory(prefix="fingerpost-day-") as scratch:
        routes, own = Path(scratch) / "routes", Path(scratch) / "data"
        shutil.copytree(ROOT / "routes", routes)
        policy = routes / "_policy.yaml"
        policy.write_text(policy.read_text(encoding="utf-8") + "\n" + POLICY.read_text(encoding="utf-8"))
        if (data / "encoders").is_dir():
            shutil.copytree(data / "encoders", own / "encoders")
        command = [sys.executable, "-m", "fingerpost", "reindex", "--routes", str(routes), "--data", str(own)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if not (data / "encoders").is_dir():  # for the next time
            shutil.copytree(own / "encoders", data / "encoders")
        folder, clock = DataFolder(own), Clock()
        day = Day(folder, CATALOG, clock, Random(SEED))  # noqa: S311  a simulation, the same each time
        with progress() as bar:
            found = asyncio.run(day.run(requests, texts_of(routes), bar))
        report = FolderControls(folder).report(CATALOG, "smaller-coder")
    return {
        "commit": commit_of("server", "benchmarks/day"),
        "command": f"python -m benchmarks.day.run --requests {requests}",
        "machine": machine(),
        "seed": SEED,
        "found": plain(found),
        "experiment": json.loads(json.dumps(asdict(report), default=str)),
    }


def plain(found: "Found") -> dict[str, Any]:
    """As JSON holds it."""
    return json.loads(json.dumps({field.name: getattr(found, field.name) for field in fields(found)}))  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
