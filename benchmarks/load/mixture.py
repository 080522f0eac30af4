"""Mixed traffic: every kind of call that honest and careless clients make, from a process of its own."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import grpc

from benchmarks.load.schedule import Arrivals, due_times
from benchmarks.load.times import Times
from benchmarks.load.workload import ROUTE
from fingerpost.v1 import router_service_pb2 as pb

SERVICE = ROUTE.rpartition("/")[0]

DEADLINE_SECONDS = 2.0
TIMED = ("hit", "miss")
"""Kinds whose times are told: one short text each."""

_LONGEST_WAIT = 0.006  # before a call is cancelled
_CONNECTIONS = 20
_TENANTS = 10
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, and for how long."""

    address: str
    texts: tuple[str, ...]  # short ones, which the cache knows after a while
    prompts: tuple[str, ...]  # of any length
    rate: float
    seconds: float
    tenths: int = 10
    seed: int = 1


@dataclass(slots=True)
class Mixed:
    """What came of it."""

    codes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by kind
    minutes: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds of timed calls
    tenths: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def sent(self) -> int:
        return sum(sum(codes.values()) for codes in self.codes.values())

    def summary(self) -> dict[str, Any]:
        """As plain values, which go through a pipe."""
        return {
            "sent": self.sent,
            "codes": {kind: dict(codes) for kind, codes in sorted(self.codes.items())},
            "minutes": [Times(seconds).summary() for _, seconds in sorted(self.minutes.items())],
            "tenths_p99_ms": [Times(seconds).at(99) for _, seconds in sorted(self.tenths.items())],
        }


def _short(chance: random.Random, text: str) -> pb.RouteRequest:
    return pb.RouteRequest(text=text, tenant=f"tenant-{chance.randrange(_TENANTS)}")


def _hit(chance: random.Random, plan: Plan, number: int) -> tuple[str, Any]:
    return "Route", _short(chance, chance.choice(plan.texts))


def _miss(chance: random.Random, plan: Plan, number: int) -> tuple[str, Any]:
    return "Route", _short(chance, f"{chance.choice(plan.texts)} {plan.seed}{number:07d}")


def _prompt(chance: random.Random, plan: Plan, number: int) -> tuple[str, Any]:
    return "Route", _short(chance, chance.choice(plan.prompts))


def _conversation(chance: random.Random, plan: Plan, number: int) -> tuple[str, Any]:
    turns = [pb.Turn(role=pb.ROLE_USER, text=text) for text in chance.sample(plan.texts, 2)]
    turns.insert(1, pb.Turn(role=pb.ROLE_ASSISTANT, text="Let me see."))
    return "Route", pb.RouteRequest(conversation=pb.Conversation(turns=turns))


def _batch(chance: random.Random, plan: Plan, number: int) -> tuple[str, Any]:
    items = [_miss(chance, plan, number + place)[1] for place in range(_BATCH)]
    return "RouteBatch", pb.RouteBatchRequest(requests=items)


def _explained(chance: random.Random, plan: Plan, number: int) -> tuple[str, Any]:
    return "Explain", pb.ExplainRequest(request=_miss(chance, plan, number)[1])


def _bad(chance: random.Random, plan: Plan, number: int) -> tuple[str, Any]:
    return "Route", chance.choice([pb.RouteRequest(text=" "), pb.RouteRequest(), pb.RouteRequest(text="nul \0")])


KINDS: dict[str, tuple[int, Callable[[random.Random, Plan, int], tuple[str, Any]]]] = {
    "hit": (35, _hit),
    "miss": (35, _miss),
    "prompt": (4, _prompt),
    "conversation": (8, _conversation),
    "batch": (3, _batch),
    "explain": (3, _explained),
    "bad": (5, _bad),
    "cancelled": (7, _miss),
}
"""Weight of each kind, and what makes a call of it: its method and message."""


def serve(pipe: Connection) -> None:
    """Run one plan after the other; each is answered by `Mixed.summary()`."""
    while (plan := pipe.recv()) is not None:
        try:
            pipe.send(asyncio.run(_run(plan)).summary())
        except Exception as error:  # noqa: BLE001  told to who asked
            pipe.send(repr(error))


async def _run(plan: Plan) -> Mixed:
    chance, mixed = random.Random(plan.seed), Mixed()  # noqa: S311
    due = due_times(Arrivals.POISSON, plan.rate, plan.seconds, plan.seed)
    kinds = chance.choices(list(KINDS), [weight for weight, _ in KINDS.values()], k=len(due))
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        channels = [await stack.enter_async_context(channel(plan.address)) for _ in range(_CONNECTIONS)]
        start = time.monotonic()
        for number, (offset, kind) in enumerate(zip(due.tolist(), kinds, strict=True)):
            await asyncio.sleep(max(0.0, start + offset - time.monotonic()))
            method, message = KINDS[kind][1](chance, plan, number)
            wait = chance.random() * _LONGEST_WAIT if kind == "cancelled" else None
            stub: Any = channels[number % _CONNECTIONS].unary_unary(f"{SERVICE}/{method}")
            tasks.create_task(_noted(stub, message, wait, kind, start, offset, plan, mixed))
    return mixed


async def _noted(
    stub: Any,  # noqa: ANN401
    message: Any,  # noqa: ANN401
    wait: float | None,
    kind: str,
    start: float,
    offset: float,
    plan: Plan,
    mixed: Mixed,
) -> None:
    code = await ended(stub, message.SerializeToString(), wait)
    mixed.codes[kind][code] += 1
    if kind in TIMED and code == "OK":
        took = time.monotonic() - start - offset
        mixed.minutes[int(offset // 60)].append(took)
        mixed.tenths[int(plan.tenths * offset / plan.seconds)].append(took)


async def ended(stub: Any, body: bytes, cancel_after: float | None = None) -> str:  # noqa: ANN401
    """Code of a call, which is given up after a while when told so."""
    call = stub(body, timeout=DEADLINE_SECONDS if cancel_after is None else 30.0)
    if cancel_after is not None:
        await asyncio.sleep(cancel_after)
        call.cancel()
    return str((await call.code()).name)


def channel(address: str) -> grpc.aio.Channel:
    """A connection of its own; nothing is retried."""
    return grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)])
