"""Times what it costs a call that its decision is written down.

    .venv/bin/python -m benchmarks.micro.decision_log DATA

DATA is a published data folder, such as `data`. Two servers on it, one with a log of every decision, take turns;
the differences of medians in each of five starts count.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.micro.turns import STARTS, clients_of, in_turns
from benchmarks.serving import ServerUnderTest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    with tempfile.TemporaryDirectory() as folder:
        rows = [_one_start(data, Path(folder)) for _ in range(STARTS)]
    for plain, logged in rows:
        print(f"without {plain:.3f} ms, with the log {logged:.3f} ms (+{logged - plain:.3f})")
    print(f"median difference: {median(logged - plain for plain, logged in rows):+.3f} ms")


def _one_start(data: Path, folder: Path) -> tuple[float, float]:
    """Milliseconds of a cached call without and with the log."""
    quiet = {"admin_listen": "none"}
    logging = ServerUnderTest(data, {**quiet, "decision_log": folder})
    with clients_of(ServerUnderTest(data, quiet), logging) as (one, other):
        return in_turns(one, other)


if __name__ == "__main__":
    main()
