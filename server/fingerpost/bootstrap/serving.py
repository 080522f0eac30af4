"""Serving: the parts of a server, wired; the encoder and the index are in its engine, a process of its own."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import structlog

from fingerpost.backends.engine.process import EngineProcess
from fingerpost.backends.file_store import FileActivationStore, FileRevisionStore
from fingerpost.bootstrap.accounting import accounting_of
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.guarding import guarded
from fingerpost.bootstrap.planning import plan_of
from fingerpost.bootstrap.sharing import Sharing
from fingerpost.control_ports import ControlDesk
from fingerpost.engine_ports import Engine
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition, FingerpostError, NotFound
from fingerpost.guard.admission import Admission
from fingerpost.ports import CatalogDesk, PointerReader
from fingerpost.rpc.health import Health
from fingerpost.rpc.outcome_service import OUTCOME_SERVICE, OutcomeService
from fingerpost.rpc.server import ROUTER_SERVICE, Server
from fingerpost.rpc.services import RouterService
from fingerpost.serve.aside import Aside
from fingerpost.serve.cache import ResultCache
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.follow import Follower, Patience
from fingerpost.serve.lab import revisions_of
from fingerpost.serve.live import Live
from fingerpost.serve.pipeline import Pipeline
from fingerpost.serve.plan import Plan
from fingerpost.serve.reload import OnChange, Reloader
from fingerpost.serve.revision_format import decode
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.settings import Settings
from fingerpost.telemetry.state import read_state
from fingerpost.telemetry.watch import Watch
from fingerpost.types import Activation, Revision

_log = structlog.get_logger(__name__)

OpenSnapshot = Callable[[Activation], Awaitable[Snapshot]]


def build_server(settings: Settings) -> Server:
    """Everything that serves, not yet started; nothing is read from the data folder until it is."""
    data = DataFolder(settings.data, settings.store, settings.shared)
    own = [sys.executable, "-m", "fingerpost.bootstrap.engine", str(settings.data), settings.log_format]
    engine = EngineProcess(settings.embed_threads, lambda passed: [*own, *map(str, passed)])
    carried: Counter[tuple[str, str]] = Counter()
    opener = SnapshotOpener(data, engine, bool(settings.access), Sharing(data, carried) if data.shared else None)
    follower = _follower(settings, data) if data.store else None
    return assemble(settings, data, FileActivationStore(data.catalogs), engine, opener.open, follower, carried)


def _follower(settings: Settings, data: DataFolder) -> Follower:
    from fingerpost.bootstrap.following import LedgerSource  # only now: SQLAlchemy takes long to import

    patience = Patience(
        poll_seconds=settings.ledger_poll_ms / 1000,
        stale_after_seconds=settings.stale_after_s,
        strict=settings.stale_policy == "strict",
    )
    return Follower(LedgerSource(data), patience)


def _desk(data: DataFolder) -> CatalogDesk:
    from fingerpost.bootstrap.desk import FolderDesk  # likewise, and most servers are never asked

    return FolderDesk(data)


def _controls(data: DataFolder, live: Live) -> ControlDesk:
    from fingerpost.bootstrap.controls import FolderControls

    return FolderControls(data, live)


def assemble(
    settings: Settings,
    data: DataFolder,
    activations: PointerReader,
    engine: Engine,
    open_snapshot: OpenSnapshot,
    follower: Follower | None = None,
    carried: Mapping[tuple[str, str], int] = MappingProxyType({}),
) -> Server:
    """Wire the parts of a server, whatever it embeds with.

    Args:
        settings: All of them.
        data: Its folder.
        activations: The pointers to follow.
        engine: Embedding threads.
        open_snapshot: Reads and checks a revision.
        follower: Keeps the pointers at what a ledger of several machines says; None where there is none.
        carried: Artefacts by kind and what became of them, as they are fetched from the shared place.
    """
    cache = ResultCache(settings.cache_bytes, settings.cache_ttl_s, time.monotonic)

    def on_swap(snapshot: Snapshot) -> None:
        cache.activate(snapshot.catalog, (snapshot.revision, *snapshot.others))
        accounting.guards.of(snapshot)

    runtime = Runtime(on_swap)
    queue = EmbedQueue(engine.lanes, settings.queue_standing_ms / 1000, settings.queue_burst_ms / 1000)
    admission = Admission(settings.in_flight_calls)
    watch = Watch(
        settings,
        lambda: read_state(runtime, engine, queue, cache, admission, follower, carried, accounting),
        lambda: engine.pid,
    )
    accounting = accounting_of(settings, data, runtime, watch.metrics, watch.metrics.reported)
    pipeline = Pipeline(runtime, queue, cache, accounting.guards, accounting.ids)
    service = RouterService(pipeline, runtime, accounting.guards, admission, settings, follower)
    outcomes = OutcomeService(accounting.recorder, settings)
    gate, admin = guarded(
        settings,
        partial(_desk, data),
        partial(_controls, data, accounting.live),
        watch.metrics.refused,
        watch.observers,
    )

    def make_reloader(on_change: OnChange) -> Reloader:
        return Reloader(activations, open_snapshot, runtime, on_change)

    return Server(
        settings,
        runtime,
        engine,
        queue,
        admission,
        Health((ROUTER_SERVICE, OUTCOME_SERVICE)),
        service,
        make_reloader,
        watch,
        gate,
        admin,
        follower,
        (outcomes.add_to,),
        accounting,
    )


@dataclass(frozen=True, slots=True)
class SnapshotOpener:
    """Opens revisions of a data folder: what decides here, and what embeds and searches in the engine."""

    data: DataFolder
    engine: Engine
    authenticated: bool = True  # whether the server knows who calls
    sharing: Sharing | None = None
    aside: Aside = field(default_factory=lambda: Aside("fetch"))

    async def open(self, activation: Activation) -> Snapshot:
        """Read and verify a revision on both sides; what is missing or damaged is fetched where machines share it.

        Raises:
            NotFound, DataLoss, FailedPrecondition: it cannot be served.
            Unavailable: ARTEFACTS_UNAVAILABLE, nor can it be fetched now.
            StorageFull: there is no room for it.
        """
        snapshot = await self._opened(activation)
        if snapshot.decider.policy.approvals and not self.authenticated:
            raise FailedPrecondition(
                f"catalog {activation.catalog} serves only what others approve, and nothing says who is who: set "
                "FINGERPOST_ACCESS to a file of access (fingerpost token add)",
                ErrorReason.AUTHENTICATION_REQUIRED,
            )
        return snapshot

    async def _opened(self, activation: Activation) -> Snapshot:
        try:
            return await self._open(activation)
        except (NotFound, DataLoss, FailedPrecondition) as error:
            if self.sharing is None or not await self._mended(self.sharing, activation.revision, error):
                raise
        return await self._open(activation)

    async def _mended(self, sharing: Sharing, digest: str, error: FingerpostError) -> bool:
        _log.info("revision_not_usable", revision=digest, error=error.message, effect="looked for in the shared place")
        try:
            return await self.aside.run(lambda: sharing.mend(digest))
        except FingerpostError as failed:
            raise type(failed)(f"{error.message}; {failed.message}", failed.reason) from failed

    async def _open(self, activation: Activation) -> Snapshot:
        snapshot = await self._open_alone(activation)
        named = revisions_of(snapshot.decider.policy.experiments)
        others = {digest: one for digest in named if (one := await self._tried(activation, digest)) is not None}
        return replace(snapshot, others=others)

    async def _open_alone(self, activation: Activation) -> Snapshot:
        loaded, (revision, plan) = await asyncio.gather(
            self.engine.load(activation.revision), asyncio.to_thread(self._read, activation.revision)
        )
        return Snapshot(activation, loaded, revision.exemplars, plan, time.time())

    async def _tried(self, activation: Activation, digest: str) -> Snapshot | None:
        """Another revision that an experiment names; one that cannot be served leaves its arm without requests."""
        try:
            return await self._open_alone(replace(activation, revision=digest))
        except (NotFound, DataLoss, FailedPrecondition) as error:
            if self.sharing is not None and await self._mended(self.sharing, digest, error):
                return await self._open_alone(replace(activation, revision=digest))
            _log.error("arm_not_served", catalog=activation.catalog, revision=digest, error=error.message)
            return None

    def _read(self, digest: str) -> tuple[Revision, Plan]:
        revision = decode(digest, FileRevisionStore(self.data.revisions).read(digest))
        return revision, plan_of(revision.decider)
