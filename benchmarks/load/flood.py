"""The flood: h2load, a generator in C that offers more than a driver in Python can.

h2load sends one body a process and reads no trailers, so it takes every gRPC answer for a success. What was answered
and what refused is therefore counted by the server, and the driver's sample beside it says how long each took. Several
processes with a body each make a mixture.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.load.driver import Target
from benchmarks.load.times import Times

_STREAMS = 100  # of a connection at a time, at most, when a rate is asked for


@dataclass(frozen=True, slots=True)
class Flooded:
    """What h2load says of its requests, whatever their gRPC codes."""

    done: int
    failed: int
    per_s: float
    times: Times

    def __add__(self, other: "Flooded") -> "Flooded":
        times = Times().merge(self.times).merge(other.times)
        return Flooded(self.done + other.done, self.failed + other.failed, self.per_s + other.per_s, times)


@dataclass(frozen=True, slots=True)
class Flood:
    """How h2load is run: for some seconds with so many in flight, or at a rate, or so many requests at once."""

    target: Target
    seconds: float = 0.0
    in_flight: int = 0
    rate: float = 0.0
    calls: int = 0

    def options(self, share: int) -> list[str]:
        """Of one of `share` processes that make the flood together."""
        connections = max(1, self.target.connections // share)
        if self.calls:
            streams = self.calls // self.target.connections
            return ["-n", str(self.calls // share), "-c", str(connections), "-m", str(streams)]
        timed = ["-D", f"{round(self.seconds * 1e3)}ms"]
        if self.rate:
            return [
                *timed,
                "-c",
                str(connections),
                "-m",
                str(_STREAMS),
                "--rps",
                f"{self.rate / share / connections:.3f}",
            ]
        in_flight = max(1, self.in_flight // share)
        connections = next(c for c in range(min(connections, in_flight), 0, -1) if in_flight % c == 0)
        return [*timed, "-c", str(connections), "-m", str(in_flight // connections)]


class RunningFlood:
    """A context manager; its processes end by themselves, and at the latest with it."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="flood-")
        folder, bodies = Path(self._folder.name), self._flood.target.bodies
        options = self._flood.options(len(bodies))
        self._logs = [folder / f"{number}.tsv" for number in range(len(bodies))]
        self._processes = [
            _start(self._flood.target, body, options, log) for body, log in zip(bodies, self._logs, strict=True)
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._folder.cleanup()

    def wait(self) -> list[Flooded]:
        """What became of each body's requests."""
        for process in self._processes:
            process.wait()
        return [_parsed(log) for log in self._logs]


def flood(how: Flood) -> list[Flooded]:
    """Run it to its end."""
    with RunningFlood(how) as running:
        return running.wait()


def available() -> bool:
    return shutil.which("h2load") is not None


def framed(message: bytes) -> bytes:
    """A message as gRPC puts it into an HTTP/2 body: not compressed, its length, itself."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def parsed(output: str, log: str) -> Flooded:
    """Of what h2load prints and of its log: start, HTTP status and microseconds of each request."""
    counts = re.search(r"requests: .* (\d+) done, .* (\d+) failed", output)
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", output)
    if counts is None or rate is None:
        raise RuntimeError(f"h2load failed: {output[-2000:]}")
    rows = (line.split("\t") for line in log.splitlines())
    times = Times(int(row[2]) / 1e6 for row in rows if row[1] == "200")
    return Flooded(int(counts[1]), int(counts[2]), float(rate[1]), times)


def _start(target: Target, body: bytes, options: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    path = log.with_suffix(".bin")
    path.write_bytes(framed(body))
    command = [
        "h2load", *options, "-d", str(path), "--log-file", str(log),
        "-H", "content-type: application/grpc", "-H", "te: trailers",
        "-H", f"grpc-timeout: {round(target.deadline_seconds * 1e3)}m",
        f"http://{target.address}{target.method}",
    ]  # fmt: skip
    with log.with_suffix(".out").open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)


def _parsed(log: Path) -> Flooded:
    output = log.with_suffix(".out").read_text(encoding="utf-8")
    return parsed(output, log.read_text(encoding="utf-8") if log.exists() else "")
