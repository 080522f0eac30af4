"""The composition root: the only place that knows the engines and wires them to the stages."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from fingerpost.backends.encoder.archive import export_encoder, import_encoder
from fingerpost.backends.encoder.embedder import OnnxEncoder
from fingerpost.backends.encoder.export import build_encoder
from fingerpost.backends.encoder.folder import find
from fingerpost.backends.encoder.source import EncoderSource, Precision
from fingerpost.backends.encoder.tuning import tune_encoder
from fingerpost.backends.encoder.tuning_plan import Task
from fingerpost.backends.file_store import FileActivationStore, FileRevisionStore
from fingerpost.backends.index.engines import ENGINES
from fingerpost.backends.vector_cache import SqliteVectorCache
from fingerpost.build.evaluate import Case, baseline_report, evaluate, view_texts
from fingerpost.build.labelled import read_cases
from fingerpost.build.linear import fit_head
from fingerpost.build.reindex import Workshop
from fingerpost.build.report import Baseline, Report, read_report
from fingerpost.build.vectorise import vectorise
from fingerpost.errors import ErrorReason, FailedPrecondition, InvalidRequest, NotFound
from fingerpost.guard.admission import Admission
from fingerpost.integrations.semantic_router import baseline_decisions, require_installed
from fingerpost.ports import ActivationStore, IndexEngine, OpenEncoder, Progress, Tuned, VectorCache, VectorIndex
from fingerpost.rpc.health import Health
from fingerpost.rpc.server import ROUTER_SERVICE, Server
from fingerpost.rpc.services import RouterService
from fingerpost.serve.cache import ResultCache
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.pipeline import Pipeline
from fingerpost.serve.reload import OnChange, Reloader
from fingerpost.serve.revision_format import REPORT, decode
from fingerpost.serve.runtime import Runtime, Snapshot, check_catalog_name
from fingerpost.serve.search import Space
from fingerpost.serve.spell import Speller
from fingerpost.settings import Settings
from fingerpost.telemetry.state import read_state
from fingerpost.telemetry.watch import Watch
from fingerpost.types import Activation, Calibration, Decider, EncoderId, TuningVerdict, Vectors

_SWITCH_SECONDS = 0.0001
"""How long a busy event loop may keep an embedding thread from the interpreter, each time that its encoder returns:
docs/decisions/0011-cache-queue-and-fairness.md."""

_ENGINES: dict[str, IndexEngine] = {engine.kind: engine for engine in ENGINES}


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where things lie in a data folder."""

    root: Path

    @property
    def revisions(self) -> Path:
        return self.root / "revisions"

    @property
    def encoders(self) -> Path:
        return self.root / "encoders"

    @property
    def catalogs(self) -> Path:
        return self.root / "catalogs"

    @property
    def vectors(self) -> Path:
        return self.root / "vectors.sqlite"


def build_server(settings: Settings) -> Server:
    """Everything that serves, not yet started; nothing is read from the data folder until it is."""
    threadpool_limits(1, user_api="blas")  # a vector's product is too small to share between threads
    sys.setswitchinterval(_SWITCH_SECONDS)
    data = DataFolder(settings.data)
    activations = FileActivationStore(data.catalogs)
    return assemble(settings, activations, lambda runtime: SnapshotOpener(data, settings.embed_threads, runtime).open)


def assemble(
    settings: Settings, activations: ActivationStore, make_opener: Callable[[Runtime], Callable[[Activation], Snapshot]]
) -> Server:
    """Wire the parts of a server, whatever it opens its revisions with."""
    cache = ResultCache(settings.cache_bytes, settings.cache_ttl_s, time.monotonic)
    runtime = Runtime(cache.activate)
    queue = EmbedQueue(settings.embed_threads, settings.queue_standing_ms / 1000, settings.queue_burst_ms / 1000)
    admission = Admission(settings.in_flight_calls)
    service = RouterService(Pipeline(runtime, queue, cache), runtime, admission, settings)
    watch = Watch(settings, lambda: read_state(runtime, queue, cache, admission))
    open_snapshot = make_opener(runtime)

    def make_reloader(on_change: OnChange) -> Reloader:
        return Reloader(activations, open_snapshot, runtime, on_change)

    health = Health((ROUTER_SERVICE,))
    return Server(settings, runtime, queue, admission, health, service, make_reloader, watch)


