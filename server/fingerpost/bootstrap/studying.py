"""Studying: published revisions of a data folder, opened to be looked at."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.backends.vector_cache import SqliteVectorCache
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.indexing import selective_index
from fingerpost.bootstrap.opening import open_encoder, retriever_of
from fingerpost.bootstrap.planning import plan_of
from fingerpost.build.aggregate import Aggregation, best_routes
from fingerpost.build.evaluate import baseline_report, report_of
from fingerpost.build.judging import Case
from fingerpost.build.labelled import read_cases
from fingerpost.build.report import Baseline, Report, read_report
from fingerpost.build.study import Study
from fingerpost.engine_ports import OpenEncoder, VectorCache
from fingerpost.errors import ErrorReason, FailedPrecondition, InvalidRequest
from fingerpost.integrations.semantic_router import baseline_decisions, require_installed
from fingerpost.ports import Progress
from fingerpost.serve.revision_format import REPORT, decode
from fingerpost.types import OUT_OF_SCOPE, Calibration, Decider


@dataclass(frozen=True, slots=True)
class Archive:
    """The revisions of a data folder; see `open_archive`."""

    data: DataFolder
    cache: VectorCache
    progress: Progress
    encoders: dict[str, OpenEncoder] = field(default_factory=dict)  # that are open already, by digest

    def active(self, catalog: str) -> Study:
        """What the catalog serves.

        Raises:
            InvalidRequest: that is no name of a catalog.
            NotFound: it has no active revision.
            DataLoss, FailedPrecondition: it cannot be read.
        """
        return self.study(self.data.active(catalog).revision)

    def named(self, name: str) -> Study:
        """A revision by its digest, or by as much of its beginning as is unique.

        Raises:
            InvalidRequest: too little of a digest, or several revisions begin so.
            NotFound: none does.
            DataLoss, FailedPrecondition: it cannot be read.
        """
        return self.study(self.data.named(name))

    def study(self, digest: str) -> Study:
        """A revision by its whole digest.

        Raises:
            NotFound, DataLoss, FailedPrecondition
        """
        files = FileRevisionStore(self.data.revisions).read(digest)
        revision = decode(digest, files)
        try:
            report = read_report(files[REPORT])
        except (KeyError, ValueError):
            report = None
        retriever = retriever_of(revision, self._encoder(revision.encoder.digest))
        return Study(digest, revision, plan_of(revision.decider), report, retriever, self.cache, self.progress)

    def _encoder(self, digest: str) -> OpenEncoder:
        if digest not in self.encoders:
            self.encoders[digest] = open_encoder(self.data, digest)
        return self.encoders[digest]


@contextmanager
def open_archive(folder: Path, progress: Progress) -> Iterator[Archive]:
    """The revisions of a data folder, with the vectors that are known, while the context lasts."""
    data = DataFolder(folder)
    with SqliteVectorCache(data.vectors) as cache:
        yield Archive(data, cache, progress)


_LIBRARY = "semantic-router"
_AGGREGATIONS = {f"nearest-{how}": how for how in Aggregation}

BASELINES = (_LIBRARY, *_AGGREGATIONS)
"""That library's router itself, and its three scores on our own search, which need nothing installed."""


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
        raise InvalidRequest(f"no baseline is called {baseline}: use one of {', '.join(BASELINES)}")
    if baseline == _LIBRARY:
        require_installed()
    cases = read_cases(cases_file)
    with open_archive(folder, progress) as archive:
        study = archive.active(catalog)
        report = report_of(study.judge(cases), study.decider)
        return replace(report, baseline=baseline_of(baseline, cases, study)) if baseline else report


def baseline_of(name: str, cases: Sequence[Case], study: Study) -> Baseline:
    """How the other system does on the same cases, exemplars and vectors."""
    texts = [case.text.text for case in cases]
    if name in _AGGREGATIONS:
        chosen = _aggregated(_AGGREGATIONS[name], texts, study)
        return baseline_report(name, cases, chosen, chosen)
    decisions = baseline_decisions(
        study.exemplars,
        study.vectors([exemplar.text for exemplar in study.exemplars]),
        [route.name for route in study.decider.routes],
        texts,
        study.vectors(texts),
        study.progress,
    )
    return baseline_report(name, cases, [d.best for d in decisions], [d.decided for d in decisions])


def _aggregated(how: Aggregation, texts: Sequence[str], study: Study) -> list[str | None]:
    """The route of each text, None without any utterance; out-of-scope texts and empty routes are left out."""
    own = [exemplar for exemplar in study.exemplars if exemplar.route != OUT_OF_SCOPE]
    if not own:
        return [None for _ in texts]
    numbers = {route: number for number, route in enumerate(sorted({exemplar.route for exemplar in own}))}
    names = [study.decider.routes[route].name for route in numbers]
    index = selective_index(study.vectors([exemplar.text for exemplar in own]))
    route_of = [numbers[exemplar.route] for exemplar in own]
    best = best_routes(index, route_of, len(names), study.vectors(texts), how, study.progress)
    return [names[number] for number in best]


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
