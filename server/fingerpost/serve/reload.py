"""Reload: is another revision active now? Polls the activations and swaps what they name, beside the traffic."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from fingerpost.errors import FingerpostError
from fingerpost.ports import PointerReader
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.types import Activation

_log = structlog.get_logger(__name__)

OnChange = Callable[[Sequence[str]], Awaitable[None]]
"""Told the catalogs that have a pointer, after each poll that swapped or refused something."""

_RETRY_REFUSED_AFTER_POLLS = 20


class Reloader:
    """Keeps a runtime at the active revisions. A refused one changes a counter; the last good one stays in force."""

    def __init__(
        self,
        activations: PointerReader,
        open_snapshot: Callable[[Activation], Awaitable[Snapshot]],
        runtime: Runtime,
        on_change: OnChange,
    ) -> None:
        """Wire it up.

        Args:
            activations: The pointers to follow.
            open_snapshot: Reads and checks a revision, beside the traffic.
            runtime: What to keep up to date.
            on_change: Told after each poll that swapped or refused something.
        """
        self._activations = activations
        self._open = open_snapshot
        self._runtime = runtime
        self._on_change = on_change
        self.errors: dict[str, Exception] = {}  # why a catalog's pointer is not followed
        self._refused: dict[str, Activation | None] = {}  # by catalog
        self._wait: dict[str, int] = {}  # polls until the next try of a refused one

    async def run(self, interval_seconds: float) -> None:
        """Poll for ever, through whatever one poll meets."""
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                await self.poll()
            except Exception as error:  # noqa: BLE001  a folder that cannot be listed now may be listed soon
                _log.error("poll_failed", error=type(error).__name__)

    async def poll(self) -> None:
        """Look once and swap what changed."""
        known = await asyncio.to_thread(self._activations.catalogs)
        changed = False
        for catalog in known:
            activation = await self._read(catalog)
            if activation is not None and self._is_due(activation):
                changed = True
                await self._load(activation)
        if changed:
            await self._on_change(known)

    async def _read(self, catalog: str) -> Activation | None:
        try:
            return await asyncio.to_thread(self._activations.read, catalog)
        except (OSError, FingerpostError) as error:
            if self._wait.get(catalog, 0) == 0:
                self._refuse(catalog, None, error)
            else:
                self._wait[catalog] -= 1
            return None

    def _is_due(self, activation: Activation) -> bool:
        current = self._runtime.snapshots.get(activation.catalog)
        if current is not None and current.activation == activation:
            return False
        if self._refused.get(activation.catalog) != activation:
            return True
        self._wait[activation.catalog] -= 1
        return self._wait[activation.catalog] <= 0

    async def _load(self, activation: Activation) -> None:
        try:
            snapshot = await self._open(activation)
        except Exception as error:  # noqa: BLE001  whatever is wrong with a revision, the last good one stays
            self._refuse(activation.catalog, activation, error)
            return
        self._refused.pop(activation.catalog, None)
        self.errors.pop(activation.catalog, None)
        self._runtime.swap(snapshot)
        _log.info(
            "revision_active",
            catalog=activation.catalog,
            revision=activation.revision,
            generation=activation.generation,
            precision=snapshot.precision,
        )

    def _refuse(self, catalog: str, activation: Activation | None, error: Exception) -> None:
        self._refused[catalog] = activation
        self.errors[catalog] = error
        self._wait[catalog] = _RETRY_REFUSED_AFTER_POLLS
        self._runtime.refuse(catalog)
        _log.error(
            "revision_refused",
            catalog=catalog,
            revision=activation.revision if activation else None,
            generation=activation.generation if activation else None,
            reason=str(error.reason) if isinstance(error, FingerpostError) else type(error).__name__,
            error=str(error),
        )
