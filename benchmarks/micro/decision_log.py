"""Times what it costs a call that its decision is written down.

    .venv/bin/python -m benchmarks.micro.decision_log DATA

DATA is a published data folder, such as `data`. Two servers on it, one with a log of every decision, take turns;
the differences of medians in each of five starts count.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.micro.authentication import timed_call
from benchmarks.serving import ServerUnderTest
from fingerpost.client import Client

_STARTS, _CALLS, _WARM = 5, 2_000, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    with tempfile.TemporaryDirectory() as folder:
        rows = [_one_start(data, Path(folder)) for _ in range(_STARTS)]
    for plain, logged in rows:
        print(f"without {plain:.3f} ms, with the log {logged:.3f} ms (+{logged - plain:.3f})")
    print(f"median difference: {median(logged - plain for plain, logged in rows):+.3f} ms")


def _one_start(data: Path, folder: Path) -> tuple[float, float]:
    """Milliseconds of a cached call without and with the log."""
    quiet = {"admin_listen": "none"}
    with (
        ServerUnderTest(data, quiet) as plain,
        ServerUnderTest(data, {**quiet, "decision_log": folder}) as logging,
        Client(plain.address) as one,
        Client(logging.address) as other,
    ):
        for client in (one, other):
            for _ in range(_WARM):
                timed_call(client)
        turns = [(timed_call(one), timed_call(other)) for _ in range(_CALLS)]
    return median(first for first, _ in turns), median(second for _, second in turns)


if __name__ == "__main__":
    main()
