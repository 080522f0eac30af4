"""Writes docs/routes.md from the starter routes and the counts of a report: run by scripts/gen-routes-table."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fingerpost.build.load import load

ROOT = Path(__file__).resolve().parents[1]
ROUTES = ROOT / "routes"
COUNTS = ROOT / "benchmarks" / "results" / "starter-report.json"
PAGE = ROOT / "docs" / "routes.md"

COMMAND = "scripts/reindex --json report.json && scripts/gen-routes-table --report report.json"

HEAD = f"""<!-- Written by scripts/gen-routes-table: do not edit. -->

# The starter routes

The folder `routes/` holds a set to begin with. [Add a route](guides/add-a-route.md) tells how to change it.

*Right* counts the held-out `tests:` whose best route was their own; *confused with* counts the routes that were best
instead. Both are of the report that this command stored:

```bash
{COMMAND}
```

"""


def main() -> None:
    arguments = _arguments()
    if arguments.report:
        COUNTS.parent.mkdir(parents=True, exist_ok=True)
        COUNTS.write_text(counts_of(json.loads(arguments.report.read_text(encoding="utf-8"))), encoding="utf-8")
    text = page()
    if not arguments.check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit("gen-routes-table: docs/routes.md is stale: run scripts/gen-routes-table")


def counts_of(report: dict[str, Any]) -> str:
    """What the table needs of a report: counts for each route, no texts."""
    kept = {"command": COMMAND, "revision": report["activation"]["revision"], "routes": report["report"]["routes"]}
    return json.dumps(kept, indent=1) + "\n"


def page() -> str:
    counts = {row["route"]: row for row in json.loads(COUNTS.read_text(encoding="utf-8"))["routes"]}
    rows = [
        f"| [{route.name}](../routes/{_file(route.utterances[0].file)}) | {route.description} | {route.model} "
        f"| {_right(counts.get(route.name))} | {_confusions(counts.get(route.name))} |"
        for route in load(ROUTES).catalog.routes
    ]
    head = ["| route | purpose | model | right | confused with |", "|---|---|---|---|---|"]
    return HEAD + "\n".join([*head, *rows]) + "\n"


def _file(file: str) -> str:
    return Path(file).name


def _right(counts: dict[str, Any] | None) -> str:
    return f"{counts['best']} of {counts['cases']}" if counts else "not measured"


def _confusions(counts: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts["confusions"].items()) if counts else ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the page is fresh")
    parser.add_argument("--report", type=Path, help="a report of `fingerpost reindex --json` to take the counts from")
    return parser.parse_args()


if __name__ == "__main__":
    main()
