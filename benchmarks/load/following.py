"""From an activation in PostgreSQL to calls that it decides, at servers with data folders of their own.

    python -m benchmarks.load.following --store postgresql://USER@HOST/NAME --data data

Two published revisions of the data folder take turns. The database must hold nothing that matters: its ledger gets the
activations. The servers begin with empty folders and fetch what they serve from a shared folder.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.serving import ServerUnderTest
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import move_pointer
from fingerpost.client import Client

_GIVE_UP_SECONDS = 60.0


def main() -> None:
    """Print the median and the longest time, for servers that are told and for such that only poll."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as home:
        shared = Path(home) / "shared"
        shared.mkdir()
        data = DataFolder(arguments.data, arguments.store, str(shared))
        revisions = [path.name for path in sorted(data.revisions.iterdir()) if len(path.name) == 64][:2]
        if len(revisions) < 2:
            raise SystemExit("two revisions are needed: change a route file and reindex")
        move_pointer(data, "default", revisions[0], None)
        started = time.monotonic()
        with _servers(data, Path(home), arguments.servers) as clients:
            _wait(clients, revisions[0])
            print(f"{arguments.servers} servers with empty folders serve after {time.monotonic() - started:.1f} s")
            turns = itertools.cycle(reversed(revisions))
            times = sorted(_one(data, clients, next(turns)) for _ in range(arguments.activations))
            print(f"{len(times)} activations: median {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--activations", type=int, default=20)
    return parser.parse_args()


@contextmanager
def _servers(data: DataFolder, home: Path, count: int) -> Iterator[list[Client]]:
    with ExitStack() as stack:
        settings = {"store": data.store, "shared": data.shared, "embed_threads": 1}
        servers = [stack.enter_context(ServerUnderTest(home / str(number), settings)) for number in range(count)]
        yield [stack.enter_context(Client(server.address)) for server in servers]


def _one(data: DataFolder, clients: list[Client], revision: str) -> float:
    """Seconds from the commit of an activation until the last server decides by it."""
    move_pointer(data, "default", revision, None)
    began = time.monotonic()
    _wait(clients, revision)
    return time.monotonic() - began


def _wait(clients: list[Client], revision: str) -> None:
    ends = time.monotonic() + _GIVE_UP_SECONDS
    for client in clients:
        while [catalog.revision for catalog in client.info().catalogs] != [revision]:
            if time.monotonic() > ends:
                raise SystemExit(f"a server does not serve {revision[:12]} after {_GIVE_UP_SECONDS:.0f} s")
            time.sleep(0.01)


if __name__ == "__main__":
    main()
