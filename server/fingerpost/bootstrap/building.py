"""Building: the engines and stores of a reindex, of evaluations, and of encoders that are carried elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from fingerpost.backends.encoder.archive import export_encoder, import_encoder
from fingerpost.backends.encoder.export import build_encoder
from fingerpost.backends.encoder.folder import find
from fingerpost.backends.encoder.source import EncoderSource, Precision
from fingerpost.backends.encoder.tuning import tune_encoder
from fingerpost.backends.encoder.tuning_plan import Task
from fingerpost.backends.file_store import FileActivationStore, FileRevisionStore
from fingerpost.backends.index.engines import ENGINES
from fingerpost.backends.vector_cache import SqliteVectorCache
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.opening import open_encoder, retriever_of
from fingerpost.build.evaluate import Case, baseline_report, evaluate, view_texts
from fingerpost.build.labelled import read_cases
from fingerpost.build.linear import fit_head
from fingerpost.build.reindex import Workshop
from fingerpost.build.report import Baseline, Report, read_report
from fingerpost.build.vectorise import vectorise
from fingerpost.errors import ErrorReason, FailedPrecondition, InvalidRequest
from fingerpost.integrations.semantic_router import baseline_decisions, require_installed
from fingerpost.ports import Progress, Tuned, VectorCache
from fingerpost.serve.revision_format import REPORT, decode
from fingerpost.types import Calibration, Decider, Revision, TuningVerdict, Vectors


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
    plain = open_encoder(data, find(data.encoders, source) or build_encoder(source, data.encoders, progress))
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
        served, proof = open_encoder(self.data, made.served), open_encoder(self.data, made.proof)
        return made.verdict, Tuned(served, proof, made.held_out & ~made.outside, made.outside)

    def _vectors_of(self, texts: Sequence[str]) -> Callable[[str], Vectors]:
        def vectors_of(digest: str) -> Vectors:
            return vectorise(texts, open_encoder(self.data, digest).embedders, self.cache, self.progress)

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
    digest = data.active(catalog).revision
    revision = decode(digest, FileRevisionStore(data.revisions).read(digest))
    retriever = retriever_of(revision, open_encoder(data, revision.encoder.digest))
    texts = [case.text.text for case in cases]
    spelled = [retriever.speller.read(text) for text in texts]
    read = view_texts(spelled)
    theirs = [*texts, *(exemplar.text for exemplar in revision.exemplars)] if baseline else []
    with SqliteVectorCache(data.vectors) as cache:
        vectors = vectorise([*read, *theirs], retriever.embedders, cache, progress)
    progress.step("evaluate", len(cases))
    read_vectors = dict(zip(read, vectors, strict=False))  # theirs come after
    report = evaluate(cases, spelled, read_vectors, retriever.space, revision.decider, progress)
    if baseline is None:
        return report
    return replace(report, baseline=_baseline(baseline, cases, revision, vectors[len(read) :], progress))


def _baseline(name: str, cases: Sequence[Case], revision: Revision, vectors: Vectors, progress: Progress) -> Baseline:
    """How the other system does; `vectors` are those of the cases, then those of the exemplars."""
    decisions = baseline_decisions(
        revision.exemplars,
        vectors[len(cases) :],
        [route.name for route in revision.decider.routes],
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
    digest = data.active(catalog).revision
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
