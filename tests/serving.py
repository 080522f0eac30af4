"""A real gRPC server in this process, on a free port, with engines of the test's choice."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2_grpc

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.serving import assemble
from fingerpost.engine_ports import Engine
from fingerpost.rpc.server import Server, start
from fingerpost.serve.runtime import Snapshot
from fingerpost.settings import Settings
from fingerpost.types import Activation
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.fakes import LocalRevision, ThreadEngine


class FixedActivations:
    """Pointers that a test put there."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self.snapshots = {snapshot.catalog: snapshot for snapshot in snapshots}
        self.broken: Exception | None = None  # what opening raises

    def catalogs(self) -> list[str]:
        return sorted(self.snapshots)

    def read(self, catalog: str) -> Activation | None:
        return self.snapshots[catalog].activation

    async def open(self, activation: Activation) -> Snapshot:
        if self.broken is not None:
            raise self.broken
        return self.snapshots[activation.catalog]


@dataclass
class Served:
    """A running server and a channel to it."""

    address: str
    channel: grpc.aio.Channel
    stub: Any
    server: Server
    activations: FixedActivations


@asynccontextmanager
async def serving(*snapshots: Snapshot, engine: Engine | None = None, **settings: Any) -> AsyncIterator[Served]:
    threads = max((len(cast(LocalRevision, snapshot.loaded).retriever.embedders) for snapshot in snapshots), default=1)
    usual = {
        "listen": "127.0.0.1:0",
        "embed_threads": threads,
        "drain_wait_ms": 0,
        "reload_poll_ms": 20,
        "admin_listen": "none",
    }
    uncached = {"cache_bytes": 0}  # so that each text is embedded, but where a test is about the cache
    crowded = {"connection_streams": 10_000}  # so that one channel can overload the server
    # So long that a machine which stalls for seconds refuses nothing, but where a test is about that.
    patient = {"default_deadline_ms": 60_000, "queue_standing_ms": 60_000, "queue_burst_ms": 60_000}
    activations = FixedActivations(snapshots)
    with tempfile.TemporaryDirectory(prefix="fingerpost-served-") as folder:
        given = Settings(**{"data": Path(folder), **usual, **uncached, **crowded, **patient, **settings})
        data = DataFolder(given.data, given.store)
        server = assemble(given, data, activations, engine or ThreadEngine(given.embed_threads), activations.open)
        running = await start(server)
        try:
            async with grpc.aio.insecure_channel(running.address) as channel:
                yield Served(running.address, channel, RouterServiceStub(channel), server, activations)
        finally:
            await running.drain(asyncio.Event())


def health_stub(channel: Any) -> Any:
    """The standard health service's stub, whose calls its type stubs do not know."""
    return health_pb2_grpc.HealthStub(channel)


@dataclass(frozen=True)
class Refusal:
    """How a call failed."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict[str, str]
    fields: list[str]
    infos: int
    retry_ms: int | None
    trailing: dict[str, Any]


async def refusal(call: Any) -> Refusal:
    """The status of a call that must fail."""
    try:
        reply = await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    raise AssertionError(f"the call was answered: {reply}")


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """How a call failed, read from its error."""
    trailing = dict(error.trailing_metadata() or ())
    details = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b"")).details
    infos = [error_details_pb2.ErrorInfo.FromString(d.value) for d in details if d.type_url.endswith("ErrorInfo")]
    bad = [error_details_pb2.BadRequest.FromString(d.value) for d in details if d.type_url.endswith("BadRequest")]
    retry = [error_details_pb2.RetryInfo.FromString(d.value) for d in details if d.type_url.endswith("RetryInfo")]
    return Refusal(
        error.code(),
        error.details() or "",
        infos[0].reason if infos else "",
        infos[0].domain if infos else "",
        dict(infos[0].metadata) if infos else {},
        [v.field for request in bad for v in request.field_violations],
        len(infos),
        retry[0].retry_delay.ToMilliseconds() if retry else None,
        trailing,
    )
