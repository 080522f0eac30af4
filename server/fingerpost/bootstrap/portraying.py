"""Portraying: everything that a report on the active revision needs, from its data folder, cases and route files."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fingerpost.backends.projection import project
from fingerpost.bootstrap.linting import findings_beside
from fingerpost.bootstrap.studying import BASELINES, baseline_of, open_archive
from fingerpost.build.evaluate import report_of
from fingerpost.build.judging import Case, Judged
from fingerpost.build.labelled import read_cases
from fingerpost.build.load import Loaded, load
from fingerpost.build.portrait.portrait import CaseSource, Comparison, Origin, Portrait, Subject, portray
from fingerpost.build.portrait.scatter import scatter_of
from fingerpost.build.reindex import cases_of
from fingerpost.build.report import Report
from fingerpost.build.study import Study
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.ports import Progress

_BASELINE = BASELINES[0]
_COMPARED_PAIRS = 4_000_000  # of a case and an utterance: about six seconds of the other system
_COMPARED_AT_LEAST = 100  # cases
_SEED = 20_240_229  # any fixed number: the same cases are compared each time
_NEEDED = ("jinja2", "sklearn")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is to be about."""

    data: Path
    catalog: str
    cases: Path | None = None
    routes: Path | None = None  # None: no route files are looked at
    routes_assumed: bool = False  # nobody named the folder: it counts only where it is this catalog's
    baseline: bool = True  # compare with the other system, where it is installed


def require_installed() -> None:
    """Say what is missing before anything slow is done.

    Raises:
        FailedPrecondition: reports cannot be made here.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise FailedPrecondition(
            f"reports need {' and '.join(missing)}: pip install 'fingerpost[build]'", ErrorReason.INVALID_FIELD
        )


def baseline_installed() -> bool:
    return importlib.util.find_spec("semantic_router") is not None


def portray_active(wanted: Wanted, progress: Progress) -> Portrait:
    """A portrait of what the catalog serves.

    The cases are those of the file, else the tests of the route files, else what the reindex counted.

    Raises:
        RouteFilesInvalid: the route files, or rows of the file of cases, have errors.
        InvalidRequest: that is no name of a catalog.
        NotFound: it has no active revision.
        DataLoss, FailedPrecondition: it cannot be read, or something is not installed.
    """
    require_installed()
    cases = read_cases(wanted.cases) if wanted.cases else []
    loaded = load(wanted.routes) if wanted.routes else None
    with open_archive(wanted.data, progress) as archive:
        study = archive.active(wanted.catalog)
        if loaded and wanted.routes_assumed and not _of_catalog(loaded, study):
            loaded = None
        source = CaseSource(Origin.REVISION, "")
        if wanted.cases is not None:
            source = CaseSource(Origin.FILE, wanted.cases.name)
        elif loaded is not None and (cases := cases_of(loaded.catalog)):
            source = CaseSource(Origin.ROUTES, str(wanted.routes))
        judged = study.judge(cases) if cases else []
        vectors = study.vectors([exemplar.text for exemplar in study.exemplars])
        progress.step("map")
        scatter = scatter_of(study.exemplars, vectors, project)
        comparison = _compared(judged, study) if wanted.baseline and judged and baseline_installed() else None
        return portray(
            _subject(wanted.catalog, study, loaded), source, _report(judged, source, study), judged, scatter, comparison
        )


def _of_catalog(loaded: Loaded, study: Study) -> bool:
    """Whether the folder has at least half of the routes that are served."""
    served = {route.name for route in study.decider.routes}
    written = {route.name for route in loaded.catalog.routes}
    return 2 * len(served & written) >= len(served)


def _report(judged: Sequence[Judged], source: CaseSource, study: Study) -> Report:
    if source.origin is Origin.REVISION and study.report is not None:
        return study.report
    return report_of(judged, study.decider)


def _subject(catalog: str, study: Study, loaded: Loaded | None) -> Subject:
    return Subject(
        catalog=catalog,
        revision=study.digest,
        encoder=study.revision.encoder,
        decider=study.decider,
        exemplars=study.exemplars,
        built=study.report,
        files=loaded.catalog if loaded else None,
        findings=findings_beside(loaded, study) if loaded else (),
    )


def _compared(judged: Sequence[Judged], study: Study) -> Comparison:
    """With the other system, on all cases or on as many as it decides in a few seconds."""
    most = max(_COMPARED_AT_LEAST, _COMPARED_PAIRS // max(1, len(study.exemplars)))
    chosen = list(judged)
    if len(judged) > most:
        rows = np.random.default_rng(_SEED).choice(len(judged), most, replace=False)
        chosen = [judged[row] for row in sorted(rows.tolist())]
    cases: list[Case] = [j.case for j in chosen]
    theirs = baseline_of(_BASELINE, cases, study)
    ours = report_of(chosen, study.decider)
    return Comparison(_BASELINE, ours.metrics, theirs.metrics, ours.cases, ours.out_of_scope_cases, len(judged))
