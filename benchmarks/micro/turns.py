"""Two servers that are asked in turns, so that whatever the machine does meets both alike."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks.serving import ServerUnderTest
from fingerpost.client import Client

STARTS = 5
_CALLS, _WARM = 2_000, 200


@contextmanager
def clients_of(one: ServerUnderTest, other: ServerUnderTest, token: str = "") -> Iterator[tuple[Client, Client]]:
    """Of both servers while they run; the second client shows the token."""
    with one, other, Client(one.address) as first, Client(other.address, token=token) as second:
        yield first, second


def in_turns(one: Client, other: Client) -> tuple[float, float]:
    """Medians of a cached call by each, in milliseconds."""
    for client in (one, other):
        for _ in range(_WARM):
            timed_call(client)
    turns = [(timed_call(one), timed_call(other)) for _ in range(_CALLS)]
    return median(first for first, _ in turns), median(second for _, second in turns)


def timed_call(client: Client) -> float:
    """Milliseconds of a cached decision."""
    began = time.perf_counter()
    client.route("why does my loop never end", timeout_seconds=10)
    return (time.perf_counter() - began) * 1000
