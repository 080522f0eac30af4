"""Beside semantic-router on the same utterances and the same weights: one caller, and 32 callers, in the same run."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import grpc

from benchmarks.catalogs import SIZES, existing
from benchmarks.encoder_alone import encoder_alone
from benchmarks.load.bench import Bench
from benchmarks.load.driver import Closed, Target
from benchmarks.load.peer import METHOD, Encoder, Peer, peer
from benchmarks.load.spread import spread
from benchmarks.load.workload import ROUTE, requests, short

_CALLERS = 32
_BLOCK = 20  # texts of one system before the next has its turn: torch's threads spin on after each call
_SETTLE = 3  # calls at the start of a block that are not counted
_DEADLINE_SECONDS = 10.0

Ask = Callable[[Sequence[str]], list[float]]  # seconds of each text


def measure(bench: Bench) -> dict[str, Any]:
    """Medians of one caller and calls a second of 32, per start of all systems, as they are and over ours."""
    utterances = _utterances(bench.sets)
    starts = [_one_start(bench, utterances) for _ in range(bench.starts)]
    one = {name: spread([start["p50_ms"][name] for start in starts]) for name in starts[0]["p50_ms"]}
    many = {name: spread([start["per_s"][name] for start in starts]) for name in starts[0]["per_s"]}
    ours = "fingerpost"
    return {
        "utterances": sum(map(len, utterances.values())),
        "texts": bench.count(20, 200),
        "callers": _CALLERS,
        "encoder_threads": starts[0]["encoder_threads"],
        "p50_ms": one,
        "p50_ratio": {
            name: spread([start["p50_ms"][name] / start["p50_ms"][ours] for start in starts]) for name in one
        },
        "per_s": many,
        "per_s_ratio": {
            name: spread([start["per_s"][ours] / start["per_s"][name] for start in starts]) for name in many
        },
    }


def _utterances(sets: Path) -> dict[str, list[str]]:
    """By route."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in existing(sets, f"clinc150/{SIZES[1_500]}").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["label"]].append(row["text"])
    return dict(found)


def _one_start(bench: Bench, utterances: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    folder, texts = bench.small.encoder, short(bench.sets, bench.count(20, 200))
    with (
        peer(Encoder.TORCH, folder, utterances) as torch,
        peer(Encoder.ONNX, folder, utterances) as onnx,
        encoder_alone(folder) as alone,
        bench.serve(embed_threads=1) as server,
    ):
        torch.wait()
        onnx.wait()
        routed = Target(server.address, ROUTE, requests(texts), deadline_seconds=_DEADLINE_SECONDS)
        systems: dict[str, Ask] = {
            "encoder": lambda some: [alone.seconds(text) for text in some],
            "fingerpost": _over_grpc(server.address, ROUTE, lambda text: requests([text])[0]),
            "torch": torch.seconds,
            "onnx": onnx.seconds,
            "torch_grpc": _over_grpc(torch.address, METHOD, str.encode),
            "onnx_grpc": _over_grpc(onnx.address, METHOD, str.encode),
        }
        return {
            "p50_ms": _in_turns(systems, texts),
            "per_s": {
                "fingerpost": _per_second(bench, routed),
                "torch_grpc": _per_second(bench, _peer_target(torch, texts)),
                "onnx_grpc": _per_second(bench, _peer_target(onnx, texts)),
            },
            "encoder_threads": {"fingerpost": 1, "torch": torch.threads, "onnx": onnx.threads},
        }


def _in_turns(systems: Mapping[str, Ask], texts: Sequence[str]) -> dict[str, float]:
    """Median milliseconds; the systems take turns, a block of texts each."""
    times: dict[str, list[float]] = {name: [] for name in systems}
    for start in range(0, len(texts), _BLOCK):
        block = texts[start : start + _BLOCK]
        for name, ask in systems.items():
            times[name] += ask([*block[:_SETTLE], *block])[_SETTLE:]
    return {name: median(own) * 1e3 for name, own in times.items()}


def _over_grpc(address: str, method: str, encode: Callable[[str], bytes]) -> Ask:
    channel = grpc.insecure_channel(address)
    call: Any = channel.unary_unary(method)

    def ask(texts: Sequence[str]) -> list[float]:
        return [_seconds(call, encode(text)) for text in texts]

    return ask


def _seconds(call: Any, body: bytes) -> float:  # noqa: ANN401
    started = time.perf_counter()
    call(body)
    return time.perf_counter() - started


def _peer_target(other: Peer, texts: Sequence[str]) -> Target:
    bodies = tuple(text.encode() for text in texts)
    return Target(other.address, METHOD, bodies, deadline_seconds=_DEADLINE_SECONDS)


def _per_second(bench: Bench, target: Target) -> float:
    run = bench.generator.run(target, Closed(_CALLERS, bench.seconds(1.5, 8), bench.warmup_seconds))
    return run.goodput_per_s
