"""Shadow: what another revision would have decided, counted beside what was served. Never on a request's way."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from fingerpost.errors import FingerpostError
from fingerpost.types import Decision, ShadowState

_log = structlog.get_logger(__name__)

_AT_A_TIME = 4


class ShadowTally:
    """How often a shadow decided as what was served, and otherwise."""

    def __init__(self) -> None:
        """Nothing decided yet."""
        self.decisions = 0
        self.dropped = 0
        self.other_route = 0
        self.other_model = 0
        self.other_outcome = 0
        self.cost_difference_usd_micros = 0

    def compare(self, served: Decision, shadow: Decision) -> None:
        """Count a decision of the shadow."""
        self.decisions += 1
        self.other_route += shadow.route != served.route
        self.other_model += shadow.route == served.route and shadow.model != served.model
        self.other_outcome += shadow.outcome is not served.outcome
        if shadow.expected_usd_micros is not None and served.expected_usd_micros is not None:
            self.cost_difference_usd_micros += shadow.expected_usd_micros - served.expected_usd_micros

    def state(self, error: str) -> ShadowState:
        """As people see it; `error` says why it does not run."""
        return ShadowState(
            self.decisions,
            self.dropped,
            self.other_route,
            self.other_model,
            self.other_outcome,
            self.cost_difference_usd_micros,
            error,
        )


class Shadows:
    """Runs shadows a few at a time, and only while no request waits for an embedding thread."""

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        """Nothing runs; `is_busy` tells whether requests wait."""
        self._is_busy = is_busy
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, served: Decision, tally: ShadowTally, decide: Callable[[], Awaitable[Decision]]) -> None:
        """Let a shadow decide too, unless there is no time for it."""
        if len(self._tasks) >= _AT_A_TIME or self._is_busy():
            tally.dropped += 1
            return
        task = asyncio.create_task(self._run(served, tally, decide))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Let none go on."""
        for task in self._tasks:
            task.cancel()

    async def _run(self, served: Decision, tally: ShadowTally, decide: Callable[[], Awaitable[Decision]]) -> None:
        try:
            tally.compare(served, await decide())
        except FingerpostError as error:
            tally.dropped += 1
            _log.info("shadow_dropped", reason=str(error.reason))
        except Exception as error:  # noqa: BLE001  a fault of what never serves
            tally.dropped += 1
            _log.exception("shadow_failed", error=type(error).__name__)
