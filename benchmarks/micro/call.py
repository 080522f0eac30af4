"""Times a whole call and its parts beside the budgets: what one caller waits for, start, memory, reindex.

    .venv/bin/python -m benchmarks.micro.call --sets ../shared/data

A route folder of 1,500 utterances is made of CLINC150's 10-shot file (Larson et al. 2019; rows {"text", "label"}) and
the requests are its validation texts. For each of five server starts three things take turns on the same texts: the
encoder alone in a process of its own with one thread and spinning off, an empty call (grpc.health.v1 Check), and Route,
the exact cache off. Ratios of medians count; times are of this machine. With --json the results are written with commit
and machine.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console
from rich.table import Table

from benchmarks.catalogs import Catalog, SetsMissingError, imported, queries
from benchmarks.encoder_alone import encoder_alone
from benchmarks.machine import commit_of, machine
from benchmarks.serving import ServerUnderTest
from fingerpost.client import Client

STAGES = ("queue_us", "embed_us", "search_us", "decide_us", "total_us")

_UTTERANCES = 1_500
_WARMUP_CALLS = 100


def main() -> None:
    arguments = _arguments()
    try:
        results = _measure(arguments)
    except SetsMissingError as error:
        sys.exit(f"call: {error}")
    _print(results)
    if arguments.json:
        header = {"commit": commit_of("server"), "machine": machine(), "command": "python -m benchmarks.micro.call"}
        arguments.json.write_text(json.dumps(header | results, indent=1) + "\n", encoding="utf-8")


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    texts = queries(arguments.sets, arguments.calls)
    with tempfile.TemporaryDirectory() as folder:
        catalog = imported(arguments.sets, Path(folder), _UTTERANCES)
        reindex = {"first_s": catalog.reindex(), "again_s": catalog.reindex()}
        catalog.add_utterance("one more utterance")
        reindex["one_more_s"] = catalog.reindex()
        return {"reindex": reindex, **measure_calls(catalog, texts, arguments.starts)}


def measure_calls(catalog: Catalog, texts: Sequence[str], starts: int) -> dict[str, Any]:
    """Medians over server starts of what one caller waits for."""
    return _summary([_one_start(catalog, texts) for _ in range(starts)])


def _one_start(catalog: Catalog, texts: Sequence[str]) -> dict[str, Any]:
    settings = {"embed_threads": 1, "cache_bytes": 0}
    with ServerUnderTest(catalog.data, settings) as server, encoder_alone(catalog.encoder) as alone:
        with Client(server.address) as client, grpc.insecure_channel(server.address) as channel:
            empty: Any = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest()
            for text in texts[:_WARMUP_CALLS]:
                alone.seconds(text), empty.Check(request), client.route(text)
            rows = []
            for text in texts:
                floor, nothing = alone.seconds(text), _timed(empty.Check, request)
                started = time.perf_counter()
                timing = client.route(text).timing
                rows.append((floor, nothing, time.perf_counter() - started, timing))
        resident_mb = server.family.memory_bytes / 1e6
    return {
        "encoder_ms": median(row[0] for row in rows) * 1e3,
        "empty_ms": median(row[1] for row in rows) * 1e3,
        "route_ms": median(row[2] for row in rows) * 1e3,
        "stages": {name: median(getattr(row[3], name) for row in rows) for name in STAGES},
        "start_s": server.start_seconds,
        "resident_mb": resident_mb,
    }


def _timed(call: Any, argument: Any) -> float:  # noqa: ANN401
    started = time.perf_counter()
    call(argument)
    return time.perf_counter() - started


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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--calls", type=int, default=500, help="calls of each kind and server start")
    parser.add_argument("--starts", type=int, default=5, help="server starts")
    parser.add_argument("--json", type=Path, help="where to write the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
