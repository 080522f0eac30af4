"""Times a whole call and its parts beside the budgets: what one caller waits for, start, memory, reindex.

    .venv/bin/python benchmarks/micro/call.py --sets ../shared/data

A route folder of 1,500 utterances is made of CLINC150's 10-shot file (Larson et al. 2019; rows {"text", "label"}) and
the requests are its validation texts. For each of five server starts three things take turns on the same texts: the
encoder alone in a process of its own with one thread and spinning off, an empty call (grpc.health.v1 Check), and Route.
Ratios of medians count; times are of this machine. With --json the results are written with commit and machine.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console
from rich.table import Table

from fingerpost.backends.encoder.embedder import OnnxEncoder
from fingerpost.client import Client

STAGES = ("queue_us", "embed_us", "search_us", "decide_us", "total_us")


def main() -> None:
    arguments = _arguments()
    train, validation = (arguments.sets / "clinc150" / name for name in ("train_10shot.jsonl", "validation.jsonl"))
    if not train.exists():
        sys.exit(f"call: {train} is absent: give the folder of the public sets with --sets")
    texts = [json.loads(line)["text"] for line in validation.read_text(encoding="utf-8").splitlines()]
    texts = texts[:: max(1, len(texts) // arguments.calls)][: arguments.calls]
    with tempfile.TemporaryDirectory() as folder:
        data, routes = Path(folder) / "data", Path(folder) / "routes"
        results: dict[str, Any] = {"reindex": _reindex(train, routes, data)}
        starts = [_one_start(data, texts) for _ in range(arguments.starts)]
    results |= _summary(starts)
    _print(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(_with_machine(results), indent=1) + "\n", encoding="utf-8")


def _reindex(train: Path, routes: Path, data: Path) -> dict[str, float]:
    """Seconds of the first reindex, encoder export included, of a second one, and of one with one more utterance."""
    command = [sys.executable, "-m", "fingerpost"]
    subprocess.run([*command, "import", str(train), "--out", str(routes)], check=True, capture_output=True)

    def seconds() -> float:
        started = time.perf_counter()
        reindex = [*command, "reindex", "--routes", str(routes), "--data", str(data)]
        subprocess.run(reindex, check=True, capture_output=True)
        return time.perf_counter() - started

    first, again = seconds(), seconds()
    path = next(routes.glob("[!_]*.yaml"))
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace("utterances:\n", "utterances:\n  - one more utterance\n", 1), encoding="utf-8")
    return {"first_s": first, "again_s": again, "one_more_s": seconds()}


def _one_start(data: Path, texts: Sequence[str]) -> dict[str, Any]:
    with _server(data) as (address, process, start_s), _encoder(data) as encode:
        with Client(address) as client, grpc.insecure_channel(address) as channel:
            empty: Any = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest()
            for text in texts[:100]:
                _timed(encode, text), _timed(empty.Check, request), client.route(text)
            rows = []
            for text in texts:
                alone, nothing = encode(text), _timed(empty.Check, request)
                started = time.perf_counter()
                timing = client.route(text).timing
                rows.append((alone, nothing, time.perf_counter() - started, timing))
        memory = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "encoder_ms": median(row[0] for row in rows) * 1e3,
        "empty_ms": median(row[1] for row in rows) * 1e3,
        "route_ms": median(row[2] for row in rows) * 1e3,
        "stages": {name: median(getattr(row[3], name) for row in rows) for name in STAGES},
        "start_s": start_s,
        "resident_mb": memory / 1e6,
    }


def _timed(call: Any, argument: Any) -> float:  # noqa: ANN401
    started = time.perf_counter()
    call(argument)
    return time.perf_counter() - started


@contextmanager
def _server(data: Path) -> Iterator[tuple[str, subprocess.Popen[str], float]]:
    command = [sys.executable, "-m", "fingerpost", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "FINGERPOST_EMBED_THREADS": "1", "FINGERPOST_DRAIN_WAIT_MS": "0"}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        assert process.stdout is not None  # noqa: S101  asked for above
        line = process.stdout.readline()
        yield line.split("serves on ")[1].split(". ")[0], process, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _encoder(data: Path) -> Iterator[Any]:
    """The encoder alone in another process; the function gives the seconds that it measured there."""
    ours, theirs = get_context("spawn").Pipe()
    child = get_context("spawn").Process(target=_encode_for, args=(theirs, data), daemon=True)
    child.start()

    def encode(text: str) -> float:
        ours.send(text)
        return float(ours.recv())

    try:
        yield encode
    finally:
        ours.send(None)
        child.join(20)


def _encode_for(pipe: Connection, data: Path) -> None:
    [folder] = [path for path in (data / "encoders").iterdir() if (path / "encoder.json").exists()]
    embedder = OnnxEncoder.open(folder, folder.name).embedder()
    while (text := pipe.recv()) is not None:
        pipe.send(_timed(embedder.embed_one, text))


def _summary(starts: list[dict[str, Any]]) -> dict[str, Any]:
    def middle(name: str) -> float:
        return float(median(start[name] for start in starts))

    ratios = sorted(start["route_ms"] / (start["encoder_ms"] + start["empty_ms"]) for start in starts)
    return {
        "ratio": {"median": median(ratios), "lowest": ratios[0], "highest": ratios[-1]},
        **{name: middle(name) for name in ("encoder_ms", "empty_ms", "route_ms", "start_s", "resident_mb")},
        "stages": {name: median(start["stages"][name] for start in starts) for name in STAGES},
    }


def _print(results: dict[str, Any]) -> None:
    table = Table("what", "measured", "budget", box=None)
    ratio, reindex = results["ratio"], results["reindex"]
    spread = f"{ratio['median']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"
    table.add_row("Route / (encoder alone + empty call), p50", spread, "at most 1.35, goal 1.2")
    for name in ("encoder_ms", "empty_ms", "route_ms"):
        table.add_row(f"{name.removesuffix('_ms')}, p50", f"{results[name]:.2f} ms", "")
    for name, value in results["stages"].items():
        table.add_row(f"  {name.removesuffix('_us')} in the server, p50", f"{value:.0f} us", "")
    table.add_row("server start to answering", f"{results['start_s']:.2f} s", "at most 1.5 s")
    table.add_row("resident memory at 1,500 utterances", f"{results['resident_mb']:.0f} MB", "350 MB at 15,000")
    table.add_row("reindex, encoder export included", f"{reindex['first_s']:.1f} s", "30 s for 300 utterances")
    table.add_row("reindex again", f"{reindex['again_s']:.1f} s", "5 s")
    table.add_row("reindex with one more utterance", f"{reindex['one_more_s']:.1f} s", "5 s")
    Console().print(table)


def _with_machine(results: dict[str, Any]) -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    machine = {"cpu": model.partition(":")[2].strip(), "cores": os.cpu_count(), "python": platform.python_version()}
    return {"commit": commit, "machine": machine, "command": "python benchmarks/micro/call.py", **results}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--calls", type=int, default=500, help="calls of each kind and server start")
    parser.add_argument("--starts", type=int, default=5, help="server starts")
    parser.add_argument("--json", type=Path, help="where to write the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
