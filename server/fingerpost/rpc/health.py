"""Health: the standard service, told by what is active."""

import asyncio
from collections.abc import Collection
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from fingerpost.serve.runtime import DEFAULT_CATALOG

LIVE = "live"
"""A health service that serves whenever the event loop answers: for whoever restarts a server that hangs."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def catalog_service(catalog: str) -> str:
    """Name of a catalog as a health service."""
    return f"catalog:{catalog}"


class _Servicer(aio.HealthServicer):
    """The standard one, whose watches can be ended: each would hold up a stop for as long as calls have grace."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: ANN401, N802
        watching = asyncio.ensure_future(super().Watch(request, context))
        ended = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait({watching, ended}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching
        finally:
            watching.cancel()
            ended.cancel()


class Health:
    """Overall and by service: SERVING when `default`, or without one any catalog, has an active revision."""

    def __init__(self, services: Collection[str]) -> None:
        self.servicer = _Servicer()
        self._services = ("", *services)
        self._active: Collection[str] = ()
        self._known: Collection[str] = ()
        self._held_back = False

    async def update(self, active: Collection[str], known: Collection[str]) -> None:
        """Tell what is active, of the catalogs that have a pointer; a catalog once active stays so until the stop."""
        self._active, self._known = tuple(active), tuple(known)
        await self._tell()

    async def hold_back(self, held_back: bool) -> None:
        """Say NOT_SERVING although revisions are active, or no longer: what is active may be too old."""
        if held_back != self._held_back:
            self._held_back = held_back
            await self._tell()

    async def _tell(self) -> None:
        """What is set is read just before: two tasks may tell at once, and the later state must win."""
        await self.servicer.set(LIVE, _SERVING)
        for service in self._services:
            await self.servicer.set(service, self._status(self._serving))
        for catalog in self._known:
            await self.servicer.set(catalog_service(catalog), self._status(catalog in self._active))

    @property
    def _serving(self) -> bool:
        return DEFAULT_CATALOG in self._active if DEFAULT_CATALOG in self._known else bool(self._active)

    def _status(self, active: bool) -> Any:  # noqa: ANN401  the library's enum is no type
        return _SERVING if active and not self._held_back else _NOT_SERVING

    async def stop(self) -> None:
        """NOT_SERVING for good."""
        await self.servicer.enter_graceful_shutdown()

    def end(self) -> None:
        """Let the watches end, which have been told."""
        self.servicer.ended.set()
