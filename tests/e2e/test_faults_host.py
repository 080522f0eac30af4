"""A machine that gives little: no processor time, bounded memory, texts of every length; and a server that idles."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from benchmarks.family import Family
from fingerpost.client import Client, Decision
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.processes import ServerProcess
from tests.watched import METRICS, OWN_CONNECTION, Watched, until

Serve = Callable[..., ServerProcess]

_SECONDS = 30.0

# --- Processor ----------------------------------------------------------------------------------------------------

_HOGS = 6
_CALLERS = 48


def keep_on(pid: int, core: int) -> None:
    """All threads that the process and its children have now may run on that core alone."""
    for process in Family(pid):
        for task in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(task), {core})


@contextmanager
def busy(core: int) -> Iterator[list[int]]:
    """Processes that take what they can get of a core; gives their ids."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(_HOGS)]
    try:
        for hog in hogs:
            os.sched_setaffinity(hog.pid, {core})
        yield [hog.pid for hog in hogs]
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


async def _asked(address: str, seconds: float) -> Counter[str]:
    """Codes of callers who each wait for their answer and ask again at once."""
    ends = time.monotonic() + seconds
    codes: Counter[str] = Counter()

    async def caller(stub: Any, name: int) -> None:
        number = 0
        while time.monotonic() < ends:
            number += 1
            call = stub.Route(pb.RouteRequest(text=f"text {number} of caller {name}"), timeout=_SECONDS)
            codes[(await call.code()).name] += 1

    async with grpc.aio.insecure_channel(address, OWN_CONNECTION) as channel:
        await asyncio.gather(*(caller(RouterServiceStub(channel), name) for name in range(_CALLERS)))
    return codes


def test_starved_of_processor_time(published: Path, serve: Serve) -> None:
    """With a seventh of a core the queue's time decides who is refused; nothing else fails, and it is over at once."""
    settings = {"queue_standing_ms": 50, "queue_burst_ms": 100, "cache_bytes": 0}
    watched = Watched(serve(published, **settings, **METRICS))
    core = max(os.sched_getaffinity(0))
    keep_on(watched.server.process.pid, core)
    with busy(core) as hogs:
        cpu, hogged, began = watched.family.cpu_seconds, _cpu(hogs), time.monotonic()
        codes = asyncio.run(_asked(watched.address, 4))
        seconds = time.monotonic() - began
        used, hogged = watched.family.cpu_seconds - cpu, _cpu(hogs) - hogged
    assert hogged > used  # the server was starved indeed
    assert used < 0.7 * seconds
    assert set(codes) == {"OK", "RESOURCE_EXHAUSTED"}
    refused = watched.metric("fingerpost_refusals_total")
    assert watched.metric("fingerpost_refusals_total", cause="queue") == refused == codes["RESOURCE_EXHAUSTED"]
    until(lambda: watched.left == (0, 0), 30)
    assert not watched.ask("and afterwards").degraded


def _cpu(pids: list[int]) -> float:
    return sum(Family(pid).cpu_seconds for pid in pids)


# --- Memory -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lean(published: Path) -> Iterator[Watched]:
    """A server with a small cache."""
    with ServerProcess(published, cache_bytes=_CACHE_BYTES, queue_burst_ms=60_000, **METRICS) as server:
        yield Watched(server)


_CACHE_BYTES = 60_000


def ask_all(watched: Watched, texts: list[str]) -> None:
    """In batches of 50; each text must be answered."""
    with Client(watched.address, timeout_seconds=60) as client:
        for start in range(0, len(texts), 50):
            answers = client.route_batch(texts[start : start + 50])
            assert all(isinstance(answer, Decision) and not answer.degraded for answer in answers)


def test_the_cache_keeps_to_its_bytes(lean: Watched) -> None:
    """Many times what it holds is asked: it never occupies more than it may, and the process grows no more either."""
    kept: list[float] = []
    ask_all(lean, [f"first {number}" for number in range(100)])
    memory = lean.family.anonymous_bytes
    for turn in range(4):
        ask_all(lean, [f"turn {turn} text {number}" for number in range(100)])
        kept.append(lean.metric("fingerpost_cache_bytes"))
    assert 0 < max(kept) <= _CACHE_BYTES
    assert lean.metric("fingerpost_cache_lookups_total", result="miss") >= 500
    assert lean.metric("fingerpost_cache_entries") < 250  # most of them had to go
    assert lean.family.anonymous_bytes - memory < 15_000_000


def test_texts_of_every_length_leave_no_memory(lean: Watched) -> None:
    """After texts of 1 to 512 tokens in random order the process is at most 1.3 times what it was."""
    chance = random.Random(1)  # noqa: S311
    ask_all(lean, [words(length, 0) for length in (1, 8, 64, 256, 512)])
    before = lean.family.anonymous_bytes
    ask_all(lean, [words(chance.randint(1, 512), number) for number in range(1, 121)])
    assert lean.family.anonymous_bytes <= 1.3 * before


_WORDS = ["does", "my", "loop", "never", "end"]


def words(count: int, number: int) -> str:
    """A text of about so many tokens."""
    return " ".join(["why", str(number), *_WORDS * (count // 5 + 1)][:count])


def test_who_is_not_asked_does_nothing(lean: Watched) -> None:
    """From two seconds after the last call on, the process takes at most 2 % of a core."""
    lean.ask("the last one")
    time.sleep(2)
    before, began = lean.family.cpu_seconds, time.monotonic()
    time.sleep(3)
    assert (lean.family.cpu_seconds - before) / (time.monotonic() - began) <= 0.02
