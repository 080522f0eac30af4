"""The driver: sends calls from a process of its own, when they are due or as fast as callers get answers.

Open loop: each call is sent when it is due, whether or not earlier ones were answered, and its latency counts from
then, so that a server that stalls cannot slow down the clock that it is measured by. Closed loop: each caller waits for
its answer before it asks again, and when refused for as long as it is told; that finds the ceiling and hides stalls.
"""

import asyncio
import gc
import itertools
import selectors
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

import grpc

from benchmarks.child import child
from benchmarks.load.schedule import Arrivals, due_times
from benchmarks.load.times import Times

LAG_LIMIT_MS = 5.0
"""A run whose 99th percentile of (sent - due) is longer says more of the generator than of the server: it is void."""

_PUSHBACK = "grpc-retry-pushback-ms"


@dataclass(frozen=True, slots=True)
class Target:
    """What is called."""

    address: str
    method: str  # as on the wire: /package.Service/Method
    bodies: tuple[bytes, ...]  # serialised requests, sent in turn
    connections: int = 50
    deadline_seconds: float = 2.0
    connect_seconds: float = 30.0
    service_config: str = ""  # JSON; empty: none, so nothing is retried


@dataclass(frozen=True, slots=True)
class Open:
    """An open loop. Calls of the first `warmup_seconds` are sent and not counted."""

    rate: float  # calls a second
    seconds: float
    warmup_seconds: float = 1.0
    arrivals: Arrivals = Arrivals.POISSON
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed loop of that many callers."""

    callers: int
    seconds: float
    warmup_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Burst:
    """So many calls at once, as fast as they can be sent."""

    calls: int


Load = Open | Closed | Burst


@dataclass(slots=True)
class Run:
    """What came of a load."""

    offered_per_s: float | None  # None: as many as were answered
    seconds: float
    deadline_seconds: float
    codes: dict[str, Times]  # by gRPC code; latency from when each call was due
    in_time: int  # OK within the deadline, counted from when they were due
    lag: Times | None  # sent - due; None in a closed loop
    pushback: int  # refusals that name a time to retry after
    windows: list[dict[str, Times]] = field(default_factory=list)  # codes of each second, by when calls were due

    @property
    def sent(self) -> int:
        return sum(map(len, self.codes.values()))

    @property
    def ok(self) -> Times:
        return self.codes.get("OK", Times())

    @property
    def refused(self) -> Times:
        return self.codes.get("RESOURCE_EXHAUSTED", Times())

    @property
    def void(self) -> bool:
        """Whether the generator itself was too late for its numbers to count."""
        lag = self.lag.at(99) if self.lag else None
        return lag is not None and lag > LAG_LIMIT_MS

    @property
    def goodput_per_s(self) -> float:
        return self.in_time / self.seconds

    @property
    def ok_share(self) -> float:
        return len(self.ok) / self.sent if self.sent else 0.0

    def summary(self) -> dict[str, Any]:
        """What the results keep of it."""
        return {
            "offered_per_s": self.offered_per_s,
            "sent": self.sent,
            "achieved_per_s": self.sent / self.seconds,
            "goodput_per_s": self.goodput_per_s,
            "ok_share": self.ok_share,
            "seconds": self.seconds,
            "deadline_ms": self.deadline_seconds * 1e3,
            "codes": {code: times.summary() for code, times in sorted(self.codes.items())},
            "refusals_with_pushback": self.pushback,
            "generator_lag": self.lag.summary() if self.lag else None,
            "void": self.void,
        }


class Generator:
    """A process that runs one load after the other."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def run(self, target: Target, load: Load) -> Run:
        """Wait for the whole load; blocks."""
        self._pipe.send((target, load))
        answer = self._pipe.recv()
        if isinstance(answer, str):
            raise RuntimeError(f"the generator failed: {answer}")
        run: Run = answer
        return run

    def run_valid(self, target: Target, load: Open, attempts: int = 2) -> Run:
        """As `run`, and again with other times as long as the run is void; the last one counts."""
        for attempt in range(attempts):
            run = self.run(target, replace(load, seed=load.seed + 1000 * attempt))
            if not run.void:
                break
        return run


@contextmanager
def generator() -> Iterator[Generator]:
    """Start the process; it ends with the context. It inherits the cores that this process may run on now."""
    with child(_serve) as pipe:
        yield Generator(pipe)


def _serve(pipe: Connection) -> None:
    # A wait of epoll is rounded up to whole milliseconds; select waits to the microsecond.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        while (job := pipe.recv()) is not None:
            gc.collect()
            gc.disable()  # a collection would make the generator late
            try:
                pipe.send(runner.run(_run(*job)))
            except Exception as error:  # noqa: BLE001  told to who asked
                pipe.send(repr(error))
            gc.enable()