@dataclass(slots=True)
class SnapshotOpener:
    """Opens revisions of a data folder; encoders are shared between the catalogs that name the same."""

    data: DataFolder
    embed_threads: int
    runtime: Runtime
    _encoders: dict[str, OpenEncoder] = field(default_factory=dict)

    def open(self, activation: Activation) -> Snapshot:
        """Read, verify and warm up a revision.

        Raises:
            NotFound, DataLoss, FailedPrecondition: it cannot be served.
        """
        revision = decode(activation.revision, FileRevisionStore(self.data.revisions).read(activation.revision))
        opened = self._encoder(revision.encoder.digest)
        index = _open_index(revision.index_kind, revision.index_bytes)
        _check_dimensions(revision.encoder, opened.encoder, index)
        for embedder in opened.embedders:
            embedder.embed_one("warm up")
        return Snapshot(
            activation=activation,
            encoder=opened.encoder,
            precision=opened.precision,
            embedders=opened.embedders,
            space=Space.of(index, revision.exemplars, revision.head),
            speller=Speller((exemplar.text for exemplar in revision.exemplars), opened.embedders[0].is_whole),
            decider=revision.decider,
            load_time=time.time(),
        )

    def _encoder(self, digest: str) -> OpenEncoder:
        in_use = {snapshot.encoder.digest for snapshot in self.runtime.snapshots.values()}
        self._encoders = {known: opened for known, opened in self._encoders.items() if known in {*in_use, digest}}
        if digest not in self._encoders:
            self._encoders[digest] = _open_encoder(self.data, digest, self.embed_threads)
        return self._encoders[digest]


def _open_index(kind: str, data: bytes) -> VectorIndex:
    if kind not in _ENGINES:
        raise FailedPrecondition(
            f"index kind {kind} is unknown to this program: update it, or reindex", ErrorReason.ARTEFACT_INCOMPATIBLE
        )
    return _ENGINES[kind].open(data)


def _check_dimensions(named: EncoderId, opened: EncoderId, index: VectorIndex) -> None:
    if not named.dim == opened.dim == index.dim:
        raise FailedPrecondition(
            f"the index has {index.dim} dimensions and the encoder {opened.dim}: reindex",
            ErrorReason.DIMENSION_MISMATCH,
            metadata={"index": str(index.dim), "encoder": str(opened.dim)},
        )


def encoder_source(name: str, precision: str) -> EncoderSource:
    """Which encoder to build or find.

    Raises:
        InvalidRequest: no such precision.
    """
    try:
        return EncoderSource(name, Precision(precision))
    except ValueError as error:
        raise InvalidRequest(f"no precision is called {precision}: use {' or '.join(Precision)}") from error


@contextmanager
def open_workshop(
    folder: Path, source: EncoderSource, progress: Progress, *, tuning: bool = False
) -> Iterator[Workshop]:
    """The engines and stores of a reindex; the encoder is built first when the data folder has none of that source."""
    data = DataFolder(folder)
    plain = _open_encoder(data, find(data.encoders, source) or build_encoder(source, data.encoders, progress))
    # One thread a product: the same input gives the same digest on any number of cores, and fits run side by side.
    with SqliteVectorCache(data.vectors) as cache, threadpool_limits(1, user_api="blas"):
        yield Workshop(
            plain=plain,
            engines=ENGINES,
            cache=cache,
            revisions=FileRevisionStore(data.revisions),
            activations=FileActivationStore(data.catalogs),
            progress=progress,
            tune=_CatalogTuner(data, source, cache, progress) if tuning else None,
        )


def _open_encoder(data: DataFolder, digest: str, threads: int | None = None) -> OpenEncoder:
    """Ready for so many threads, one a core unless told."""
    encoder = OnnxEncoder.open(data.encoders / digest, digest)
    embedders = tuple(encoder.embedder() for _ in range(threads or os.cpu_count() or 1))
    return OpenEncoder(encoder.encoder, encoder.precision, embedders)


@dataclass(frozen=True, slots=True)
class _CatalogTuner:
    """Tunes the encoder of a source on texts of a catalog, and opens what came of it."""

    data: DataFolder
    source: EncoderSource
    cache: VectorCache
    progress: Progress

    def __call__(self, texts: Sequence[str], routes: Sequence[int]) -> tuple[TuningVerdict, Tuned | None]:
        task = Task(tuple(texts), tuple(routes))
        made = tune_encoder(self.source, self.data.encoders, task, self._vectors_of(texts), fit_head, self.progress)
        if not made.accepted:
            return made.verdict, None
        served, proof = _open_encoder(self.data, made.served), _open_encoder(self.data, made.proof)
        return made.verdict, Tuned(served, proof, made.held_out & ~made.outside, made.outside)

    def _vectors_of(self, texts: Sequence[str]) -> Callable[[str], Vectors]:
        def vectors_of(digest: str) -> Vectors:
            return vectorise(texts, _open_encoder(self.data, digest).embedders, self.cache, self.progress)

        return vectors_of


