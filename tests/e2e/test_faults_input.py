"""Input that is too large for comfort: what it costs, and that nothing else ever happens than is documented."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from fingerpost.client import Client, Decision
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.processes import ServerProcess
from tests.watched import METRICS, OWN_CONNECTION, ROUTE, Watched

Serve = Callable[..., ServerProcess]

_KIB = 1024
_ROUNDS = 5

KINDS = {
    "words": "alpha beta {n} gamma ",
    "one word": "x{n}",
    "emoji": "\U0001f600{n}",
    "odd bytes": "\ufffd{n}\u202e ",
}


def text_of(kind: str, size: int, number: int) -> str:
    """About `size` bytes, never the same text twice."""
    piece = KINDS[kind].format(n=number)
    return (piece * (size // len(piece.encode()) + 1)).encode()[:size].decode(errors="ignore")


def told(client: Client, text: str) -> tuple[float, float]:
    """Seconds that the server tells: of the whole decision, and of its embedding and search."""
    decision = client.route(text)
    assert decision.truncated
    return decision.timing.total_us / 1e6, (decision.timing.embed_us + decision.timing.search_us) / 1e6


@pytest.mark.parametrize("kind", KINDS)
def test_a_megabyte_costs_what_eight_kibibytes_cost(starter: ServerProcess, kind: str) -> None:
    """A long text is cut before it is read: 1 MB takes the server about as long as 8 KiB."""
    small: list[tuple[float, float]] = []
    large: list[tuple[float, float]] = []
    with Client(starter.address, timeout_seconds=30) as client:
        for number in range(_ROUNDS):
            small.append(told(client, text_of(kind, 8 * _KIB, number)))
            large.append(told(client, text_of(kind, 1_000_000, number)))
    # The shortest of alternating calls, and room for a busy machine: to tokenise a megabyte takes far longer.
    assert min(work for _, work in large) <= 1.3 * min(work for _, work in small) + 0.1
    assert min(total for total, _ in large) <= 1.3 * min(total for total, _ in small) + 0.1


async def _refused(address: str, body: bytes, calls: int) -> Counter[str]:
    async with grpc.aio.insecure_channel(address, OWN_CONNECTION) as channel:
        method: Any = channel.unary_unary(ROUTE)
        codes = await asyncio.gather(*(method(body, timeout=60).code() for _ in range(calls)))
    return Counter(code.name for code in codes)


@pytest.mark.parametrize(("megabytes", "calls"), [(5, 50), pytest.param(64, 10, marks=pytest.mark.alone)])
def test_oversized_messages_in_parallel(published: Path, serve: Serve, megabytes: int, calls: int) -> None:
    """Each is RESOURCE_EXHAUSTED, the server answers others, and never holds what was sent, not even for a moment."""
    watched = Watched(serve(published, **METRICS))
    body = pb.RouteRequest(text="x" * (megabytes * 1_000_000)).SerializeToString()
    asyncio.run(_refused(watched.address, body, 2))  # buffers that are kept afterwards
    watched.ask("before")
    watched.family.forget_peak()
    before = watched.family.peak_bytes
    assert asyncio.run(_refused(watched.address, body, calls)) == {"RESOURCE_EXHAUSTED": calls}
    assert watched.family.peak_bytes - before < 0.6 * calls * megabytes * 1e6
    assert watched.ask("fix the indentation error in my python script").route == "code"
    assert watched.left == (0, 0)


def test_call_metadata_of_any_size(starter: ServerProcess) -> None:
    """Up to 4 KiB always pass, above 16 KiB never do, in between some; and no other code is ever seen."""
    sizes = (4, 7, 8, 10, 12, 14, 16, 17, 20, 32, 64)
    found = asyncio.run(_codes_with_metadata(starter.address, sizes))
    assert found[4] == {"OK": 20}
    assert all(found[size] == {"RESOURCE_EXHAUSTED": 20} for size in sizes if size >= 16)
    assert set().union(*found.values()) == {"OK", "RESOURCE_EXHAUSTED"}
    with Client(starter.address, timeout_seconds=30) as client:
        assert isinstance(client.route("after"), Decision)


async def _codes_with_metadata(address: str, sizes: Sequence[int]) -> dict[int, Counter[str]]:
    """Codes of 20 calls each; at once, since the library takes its time with such a refusal."""
    name, overhead = "x-large", 32  # what HTTP/2 counts beside name and value
    async with grpc.aio.insecure_channel(address, OWN_CONNECTION) as channel:
        stub: Any = RouterServiceStub(channel)

        def code(size: int) -> Any:
            metadata = ((name, "v" * (size * _KIB - len(name) - overhead)),)
            return stub.Route(pb.RouteRequest(text="hello"), timeout=30, metadata=metadata).code()

        wanted = [size for size in sizes for _ in range(20)]
        codes = await asyncio.gather(*(code(size) for size in wanted))
        return {size: Counter(c.name for c, w in zip(codes, wanted, strict=True) if w == size) for size in sizes}
