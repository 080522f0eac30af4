"""The bench: what every part of the measurement needs, settled once."""

from argparse import ArgumentParser
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.catalogs import Catalog, published
from benchmarks.load.driver import Generator, Target
from benchmarks.load.workload import ROUTE
from benchmarks.machine import ROOT
from benchmarks.serving import ServerUnderTest

CACHE_BYTES = 67_108_864
"""The size of the exact cache where it is on: the default."""


def add_places(parser: ArgumentParser, results: str) -> None:
    """Options that say where things lie; the results go by default to that file."""
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--work", type=Path, default=ROOT / "data/benchmarks", help="catalogs, kept between runs")
    parser.add_argument("--encoders", type=Path, default=ROOT / "data/encoders", help="built encoders to start from")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results" / results, help="results")
    page = ROOT / "docs/performance.md"
    parser.add_argument("--page", type=Path, default=page, help="page to write, plots beside it")


@dataclass
class Bench:
    """Where things lie, how long things take, and the process that generates load."""

    sets: Path
    work: Path
    encoders: Path
    full: bool  # False: everything in two minutes
    server_cores: Collection[int] | None  # that servers may run on; None: all
    starts: int
    generator: Generator

    def seconds(self, quick: float, full: float) -> float:
        return full if self.full else quick

    @property
    def warmup_seconds(self) -> float:
        return self.seconds(0.5, 3)

    def count(self, quick: int, full: int) -> int:
        return full if self.full else quick

    @cached_property
    def small(self) -> Catalog:
        """1,500 utterances."""
        return published(self.sets, self.work, 1_500, [self.encoders])

    @cached_property
    def large(self) -> Catalog:
        """15,000 utterances."""
        return published(self.sets, self.work, 15_000, [self.encoders, self.small.data / "encoders"])

    def serve(self, catalog: Catalog | None = None, /, **settings: object) -> ServerUnderTest:
        """A server of the catalog, by default the small one, to be entered as a context; the exact cache is off."""
        return ServerUnderTest((catalog or self.small).data, {"cache_bytes": 0, **settings}, self.server_cores)


def route(
    server: ServerUnderTest, bodies: tuple[bytes, ...], *, connections: int = 50, service_config: str = ""
) -> Target:
    """Route calls to the server."""
    return Target(server.address, ROUTE, bodies, connections, service_config=service_config)