BASELINES = ("semantic-router",)


def evaluate_active(
    folder: Path, catalog: str, cases_file: Path, progress: Progress, baseline: str | None = None
) -> Report:
    """Decide the cases of a file with what the catalog serves, and with another system on the same vectors.

    Raises:
        RouteFilesInvalid: rows of the file are no cases.
        InvalidRequest: no such baseline.
        FailedPrecondition: the baseline is not installed.
        NotFound: the catalog has no active revision.
    """
    if baseline not in (None, *BASELINES):
        raise InvalidRequest(f"no baseline is called {baseline}: use {' or '.join(BASELINES)}")
    if baseline:
        require_installed()
    data = DataFolder(folder)
    cases = read_cases(cases_file)
    snapshot = SnapshotOpener(data, os.cpu_count() or 1, Runtime()).open(_active(data, catalog))
    texts = [case.text.text for case in cases]
    spelled = [snapshot.speller.read(text) for text in texts]
    read = view_texts(spelled)
    theirs = [*texts, *(exemplar.text for exemplar in snapshot.exemplars)] if baseline else []
    with SqliteVectorCache(data.vectors) as cache:
        vectors = vectorise([*read, *theirs], snapshot.embedders, cache, progress)
    progress.step("evaluate", len(cases))
    read_vectors = dict(zip(read, vectors, strict=False))  # theirs come after
    report = evaluate(cases, spelled, read_vectors, snapshot.space, snapshot.decider, progress)
    if baseline is None:
        return report
    return replace(report, baseline=_baseline(baseline, cases, snapshot, vectors[len(read) :], progress))


def _baseline(name: str, cases: Sequence[Case], snapshot: Snapshot, vectors: Vectors, progress: Progress) -> Baseline:
    """How the other system does; `vectors` are those of the cases, then those of the exemplars."""
    decisions = baseline_decisions(
        snapshot.exemplars,
        vectors[len(cases) :],
        [route.name for route in snapshot.decider.routes],
        [case.text.text for case in cases],
        vectors[: len(cases)],
        progress,
    )
    return baseline_report(name, cases, [d.best for d in decisions], [d.decided for d in decisions])


def read_active(folder: Path, catalog: str) -> tuple[Decider, Report]:
    """What the catalog decides with, and what its reindex reported.

    Raises:
        NotFound: the catalog has no active revision.
        DataLoss, FailedPrecondition: it cannot be read.
    """
    data = DataFolder(folder)
    digest = _active(data, catalog).revision
    files = FileRevisionStore(data.revisions).read(digest)
    decider = decode(digest, files).decider
    try:
        report = read_report(files[REPORT])
    except (KeyError, ValueError) as error:
        raise _old_report() from error
    if report.held_out is None and decider.confidence_map.calibration in (Calibration.POOLED, Calibration.FITTED):
        raise _old_report()
    return decider, report


def _old_report() -> FailedPrecondition:
    return FailedPrecondition(
        "the report of the active revision is of another version: reindex", ErrorReason.ARTEFACT_INCOMPATIBLE
    )


def _active(data: DataFolder, catalog: str) -> Activation:
    check_catalog_name(catalog)
    activation = FileActivationStore(data.catalogs).read(catalog)
    if activation is None:
        raise NotFound(f"catalog {catalog} has no active revision in {data.root}: reindex first")
    return activation


def save_encoder(folder: Path, source: EncoderSource, out: Path) -> str:
    """Write the data folder's encoder of that source to one file, and return its digest.

    Raises:
        FailedPrecondition: ENCODER_UNAVAILABLE, it was not built yet.
    """
    encoders = DataFolder(folder).encoders
    digest = find(encoders, source)
    if digest is None:
        raise FailedPrecondition("that encoder is not built yet: reindex first", ErrorReason.ENCODER_UNAVAILABLE)
    export_encoder(encoders, digest, out)
    return digest


def load_encoder(folder: Path, archive: Path) -> str:
    """Store the encoder of an exported file in the data folder, and return its digest."""
    return import_encoder(DataFolder(folder).encoders, archive)
