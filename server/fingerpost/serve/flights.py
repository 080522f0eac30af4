"""Flights: is this very text being embedded already? Then the second caller waits for the first one's vector."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from fingerpost.serve.cache import Key
from fingerpost.serve.embed import Job
from fingerpost.types import Retrieval


@dataclass(slots=True)
class _Flight:
    job: Job
    waiting: int = 0


class Flights:
    """Jobs under way by key; one is given up when the last caller that waits for it is."""

    def __init__(self) -> None:
        self._flights: dict[Key, _Flight] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._flights

    async def join(self, key: Key, deadline: float, start: Callable[[], Job]) -> Retrieval:
        """Wait for the job of that key, which `start` makes when there is none; raises what either raises."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(start())
            flight.job.future.add_done_callback(lambda _: self._flights.pop(key, None))
        flight.job.put_off(deadline)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.job.future)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.job.future.cancel()  # without effect on one that is done
