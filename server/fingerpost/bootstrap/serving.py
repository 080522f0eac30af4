"""Serving: the parts of a server, wired; the encoder and the index are in its engine, a process of its own."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fingerpost.backends.engine.process import EngineProcess
from fingerpost.backends.file_store import FileActivationStore, FileRevisionStore
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.guarding import guarded
from fingerpost.guard.admission import Admission
from fingerpost.ports import Engine, PointerReader
from fingerpost.rpc.health import Health
from fingerpost.rpc.server import ROUTER_SERVICE, Server
from fingerpost.rpc.services import RouterService
from fingerpost.serve.cache import ResultCache
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.pipeline import Pipeline
from fingerpost.serve.reload import OnChange, Reloader
from fingerpost.serve.revision_format import decode
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.settings import Settings
from fingerpost.telemetry.state import read_state
from fingerpost.telemetry.watch import Watch
from fingerpost.types import Activation, Revision

OpenSnapshot = Callable[[Activation], Awaitable[Snapshot]]


def build_server(settings: Settings) -> Server:
    """Everything that serves, not yet started; nothing is read from the data folder until it is."""
    data = DataFolder(settings.data)
    own = [sys.executable, "-m", "fingerpost.bootstrap.engine", str(settings.data), settings.log_format]
    engine = EngineProcess(settings.embed_threads, lambda passed: [*own, *map(str, passed)])
    return assemble(settings, FileActivationStore(data.catalogs), engine, SnapshotOpener(data, engine).open)


def assemble(settings: Settings, activations: PointerReader, engine: Engine, open_snapshot: OpenSnapshot) -> Server:
    """Wire the parts of a server, whatever it embeds with."""
    cache = ResultCache(settings.cache_bytes, settings.cache_ttl_s, time.monotonic)
    runtime = Runtime(cache.activate)
    queue = EmbedQueue(engine.lanes, settings.queue_standing_ms / 1000, settings.queue_burst_ms / 1000)
    admission = Admission(settings.in_flight_calls)
    service = RouterService(Pipeline(runtime, queue, cache), runtime, admission, settings)
    watch = Watch(settings, lambda: read_state(runtime, engine, queue, cache, admission), lambda: engine.pid)

    gate, admin = guarded(settings, (), lambda method, cause, principal: watch.metrics.refused(cause))

    def make_reloader(on_change: OnChange) -> Reloader:
        return Reloader(activations, open_snapshot, runtime, on_change)

    health = Health((ROUTER_SERVICE,))
    return Server(settings, runtime, engine, queue, admission, health, service, make_reloader, watch, gate, admin)


@dataclass(frozen=True, slots=True)
class SnapshotOpener:
    """Opens revisions of a data folder: what decides here, and what embeds and searches in the engine."""

    data: DataFolder
    engine: Engine

    async def open(self, activation: Activation) -> Snapshot:
        """Read and verify a revision on both sides.

        Raises:
            NotFound, DataLoss, FailedPrecondition: it cannot be served.
        """
        loaded, revision = await asyncio.gather(
            self.engine.load(activation.revision), asyncio.to_thread(self._read, activation.revision)
        )
        return Snapshot(activation, loaded, revision.exemplars, revision.decider, time.time())

    def _read(self, digest: str) -> Revision:
        return decode(digest, FileRevisionStore(self.data.revisions).read(digest))
