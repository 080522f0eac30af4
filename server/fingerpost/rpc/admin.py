"""Admin: a listener of its own for what changes things; no token reaches its methods by the way of requests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from fingerpost.errors import FailedPrecondition
from fingerpost.rpc.authentication import Gate
from fingerpost.rpc.call import Observer
from fingerpost.rpc.connections import connection_options
from fingerpost.rpc.health import Health
from fingerpost.rpc.interceptors import Boundary
from fingerpost.rpc.listening import bind
from fingerpost.rpc.local_door import LocalDoor
from fingerpost.settings import Settings

_log = structlog.get_logger(__name__)

_CALLS = 64  # at a time

AddService = Callable[[grpc.aio.Server], str]
"""Adds a service to a server, and tells its full name."""


@dataclass(slots=True)
class Admin:
    """The listener of those who look after a server: a local door, or an address."""

    settings: Settings
    gate: Gate
    door: LocalDoor | None  # None: an address
    services: Sequence[AddService]
    observers: Sequence[Observer] = ()
    server: grpc.aio.Server | None = None
    address: str = ""  # where it listens; empty: nowhere

    async def start(self, health: Health) -> None:
        """Listen; a door that nobody asked for is left closed where it cannot be opened.

        Raises:
            FailedPrecondition: ADDRESS_UNAVAILABLE.
            InvalidRequest: see `rpc.tls.certificates_of`.
        """
        try:
            if self.door is not None:
                self.door.check()
            server = self._built(health)
            if self.door is None:
                self.address = bind(server, self.settings.admin_listen, self.settings)
            else:
                server.add_insecure_port(self.door.inner)
                await self.door.open()
                self.address = f"unix:{self.door.path}"
        except FailedPrecondition as error:
            if self.settings.admin_listen:
                raise
            _log.warning("no_admin_listener", why=error.message)
            return
        await server.start()
        self.server = server
        _log.info("admin_listens", address=self.address)

    async def stop(self, grace_seconds: float) -> None:
        """Let nobody in any more, and give the calls in flight their time."""
        if self.server is not None:
            await self.server.stop(grace_seconds)
        if self.door is not None:
            await self.door.close()

    def _built(self, health: Health) -> grpc.aio.Server:
        server = grpc.aio.server(
            interceptors=[Boundary(self.settings.default_deadline_ms, self.observers, self.gate)],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", self.settings.message_bytes),
                *connection_options(self.settings),
            ],
            maximum_concurrent_rpcs=_CALLS,
        )
        names = [add(server) for add in self.services]
        health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection((*names, health_name, reflection.SERVICE_NAME), server)
        return server


def door_of(settings: Settings) -> LocalDoor | None:
    """The door that the settings ask for; None where they name an address."""
    listen = settings.admin_listen
    if listen and not listen.startswith("unix:"):
        return None
    path = Path(listen.removeprefix("unix:")) if listen else settings.data / "admin.sock"
    return LocalDoor(path, for_all=bool(settings.access))
