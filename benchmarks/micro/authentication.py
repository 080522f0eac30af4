"""Times what it costs a call to say who calls: a known token beside none.

    .venv/bin/python -m benchmarks.micro.authentication DATA

DATA is a published data folder, such as `data`. Two servers on it, one with a file of access, are asked in turns; the
differences of medians in each of five starts count. The first use of a token, which is slow on purpose, is told apart.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.micro.turns import STARTS, clients_of, in_turns, timed_call
from benchmarks.serving import ServerUnderTest
from fingerpost.access.editing import add_token


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    with tempfile.TemporaryDirectory() as folder:
        access = Path(folder) / "access.yaml"
        token = add_token(access, "caller", ["caller"], "", None, None).token
        rows = [_one_start(data, access, token) for _ in range(STARTS)]
    for plain, known, first in rows:
        print(
            f"without {plain:.3f} ms, with a token {known:.3f} ms (+{known - plain:.3f}), its first use {first:.1f} ms"
        )
    print(f"median difference: {median(known - plain for plain, known, _ in rows):+.3f} ms")


def _one_start(data: Path, access: Path, token: str) -> tuple[float, float, float]:
    """Milliseconds of a call without and with a token, cached decisions both, and of the token's first use."""
    quiet = {"admin_listen": "none"}
    plain, guarded = ServerUnderTest(data, quiet), ServerUnderTest(data, {**quiet, "access": access})
    with clients_of(plain, guarded, token) as (nobody, somebody):
        first = timed_call(somebody)
        return *in_turns(nobody, somebody), first


if __name__ == "__main__":
    main()
