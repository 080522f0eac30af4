"""Linting: a route folder looked at with an encoder, and with what its catalog serves."""

from pathlib import Path

import structlog
from threadpoolctl import threadpool_limits

from fingerpost.backends.encoder.source import EncoderSource
from fingerpost.backends.vector_cache import SqliteVectorCache
from fingerpost.bootstrap.encoding import ready_encoder
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.planning import rulebook_of
from fingerpost.bootstrap.studying import Archive
from fingerpost.build.lint.lint import VectorsOf, lint, see
from fingerpost.build.lint.reach import Deciding
from fingerpost.build.load import Loaded, load
from fingerpost.build.reindex import cases_of, exemplars_of
from fingerpost.build.rules.trying import tried_rules
from fingerpost.build.study import Study
from fingerpost.build.vectorise import vectorise
from fingerpost.errors import FingerpostError, NotFound
from fingerpost.ports import Progress
from fingerpost.serve.runtime import check_catalog_name
from fingerpost.types import Catalog, Finding

_log = structlog.get_logger(__name__)


def lint_folder(
    routes: Path, folder: Path, catalog: str, source: EncoderSource, progress: Progress
) -> tuple[Finding, ...]:
    """All findings about a route folder, by file, then line; nothing is published.

    Args:
        routes: The route folder.
        folder: The data folder, for the encoder, the vectors that are known and what is published.
        catalog: Whose active revision tells how sure decisions are.
        source: The encoder to look with; it is built where the data folder has none.
        progress: Hears what is done.

    Raises:
        RouteFilesInvalid: the folder does not load, or a rule does not do what is expected; nothing was looked at
            with an encoder.
        InvalidRequest: that is no name of a catalog.
    """
    check_catalog_name(catalog)
    loaded = load(routes)
    tried_rules(loaded.rules, rulebook_of)
    data = DataFolder(folder)
    plain = ready_encoder(folder, source, progress)
    with SqliteVectorCache(data.vectors) as cache, threadpool_limits(1, user_api="blas"):
        archive = Archive(data, cache, progress, {plain.encoder.digest: plain})
        deciding = _deciding(loaded, archive, catalog)
        return _all_findings(
            loaded, lambda texts: vectorise(texts, plain.embedders, cache, progress), deciding, progress
        )


def findings_beside(loaded: Loaded, study: Study) -> tuple[Finding, ...]:
    """All findings about a route folder, by file, then line, as the encoder of a published revision sees it."""
    return _all_findings(loaded, study.vectors, _deciding_of(study, loaded.catalog), study.progress)


def _all_findings(
    loaded: Loaded, vectors_of: VectorsOf, deciding: Deciding | None, progress: Progress
) -> tuple[Finding, ...]:
    exemplars = exemplars_of(loaded.catalog)
    vectors = vectors_of([exemplar.text for exemplar in exemplars])
    seen = see(loaded, exemplars, vectors, cases_of(loaded.catalog), vectors_of)
    found = lint(loaded, seen, deciding, progress)
    return tuple(sorted((*loaded.findings, *found), key=lambda one: (one.file, one.line, one.code)))


def _deciding(loaded: Loaded, archive: Archive, catalog: str) -> Deciding | None:
    """What the catalog decides with; None where nobody asks for a confidence, or nothing usable is published."""
    if all(route.min_confidence is None for route in loaded.catalog.routes):
        return None
    try:
        return _deciding_of(archive.active(catalog), loaded.catalog)
    except NotFound:
        return None
    except FingerpostError as error:
        _log.warning("revision_unusable", catalog=catalog, error=str(error), effect="min_confidence is not checked")
        return None


def _deciding_of(study: Study, catalog: Catalog) -> Deciding | None:
    """What a revision decides with; None where no route asks for a confidence."""
    wanted = {route.name for route in catalog.routes if route.min_confidence is not None}
    if not wanted:
        return None
    return Deciding(
        decider=study.decider,
        exemplars=study.exemplars,
        vectors=study.vectors([exemplar.text for exemplar in study.exemplars]),
        head=study.revision.head,
        judged=study.judge([case for case in cases_of(catalog) if case.route in wanted]),
    )
