"""The server's life: bind, load, serve, drain, stop."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from fingerpost.engine_ports import Engine
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.guard.admission import Admission
from fingerpost.rpc.admin import AddService, Admin
from fingerpost.rpc.authentication import Gate
from fingerpost.rpc.connections import connection_options
from fingerpost.rpc.health import Health
from fingerpost.rpc.interceptors import Boundary
from fingerpost.rpc.listening import bind
from fingerpost.rpc.services import RouterService
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.follow import Follower
from fingerpost.serve.reload import OnChange, Reloader
from fingerpost.serve.runtime import Runtime
from fingerpost.settings import Settings
from fingerpost.telemetry.watch import Watch
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import add_RouterServiceServicer_to_server

_log = structlog.get_logger(__name__)

ROUTER_SERVICE = pb.DESCRIPTOR.services_by_name["RouterService"].full_name

METADATA_SOFT_BYTES = 8_192  # above it gRPC refuses calls at random, more likely the larger
METADATA_HARD_BYTES = 16_384

_FIRST_LOOK_SECONDS = 2.0
_FIRST_FETCH_SECONDS = 10.0
_AGE_CHECK_SECONDS = 0.5


@dataclass(slots=True)
class Server:
    """A server that is built but not started."""

    settings: Settings
    runtime: Runtime
    engine: Engine
    queue: EmbedQueue
    admission: Admission
    health: Health
    service: RouterService
    make_reloader: Callable[[OnChange], Reloader]
    watch: Watch
    gate: Gate | None = None  # None: whoever reaches the listener may call
    admin: Admin | None = None
    follower: Follower | None = None  # of a ledger that other machines write too
    services: Sequence[AddService] = ()  # beside the router's, on the public listener
    beside: "Beside | None" = None


class Beside(Protocol):
    """What a server does beside answering."""

    @property
    def background(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """Each runs as long as the server, or until it is done."""

    def start(self) -> None:
        """On the event loop, before the first call is answered."""

    async def close(self) -> None:
        """When nothing of the background runs any more."""


async def run(server: Server, on_ready: Callable[[str], None]) -> bool:
    """Serve until SIGTERM or SIGINT, drain, stop; a second signal ends the calls in flight.

    Args:
        server: What to run.
        on_ready: Told the address once calls are answered.

    Returns:
        True when every call in flight could finish.

    Raises:
        FailedPrecondition: ADDRESS_UNAVAILABLE.
    """
    stop, force = asyncio.Event(), asyncio.Event()
    _listen_to_signals(stop, force)
    running = await start(server)
    gc.freeze()  # what stays is not looked through again each time that garbage is collected: calls would wait for it
    on_ready(running.address)
    await stop.wait()
    await running.drain(force)
    return not force.is_set()


async def start(server: Server) -> "Running":
    """Bind, load what is active, then answer; what cannot be loaded yet is looked for while serving.

    Raises:
        FailedPrecondition: ADDRESS_UNAVAILABLE; or AUTHENTICATION_REQUIRED, a catalog asks for approvals.
        InvalidRequest: see `rpc.tls.certificates_of`.
    """
    grpc_server, address = _bound(server)
    server.watch.start()

    async def on_change(known: Sequence[str]) -> None:
        await server.health.update(server.runtime.snapshots.keys(), known)

    reloader = server.make_reloader(on_change)
    await server.health.update((), ())
    await asyncio.gather(server.engine.start(), _first_look(server))
    first = asyncio.create_task(reloader.poll())
    # A shared place that does not answer must not keep what is here from being served.
    await asyncio.wait({first}, timeout=_FIRST_FETCH_SECONDS if server.settings.shared else None)
    if server.beside is not None:
        server.beside.start()
    try:
        if first.done():
            await first
            _check_approvals(reloader)
        await grpc_server.start()
        if server.admin is not None:
            await server.admin.start(server.health)
    except FailedPrecondition:
        await server.engine.close()
        raise
    tasks = [first, asyncio.create_task(_reload(first, reloader, server.settings.reload_poll_ms / 1000))]
    if server.follower is not None:
        tasks += [asyncio.create_task(server.follower.run()), asyncio.create_task(_watch_age(server, server.follower))]
    if server.beside is not None:
        tasks += [asyncio.create_task(_logged(run)) for run in server.beside.background]
    _log.info("serving", address=address, catalogs=sorted(server.runtime.snapshots))
    return Running(server, grpc_server, address, tasks)


async def _logged(run: Callable[[], Awaitable[None]]) -> None:
    """Nothing of the background may end without a word."""
    try:
        await run()
    except Exception as error:
        _log.exception("background_ended", error=type(error).__name__)
        raise


async def _first_look(server: Server) -> None:
    if server.follower is not None:
        await server.follower.start(_FIRST_LOOK_SECONDS)
        await server.health.hold_back(server.follower.holds_back)


async def _reload(first: "asyncio.Task[None]", reloader: Reloader, interval_seconds: float) -> None:
    await asyncio.wait({first})
    await reloader.run(interval_seconds)


async def _watch_age(server: Server, follower: Follower) -> None:
    """For ever: health follows how old the last look at the ledger is."""
    while True:
        await asyncio.sleep(_AGE_CHECK_SECONDS)
        await server.health.hold_back(follower.holds_back)


@dataclass(slots=True)
class Running:
    """A server that answers."""

    server: Server
    grpc_server: grpc.aio.Server
    address: str
    tasks: "Sequence[asyncio.Task[None]]"  # that go on until the stop

    async def drain(self, force: asyncio.Event) -> None:
        """NOT_SERVING, a wait for balancers, then grace for the calls in flight; `force` cuts both short."""
        settings = self.server.settings
        _log.info("draining")
        await self.server.health.stop()
        forced = asyncio.create_task(force.wait())
        await asyncio.wait({forced}, timeout=settings.drain_wait_ms / 1000)
        self.server.health.end()
        grace = 0.0 if force.is_set() else settings.drain_grace_ms / 1000
        stopping = asyncio.create_task(self.grpc_server.stop(grace))
        await asyncio.wait({forced, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            await self.grpc_server.stop(0)
        await stopping
        if self.server.admin is not None:
            await self.server.admin.stop(0 if force.is_set() else grace)
        forced.cancel()
        for task in self.tasks:
            task.cancel()
        if self.server.follower is not None:
            self.server.follower.close()
        self.server.service.close()
        self.server.queue.close()
        if self.server.beside is not None:
            await asyncio.gather(*self.tasks, return_exceptions=True)
            await self.server.beside.close()
        await self.server.engine.close()
        await self.server.watch.close()
        _log.info("stopped", forced=force.is_set())


def _bound(server: Server) -> tuple[grpc.aio.Server, str]:
    settings = server.settings
    grpc_server = grpc.aio.server(
        interceptors=[Boundary(settings.default_deadline_ms, server.watch.observers, server.gate)],
        options=[
            ("grpc.so_reuseport", 0),  # port sharing would hide that the port is taken
            ("grpc.max_receive_message_length", settings.message_bytes),
            ("grpc.max_metadata_size", METADATA_SOFT_BYTES),
            ("grpc.absolute_max_metadata_size", METADATA_HARD_BYTES),
            *connection_options(settings),
        ],
        maximum_concurrent_rpcs=2 * settings.in_flight_calls,  # the second line behind our own admission
    )
    add_RouterServiceServicer_to_server(server.service, grpc_server)
    health_pb2_grpc.add_HealthServicer_to_server(server.health.servicer, grpc_server)
    health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    names = [ROUTER_SERVICE, *(add(grpc_server) for add in server.services)]
    reflection.enable_server_reflection((*names, health_name, reflection.SERVICE_NAME), grpc_server)
    return grpc_server, bind(grpc_server, settings.listen, settings)


def _check_approvals(reloader: Reloader) -> None:
    """Refuse to start where approvals would mean nothing; while serving, such a revision is refused alone.

    Raises:
        FailedPrecondition: AUTHENTICATION_REQUIRED.
    """
    for error in reloader.errors.values():
        if isinstance(error, FailedPrecondition) and error.reason == ErrorReason.AUTHENTICATION_REQUIRED:
            raise error


def _listen_to_signals(stop: asyncio.Event, force: asyncio.Event) -> None:
    def on_signal() -> None:
        (force if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
