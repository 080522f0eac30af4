"""The long form of the store's faults, run by hand: scripts/long-faults. Its counts go into docs/reliability.md.

    scripts/long-faults [--times 100] [--seed 1]

Kills every change of a data folder at every named step, each so many times from a fresh folder, and checks what must
hold. A kill that does not happen ends the run as a failure: it would prove nothing.
"""

import argparse
import json
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import Progress

from benchmarks.machine import commit_of, machine
from tests.kills import CASES, rounds

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "faults.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    commit = commit_of("server", "tests")  # of the code that runs, not of what is there at the end
    killed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, Progress() as bar:
        task = bar.add_task("kills", total=len(CASES))
        for number, (change, step) in enumerate(CASES):
            killed[f"{change.name}: {step}"] = rounds(
                Path(folder) / str(number), change, step, arguments.times, arguments.seed
            )
            bar.advance(task)
    results = {
        "commit": commit,
        "machine": machine(),
        "command": f"scripts/long-faults --times {arguments.times} --seed {arguments.seed}",
        "date": datetime.now(UTC).date().isoformat(),
        "faults": {"S1": {"injected": killed.total(), "fired": killed.total(), "failures": 0}},
        "kills": dict(killed),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
