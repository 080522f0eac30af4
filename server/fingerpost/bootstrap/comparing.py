"""Comparing: two published revisions of a data folder, on the texts that a person would expect."""

from dataclasses import dataclass
from pathlib import Path

from fingerpost.bootstrap.studying import Archive, open_archive
from fingerpost.build.diff.changes import Compared, compared
from fingerpost.build.diff.diff import Diff, diff_of
from fingerpost.build.diff.prices import Tokens
from fingerpost.build.diff.texts import Texts, TextsKind, differing_utterances, texts_of_file
from fingerpost.build.load import load
from fingerpost.build.reindex import cases_of
from fingerpost.build.study import Study
from fingerpost.ports import Progress

ACTIVE = "active"
"""Stands for the revision that the catalog serves."""

USUAL_ROUTES = Path("routes")
"""The folder whose `tests:` are asked when nothing else is said."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the revisions are asked: a file, or the tests of a route folder; None of both: what is there."""

    cases_file: Path | None = None
    routes: Path | None = None


def compare_revisions(
    folder: Path, names: tuple[str, str], catalog: str, asked: Asked, tokens: Tokens, progress: Progress
) -> Diff:
    """What changes from the first revision to the second one.

    Args:
        folder: The data folder.
        names: Digests, beginnings of digests, or `active`.
        catalog: Whose active revision is meant.
        asked: The texts.
        tokens: What a request is taken to have.
        progress: Hears the steps.

    Raises:
        RouteFilesInvalid: the file of cases or the route folder has errors.
        InvalidRequest: too little of a digest, or several revisions begin so; a text that the encoder cannot read.
        NotFound, DataLoss, FailedPrecondition: a revision or its encoder cannot be read.
    """
    given = _given_texts(asked)
    with open_archive(folder, progress) as archive:
        before, after = (_study(archive, name, catalog) for name in names)
        between = compared(before.revision, after.revision)
        texts = given or _usual_texts(between)
        return diff_of(between, texts, before.judge(texts.cases), after.judge(texts.cases), tokens)


def _study(archive: Archive, name: str, catalog: str) -> Study:
    return archive.active(catalog) if name == ACTIVE else archive.named(name)


def _given_texts(asked: Asked) -> Texts | None:
    if asked.cases_file is not None:
        return texts_of_file(asked.cases_file)
    return None if asked.routes is None else _tests_of(asked.routes)


def _usual_texts(between: Compared) -> Texts:
    """The tests of `routes` where these belong to the revisions, else the utterances that differ."""
    if USUAL_ROUTES.is_dir():
        tests = _tests_of(USUAL_ROUTES)
        sides = (between.before.decider.routes, between.after.decider.routes)
        if {case.route for case in tests.cases} & {route.name for routes in sides for route in routes}:
            return tests
    return differing_utterances(between)


def _tests_of(folder: Path) -> Texts:
    return Texts.of(TextsKind.TESTS, str(folder), cases_of(load(folder).catalog), labelled=True)
