"""What is asked: texts, the share of them that the cache knows, and the requests as bytes."""

import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.catalogs import queries, texts_of
from fingerpost.v1.router_service_pb2 import DESCRIPTOR, RouteRequest

ROUTE = f"/{DESCRIPTOR.services_by_name['RouterService'].full_name}/Route"
HEALTH = "/grpc.health.v1.Health/Check"
EMPTY = b""
"""The request of an empty call: the whole server's health."""

PROMPTS = "prompts/prompts.jsonl.gz"

_TENANTS = 10
_LONG_SHARE = 0.01
_LONG_BYTES = 8_192


def short(sets: Path, count: int = 500) -> list[str]:
    """Short queries, the standard workload."""
    return queries(sets, count)


def prompts(sets: Path, seed: int = 1) -> list[str]:
    """Requests to models as people write them, shuffled; one in a hundred is 8 KiB, past the encoder's window."""
    texts = texts_of(sets, PROMPTS)
    chance = random.Random(seed)  # noqa: S311  a fixed order
    chance.shuffle(texts)
    every = " ".join(texts)
    long = round(len(texts) * _LONG_SHARE)
    for place in chance.sample(range(len(texts)), long):
        start = chance.randrange(len(every) - _LONG_BYTES)
        texts[place] = every[start : start + _LONG_BYTES]
    return texts


def mixed(known: Sequence[str], hit_share: float, count: int, seed: int = 1) -> list[str]:
    """`count` texts of which about `hit_share` are known; each other one is a known one with a number of its own."""
    chance = random.Random(seed)  # noqa: S311
    return [
        text if chance.random() < hit_share else f"{text} {seed}{number:07d}"
        for number, text in enumerate(chance.choices(known, k=count))
    ]


def requests(texts: Sequence[str], *, tenants: int = 0, seed: int = 1) -> tuple[bytes, ...]:
    """Route requests as bytes; with tenants, Zipf's law says whose each is."""
    if not tenants:
        return tuple(RouteRequest(text=text).SerializeToString() for text in texts)
    weights = [1 / rank for rank in range(1, tenants + 1)]
    owners = random.Random(seed).choices(range(tenants), weights, k=len(texts))  # noqa: S311
    return tuple(
        RouteRequest(text=text, tenant=f"tenant-{owner}").SerializeToString()
        for text, owner in zip(texts, owners, strict=True)
    )


def shared(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Requests of ten tenants."""
    return requests(texts, tenants=_TENANTS)
