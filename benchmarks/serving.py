"""The server under test: a process of its own, with what can be read of it from outside while it runs."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.family import Family


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the server counted until a moment (`time.monotonic` seconds)."""

    time: float
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def sum(self, name: str, **labels: str) -> float:
        """Over all label values that were not given; 0 where there is none."""
        wanted = set(labels.items())
        return sum(value for (own, has), value in self.samples.items() if own == name and wanted <= has)

    def since(self, earlier: "Metrics") -> "Metrics":
        """What was counted in between; `time` is how many seconds that were."""
        samples = {key: value - earlier.samples.get(key, 0.0) for key, value in self.samples.items()}
        return Metrics(self.time - earlier.time, samples)

    def by(self, name: str, label: str) -> dict[str, float]:
        """Sums by the values of one label, those that are 0 left out."""
        values = sorted({dict(has)[label] for own, has in self.samples if own == name and label in dict(has)})
        return {value: total for value in values if (total := self.sum(name, **{label: value}))}

    def bound_at(self, name: str, share: float, **labels: str) -> float | None:
        """The bucket bound of a histogram at or under which that share of the observations lies; None without any."""
        total = self.sum(f"{name}_count", **labels)
        bounds = sorted({float(dict(has)["le"]) for own, has in self.samples if own == f"{name}_bucket"})
        written = {float(dict(has)["le"]): dict(has)["le"] for own, has in self.samples if own == f"{name}_bucket"}
        under = (b for b in bounds if self.sum(f"{name}_bucket", le=written[b], **labels) >= share * total)
        return next(under, None) if total else None


@dataclass(slots=True)
class ServerUnderTest:
    """`fingerpost serve` on a free port; a context manager that waits until it answers and ends it at last."""

    data: Path
    settings: dict[str, Any] = field(default_factory=dict)
    cores: Collection[int] | None = None  # that it may run on; None: all
    address: str = ""
    start_seconds: float = 0.0

    def __enter__(self) -> Self:
        self._metrics_address = f"127.0.0.1:{_free_port()}"
        given = {"metrics_listen": self._metrics_address, "drain_wait_ms": 0, **self.settings}
        environment = {f"FINGERPOST_{name.upper()}": str(value) for name, value in given.items()}
        command = [sys.executable, "-m", "fingerpost", "serve", "--data", str(self.data), "--listen", "127.0.0.1:0"]
        started = time.perf_counter()
        with pinned(self.cores):
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
            )
        try:
            self.address = self._read_address()
        except BaseException:
            self.close()
            raise
        self.start_seconds = time.perf_counter() - started
        return self

    _process: "subprocess.Popen[str]" = field(init=False)
    _metrics_address: str = field(init=False)

    def _read_address(self) -> str:
        assert self._process.stdout is not None  # noqa: S101  asked for above
        match = re.search(r"serves on (\S+)\.", self._process.stdout.readline())
        if match is None:
            sys.exit(f"the server of {self.data} did not start: run fingerpost serve --data {self.data} to see why")
        return match[1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def metrics(self) -> Metrics:
        """All that it counts, read at its Prometheus endpoint."""
        with urllib.request.urlopen(f"http://{self._metrics_address}/metrics", timeout=30) as reply:
            text = reply.read().decode()
        found = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        return Metrics(time.monotonic(), found)

    @property
    def pid(self) -> int:
        """Of the process that was started; it may have children."""
        return self._process.pid

    @property
    def family(self) -> Family:
        """The server and its engine."""
        return Family(self.pid)

    @property
    def engine_cpu_seconds(self) -> float:
        """Time that the engine's threads ran since they started."""
        return sum(child.cpu_seconds for child in self.family.children)


@contextmanager
def pinned(cores: Collection[int] | None) -> Iterator[None]:
    """Processes that are started meanwhile run on these cores alone; None: wherever this one may."""
    before = os.sched_getaffinity(0)
    if cores is not None:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
