"""Suggesting: what a catalog's routes could learn from a file of texts, with the engines that it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from fingerpost.bootstrap.studying import open_archive
from fingerpost.build.edit.survey import survey
from fingerpost.build.load import load
from fingerpost.build.study import Study
from fingerpost.build.suggest.ask import choose
from fingerpost.build.suggest.files import Refused, changes_of
from fingerpost.build.suggest.patch import Change, unified
from fingerpost.build.suggest.route_sources import route_sources
from fingerpost.build.suggest.suggest import Fresh, Suggestions, fresh_texts, suggest, uncertainty
from fingerpost.build.suggest.traffic import harmless, read_traffic
from fingerpost.errors import InternalError
from fingerpost.ports import Progress


@dataclass(frozen=True, slots=True)
class Question:
    """A text whose route a person should tell."""

    text: str
    count: int
    best: str | None
    confidence: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Suggested:
    """What came of a file of texts."""

    revision: str
    suggestions: Suggestions
    patch: str  # a unified diff of the route folder; empty where nothing is suggested
    missing: tuple[str, ...]  # routes of the revision that the folder lacks: nothing is suggested for them
    refused: tuple[Refused, ...]  # routes whose files must be edited by hand: the patch leaves them as they are
    sensitive: int  # texts with secrets or personal data: nothing is made of them, and they are in no other count
    questions: tuple[Question, ...]  # the most telling first


def suggest_from(source: Path, routes: Path, data: Path, catalog: str, questions: int, progress: Progress) -> Suggested:
    """Judge the texts by what the catalog serves, and suggest changes of its route files; nothing is written.

    Args:
        source: Texts: see `build.suggest.traffic`.
        routes: The catalog's route folder.
        data: Data folder with its active revision.
        catalog: Its name.
        questions: Texts to ask a person for; 0: none.
        progress: Hears how far it has come.

    Raises:
        RouteFilesInvalid: the texts or the route files have errors.
        InvalidRequest: the texts are in a file of another kind; or that is no name of a catalog.
        NotFound: the catalog has no active revision.
        DataLoss, FailedPrecondition: it cannot be read.
    """
    read = read_traffic(source)
    asked = harmless(read)
    loaded = load(routes)
    current = loaded.catalog
    sources = route_sources(routes, loaded.drafts)
    with open_archive(data, progress) as archive, threadpool_limits(1, user_api="blas"):
        study = archive.active(catalog)
        fresh = fresh_texts(asked, study, current)
        names = [*(route.name for route in current.routes), *(Path(file.yaml.name).stem for file in sources.values())]
        found = suggest(asked, fresh, study, names)
        telling = _questions(fresh, study, questions)
    files = [path.name for path in routes.iterdir()]
    made = changes_of(found, sources, current.policy.fallback_model, files)
    _prove(routes, made.changes)
    missing = tuple(one.route for one in found.for_routes if one.route not in sources)
    return Suggested(study.digest, found, unified(made.changes), missing, made.refused, len(read) - len(asked), telling)


def _questions(fresh: Sequence[Fresh], study: Study, count: int) -> tuple[Question, ...]:
    if not count or not fresh:
        return ()
    vectors = study.vectors([one.asked.text.text for one in fresh])
    known = study.vectors([exemplar.text for exemplar in study.exemplars])
    unknown = np.array([uncertainty(one.opinion) for one in fresh])
    weights = np.array([float(one.asked.count) for one in fresh])
    study.progress.step("ask", count)
    chosen = choose(vectors, unknown, np.log1p(weights), known, count)
    return tuple(_question(fresh[row], study) for row in chosen)


def _question(one: Fresh, study: Study) -> Question:
    return Question(one.asked.text.text, one.asked.count, one.opinion.best, one.opinion.confidence, _why(one, study))


def _why(one: Fresh, study: Study) -> str:
    candidates = one.opinion.judgement.candidates
    if not candidates:
        return "no route is near it"
    names = [study.decider.routes[candidate.route].name for candidate in candidates[:2]]
    sure = [candidate.confidence for candidate in candidates[:2]]
    told = [name if c is None else f"{name} {c:.2f}" for name, c in zip(names, sure, strict=True)]
    reasons = ", ".join(one.opinion.decision.reasons) or "accepted"
    return f"{' or '.join(told)}; {reasons}"


def _prove(folder: Path, changes: Sequence[Change]) -> None:
    """Look at the folder with the changes in it: no patch is shown that could not be published.

    Raises:
        InternalError: it could not.
    """
    if survey(folder, {change.file: change.after.encode() for change in changes}).errors:
        raise InternalError("the suggestions would make the route files invalid: please report this")