async def _run(target: Target, load: Load) -> Run:
    async with _calls(target) as call:
        if isinstance(load, Open):
            return await _open(target, load, call)
        if isinstance(load, Burst):
            return await _burst(target, load, call)
        return await _closed(target, load, call)


# --- Loops --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Record:
    """What is noted of a call; histograms are made after the last, so that noting costs the generator little."""

    due: float  # seconds since the load began; negative in the warm-up
    code: grpc.StatusCode
    seconds: float
    pushback_ms: int | None = None  # of a refusal that names a time to retry after


_Call = Callable[[float], Any]  # given the loop's time at which the call was due; a coroutine of its record


async def _open(target: Target, load: Open, call: _Call) -> Run:
    loop = asyncio.get_running_loop()
    due = due_times(load.arrivals, load.rate, load.warmup_seconds + load.seconds, load.seed)
    start = loop.time() + 0.05
    lags: list[float] = []
    tasks = []
    for offset in due.tolist():
        await asyncio.sleep(max(0.0, start + offset - loop.time()))
        if offset >= load.warmup_seconds:
            lags.append(loop.time() - start - offset)
        tasks.append(loop.create_task(call(start + offset)))
    records = [await task for task in tasks]
    for record in records:
        record.due -= start + load.warmup_seconds
    run = _summed([record for record in records if record.due >= 0], target, load.seconds)
    run.offered_per_s, run.lag = load.rate, Times(lags)
    return run


async def _burst(target: Target, load: Burst, call: _Call) -> Run:
    loop = asyncio.get_running_loop()
    start = loop.time()
    records = await asyncio.gather(*(_from_now(call) for _ in range(load.calls)))
    for record in records:
        record.due -= start
    return _summed(records, target, loop.time() - start)


async def _from_now(call: _Call) -> _Record:
    record: _Record = await call(asyncio.get_running_loop().time())
    return record


async def _closed(target: Target, load: Closed, call: _Call) -> Run:
    loop = asyncio.get_running_loop()
    start = loop.time() + load.warmup_seconds
    records: list[_Record] = []

    async def caller() -> None:
        while (now := loop.time()) < start + load.seconds:
            record = await call(now)
            record.due -= start
            if record.due >= 0:
                records.append(record)
            if record.pushback_ms is not None:
                await asyncio.sleep(record.pushback_ms / 1e3)

    await asyncio.gather(*(caller() for _ in range(load.callers)))
    return _summed(records, target, load.seconds)


def _summed(records: Sequence[_Record], target: Target, seconds: float) -> Run:
    by_code: dict[str, list[float]] = defaultdict(list)
    windows: list[dict[str, list[float]]] = [defaultdict(list) for _ in range(int(seconds) + 1)]
    in_time = 0
    for record in records:
        by_code[record.code.name].append(record.seconds)
        windows[min(int(record.due), len(windows) - 1)][record.code.name].append(record.seconds)
        in_time += record.code is grpc.StatusCode.OK and record.seconds <= target.deadline_seconds
    return Run(
        offered_per_s=None,
        seconds=seconds,
        deadline_seconds=target.deadline_seconds,
        codes={code: Times(times) for code, times in by_code.items()},
        in_time=in_time,
        lag=None,
        pushback=sum(record.pushback_ms is not None for record in records),
        windows=[{code: Times(times) for code, times in window.items()} for window in windows],
    )


# --- Calls --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _calls(target: Target) -> AsyncIterator[_Call]:
    """Connections that are up, and a function that sends the next body over the next of them."""
    loop = asyncio.get_running_loop()
    channels = [grpc.aio.insecure_channel(target.address, _options(target)) for _ in range(target.connections)]
    await asyncio.gather(*(asyncio.wait_for(channel.channel_ready(), target.connect_seconds) for channel in channels))
    methods: Iterator[Any] = itertools.cycle([channel.unary_unary(target.method) for channel in channels])
    bodies = itertools.cycle(target.bodies)

    async def send(due: float) -> _Record:
        call: Any = next(methods)(next(bodies), timeout=target.deadline_seconds)
        code = await call.code()
        record = _Record(due, code, loop.time() - due)
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            told = dict(await call.trailing_metadata()).get(_PUSHBACK)
            record.pushback_ms = None if told is None else int(told)
        return record

    try:
        yield send
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


def _options(target: Target) -> list[tuple[str, Any]]:
    config = [("grpc.service_config", target.service_config)] if target.service_config else []
    return [
        ("grpc.use_local_subchannel_pool", 1),  # else all channels of a process share one connection
        ("grpc.enable_retries", int(bool(target.service_config))),
        *config,
    ]
