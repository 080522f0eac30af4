"""What the ledger costs in SQLite and in PostgreSQL: opening it, a change, and verifying 10,000 entries.

    .venv/bin/python -m benchmarks.micro.ledger [--store postgresql://USER@HOST/NAME] [--entries 10000]

Both write to the disk before they call a change done. The database must be empty: what is written to the ledger stays
there. Without --store only SQLite is measured.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from fingerpost.backends.ledger.ledger import SqlLedger
from fingerpost.backends.ledger.opening import open_database
from fingerpost.release.audit import sealed, verified
from fingerpost.release.pointing import activate

_ROUNDS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="", help="URL of an empty PostgreSQL database")
    parser.add_argument("--entries", type=int, default=10_000)
    given = parser.parse_args()
    for store in ["", given.store] if given.store else [""]:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder) / "ledger.sqlite", store, given.entries)


def _measure(path: Path, store: str, entries: int) -> None:
    first = _seconds(lambda: open_database(path, store).close())
    opening = median(_seconds(lambda: open_database(path, store).close()) for _ in range(_ROUNDS))
    database = open_database(path, store)
    ledger = SqlLedger(database, lambda: time.time_ns() // 1000, sealed)
    keys = (f"key-{number}" for number in itertools.count())

    def change() -> None:
        key = next(keys)
        activate(ledger, "os:benchmark", key, "default", f"{hash(key):064x}"[-64:])

    changes = [_seconds(change) for _ in range(entries)]
    reading = median(_seconds(ledger.audit) for _ in range(_ROUNDS))
    whole = median(_seconds(lambda: verified(*ledger.audit())) for _ in range(_ROUNDS))
    following = median(_seconds(ledger.pointers) for _ in range(_ROUNDS))
    database.close()
    print(f"{'PostgreSQL' if store else 'SQLite'}, milliseconds:")
    for name, seconds in (
        ("open, new", first),
        ("open", opening),
        ("change", median(changes)),
        (f"read {entries} entries", reading),
        (f"read and verify {entries} entries", whole),
        ("read the pointers", following),
    ):
        print(f"  {name:40}{seconds * 1000:9.1f}")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
