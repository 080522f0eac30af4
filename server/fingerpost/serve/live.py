"""Live: what guards know just now, told to other threads than the event loop's, which alone may look at them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from fingerpost.serve.guards import Guards
from fingerpost.serve.runtime import Runtime
from fingerpost.types import BreakerState, ExperimentState

_T = TypeVar("_T")

_SECONDS = 5.0


class Live:
    """Of a server that runs; blocks, and may be called from any thread but the loop's."""

    def __init__(self, runtime: Runtime, guards: Guards) -> None:
        """Nothing is told before `start`."""
        self._runtime = runtime
        self._guards = guards
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """On the event loop."""
        self._loop = asyncio.get_running_loop()

    def breakers(self, catalog: str) -> Sequence[BreakerState]:
        """Of each model of the catalog, by name.

        Raises:
            NotFound, FailedPrecondition: it is not served.
        """
        return self._asked(lambda: self._guards.of(self._runtime.get(catalog)).breakers.states(self._guards.now()))

    def experiments(self, catalog: str) -> Sequence[ExperimentState]:
        """Of the catalog, by name; raises likewise."""

        def look() -> Sequence[ExperimentState]:
            snapshot = self._runtime.get(catalog)
            return self._guards.of(snapshot).lab.states(snapshot)

        return self._asked(look)

    def _asked(self, look: Callable[[], _T]) -> _T:
        async def asked() -> _T:
            return look()

        if self._loop is None:
            raise RuntimeError("nothing is told before the server has started")
        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(_SECONDS)
