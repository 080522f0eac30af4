"""Measures speed and memory under load, and writes docs/performance.md with its tables and plots.

    scripts/bench quick     a look in about two minutes: few calls, one server start, the slowest parts left out
    scripts/bench full      everything, in about three quarters of an hour

Each part starts servers of its own. With --only the other parts keep what the results file says of them.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from benchmarks.catalogs import SetsMissingError, queries
from benchmarks.load import (
    builds,
    crowd,
    flood,
    growth,
    hits,
    installs,
    lengths,
    loop,
    memory,
    peers,
    phases,
    saturation,
    shares,
)
from benchmarks.load.bench import Bench, add_places
from benchmarks.load.driver import generator
from benchmarks.load.page import render
from benchmarks.machine import ROOT, commit_of, machine
from benchmarks.micro.call import measure_calls
from benchmarks.serving import pinned

_STARTS = 5

_SOAK = ROOT / "benchmarks/results/soak.json"


def _call(bench: Bench) -> dict[str, Any]:
    return measure_calls(bench.small, queries(bench.sets, bench.count(150, 500)), bench.starts)


_PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "call": _call,
    "hits": hits.measure,
    "saturation": saturation.measure,
    "loop": loop.measure,
    "phases": phases.measure,
    "crowd": crowd.measure,
    "memory": memory.measure,
    "installs": installs.measure,
    "peers": peers.measure,
    "shares": shares.measure,
    "lengths": lengths.measure,
    "growth": growth.measure,
    "builds": builds.measure,
}

_SLOW = ("shares", "lengths", "growth", "builds")
"""Left out when quick, unless named."""


def main() -> None:
    given = _arguments()
    if not given.render_only:
        try:
            _measure(given)
        except SetsMissingError as error:
            sys.exit(f"bench: {error}")
    soak = json.loads(_SOAK.read_text(encoding="utf-8")) if _SOAK.is_file() else None
    render(json.loads(given.out.read_text(encoding="utf-8")), given.page, soak)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=("quick", "full"), help="how long everything takes")
    add_places(parser, "load.json")
    parser.add_argument("--only", default="", help=f"parts: {','.join(_PARTS)}")
    parser.add_argument("--starts", type=int, help=f"server starts per ratio; default: {_STARTS}, and 1 when quick")
    parser.add_argument("--pin", action="store_true", help="server on the first core, generators on the others")
    parser.add_argument("--render-only", action="store_true", help="write the page of the results that are there")
    given = parser.parse_args()
    given.full = given.mode == "full"
    given.names = given.only.split(",") if given.only else [n for n in _PARTS if given.full or n not in _SLOW]
    if unknown := sorted(set(given.names) - set(_PARTS)):
        parser.error(f"--only names no part: {', '.join(unknown)}: use {', '.join(_PARTS)}")
    if not flood.available() and not given.render_only:
        sys.exit("bench: h2load is not installed: apt-get install nghttp2-client")
    return given


def _measure(given: argparse.Namespace) -> None:
    """Part by part; the results are written after each, so that little is lost when it is stopped."""
    known = json.loads(given.out.read_text(encoding="utf-8")) if given.only and given.out.is_file() else {}
    found = known.get("parts", {})
    results = {"machine": machine(), "settings": _settings(given), "parts": found}
    commit, starts = commit_of("server", "benchmarks/load"), given.starts or (_STARTS if given.full else 1)
    server_cores, other_cores = _cores(pin=given.pin)
    with pinned(other_cores), generator() as generating:
        bench = Bench(given.sets, given.work, given.encoders, given.full, server_cores, starts, generating)
        for name in given.names:
            started = time.monotonic()
            measured = _PARTS[name](bench)
            seconds = round(time.monotonic() - started, 1)
            found[name] = {"mode": given.mode, "commit": commit, "seconds": seconds, "measured": measured}
            print(f"{name}: {seconds:.0f} s", flush=True)
            _write(given.out, results)


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "pinned": given.pin,
        "server": "default settings, except where a part names its own; the exact cache off but in `hits` and `shares`",
        "generators": "on the same machine",
        "nice": os.nice(0),
    }


def _cores(*, pin: bool) -> tuple[Collection[int] | None, Collection[int] | None]:
    """Of the server and of everything else."""
    cores = sorted(os.sched_getaffinity(0))
    if pin and len(cores) == 1:
        sys.exit("bench: --pin needs two cores")
    return (cores[:1], cores[1:]) if pin else (None, None)


def _write(path: Path, results: dict[str, Any]) -> None:
    parts = {name: results["parts"][name] for name in _PARTS if name in results["parts"]}
    rounded = _rounded(results | {"parts": parts})
    path.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:  # noqa: ANN401
    """Four digits: more would only be noise."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
