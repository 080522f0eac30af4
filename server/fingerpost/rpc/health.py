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

    async def update(self, active: Collection[str], known: Collection[str]) -> None:
        """Tell what is active, of the catalogs that have a pointer; a catalog once active stays so until the stop."""
        serving = DEFAULT_CATALOG in active if DEFAULT_CATALOG in known else bool(active)
        await self.servicer.set(LIVE, _SERVING)
        for service in self._services:
            await self.servicer.set(service, _SERVING if serving else _NOT_SERVING)
        for catalog in known:
            await self.servicer.set(catalog_service(catalog), _SERVING if catalog in active else _NOT_SERVING)

    async def stop(self) -> None:
        """NOT_SERVING for good."""
        await self.servicer.enter_graceful_shutdown()

    def end(self) -> None:
        """Let the watches end, which have been told."""
        self.servicer.ended.set()
