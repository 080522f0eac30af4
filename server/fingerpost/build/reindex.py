"""The build path, in order: route files become the active revision. The only file that knows every step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import structlog

from fingerpost.build.activate import activate
from fingerpost.build.background import background_texts
from fingerpost.build.diff.active import diff_with
from fingerpost.build.diff.diff import Diff
from fingerpost.build.diff.texts import Texts, TextsKind
from fingerpost.build.evaluate import report_of
from fingerpost.build.fit import Source
from fingerpost.build.folds import held_from_tuning
from fingerpost.build.guards.checks import check_revisions
from fingerpost.build.hints import hints_of
from fingerpost.build.index import build_index
from fingerpost.build.judging import Case, Judge
from fingerpost.build.learn import Base, Lesson, carry_over, learn
from fingerpost.build.lint.lint import lint, see
from fingerpost.build.lint.reach import Deciding
from fingerpost.build.load import Loaded, load
from fingerpost.build.priors import PRIORS
from fingerpost.build.publish import publish
from fingerpost.build.report import Report, read_report, report_bytes
from fingerpost.build.rules.trying import tried_rules
from fingerpost.build.study import Study
from fingerpost.build.vectorise import vectorise
from fingerpost.engine_ports import IndexEngine, OpenEncoder, Tuned, Tuner, VectorCache
from fingerpost.errors import FingerpostError
from fingerpost.ports import ActivationStore, Progress, RevisionStore
from fingerpost.serve.plan import Plan
from fingerpost.serve.revision_format import REPORT, decode, linears_of
from fingerpost.serve.rules import Rulebook
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.serve.search import Space
from fingerpost.serve.spell import Speller
from fingerpost.types import (
    OUT_OF_SCOPE,
    Activation,
    Catalog,
    Decider,
    EncoderId,
    Exemplar,
    Finding,
    Proposal,
    Revision,
    Route,
    RoutePolicy,
    Rule,
    Severity,
    Vectors,
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """The engines and stores that a reindex works with."""

    plain: OpenEncoder
    engines: Sequence[IndexEngine]  # in the order to be tried
    cache: VectorCache
    revisions: RevisionStore
    activations: ActivationStore
    progress: Progress
    rulebook_of: Callable[[Sequence[Rule]], Rulebook]  # see `bootstrap.planning`
    known: Callable[[str], bool]  # whether a revision of that digest is stored, here or where machines share them
    tune: Tuner | None = None  # tunes the encoder on the catalog's own texts
    study: Callable[[str], Study] | None = None  # opens a revision by its digest, to compare with what was active

    def vectors_by(self, encoder: OpenEncoder) -> Callable[[Sequence[str]], Vectors]:
        """How that encoder sees texts, known ones from the cache; see `build.vectorise`."""
        return lambda texts: vectorise(texts, encoder.embedders, self.cache, self.progress)


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What a reindex did; neither changed nor proposed: the catalog served the same revision already."""

    activation: Activation  # see `build.activate.Pointed`
    changed: bool
    report: Report
    findings: tuple[Finding, ...]
    routes_count: int
    exemplars_count: int
    diff: Diff | None = None  # from what was active before, on the test texts; None: nothing to compare
    not_compared: str = ""  # why there is no diff, where there should be one
    proposal: Proposal | None = None  # where others must approve the revision before it is served


def reindex(folder: Path, catalog_name: str, shop: Workshop, *, refit: bool = False) -> Reindexed:
    """Read the route folder and make it what the catalog serves; on any error the old revision stays.

    Args:
        folder: Of route files.
        catalog_name: What it is served as.
        shop: Engines and stores.
        refit: Learn everything anew, however little has changed.

    Raises:
        RouteFilesInvalid: with every finding.
        StorageFull, DataLoss, InternalError
    """
    loaded = load(folder)
    catalog = loaded.catalog
    rulebook = tried_rules(loaded.rules, shop.rulebook_of)
    check_revisions(loaded.revisions, shop.known)
    exemplars, cases = exemplars_of(catalog), cases_of(catalog)

    verdict, tuned = shop.tune([e.text for e in exemplars], [e.route for e in exemplars]) if shop.tune else (None, None)
    served = tuned.served if tuned else shop.plain
    source = source_of(catalog.routes, exemplars, served, shop)

    shop.progress.step("index")
    built = build_index(source.vectors, shop.engines, DEFAULT_VOTE.neighbours)

    earlier = _active(catalog_name, shop)
    base = None if refit or tuned or earlier is None else _base(earlier, served.encoder, shop)
    lesson = carry_over(source, catalog, base, shop.progress) if base else None
    if lesson is None:
        proof = _proof(source, catalog, tuned, shop) if tuned else None
        lesson = learn(source, catalog, PRIORS.get(served.encoder.name), shop.progress, proof)
    decider = decider_of(catalog, lesson)

    speller = Speller((exemplar.text for exemplar in exemplars), served.embedders[0].is_whole)
    space = Space.of(built.index, exemplars, lesson.head)
    judged = Judge(speller, space, Plan.of(decider, rulebook), shop.vectors_by(served), shop.progress).cases(cases)
    report = report_of(judged, decider)
    report = replace(report, held_out=lesson.held_out, learned=lesson.learned, tuning=verdict, index=built.indexed)

    deciding = Deciding(decider, exemplars, source.vectors, lesson.head, judged)
    warnings = _warnings(loaded, cases, deciding, base, shop.vectors_by(served), shop.progress)

    shop.progress.step("publish")
    kind, data, head = built.indexed.kind, built.data, lesson.head
    digest = publish(
        shop.revisions, served.encoder, exemplars, kind, data, head, decider, report_bytes(report), lesson.linears
    )

    shop.progress.step("activate")
    pointed = activate(shop.activations, catalog_name, digest, catalog.policy.approvals)
    findings = (*loaded.findings, *warnings)
    result = Reindexed(
        pointed.activation,
        pointed.changed,
        report,
        findings,
        len(catalog.routes),
        len(exemplars),
        proposal=pointed.proposal,
    )
    if not (pointed.changed or pointed.proposal) or earlier is None or shop.study is None or not cases:
        return result

    shop.progress.step("compare")
    revision = Revision(digest, served.encoder, exemplars, kind, data, decider, head)
    texts = Texts.of(TextsKind.TESTS, str(folder), cases, labelled=True)
    diff, not_compared = diff_with(earlier, revision, texts, judged, shop.study)
    return replace(result, diff=diff, not_compared=not_compared)


def source_of(routes: Sequence[Route], exemplars: Sequence[Exemplar], by: OpenEncoder, shop: Workshop) -> Source:
    """Everything that is learned from, as the encoder sees it."""
    hints, far = hints_of(routes), background_texts()
    groups = [[e.text for e in exemplars], [text for text, _ in hints], far]
    vectors = shop.vectors_by(by)([text for group in groups for text in group])
    own, hinted, background = np.split(vectors, np.cumsum([len(group) for group in groups[:-1]]))
    return Source(exemplars, own, hinted, [route for _, route in hints], background, len(routes))


def _proof(source: Source, catalog: Catalog, tuned: Tuned, shop: Workshop) -> Source:
    """The same as the proof encoder sees it, which knows none of the texts that are held out."""
    inside = source.routes != OUT_OF_SCOPE
    held = held_from_tuning(tuned.judged[inside], tuned.outside[inside])
    return replace(source_of(catalog.routes, source.exemplars, tuned.proof, shop), held=held)


def _warnings(
    loaded: Loaded,
    cases: Sequence[Case],
    deciding: Deciding,
    base: Base | None,
    vectors_of: Callable[[Sequence[str]], Vectors],
    progress: Progress,
) -> Iterator[Finding]:
    """What lint warns of; in a large catalog, of the exemplars that the base has not."""
    known = None
    if base is not None:
        names = {number: route.name for number, route in enumerate(base.revision.decider.routes)}
        known = frozenset((exemplar.text, names.get(exemplar.route)) for exemplar in base.revision.exemplars)
    seen = see(loaded, deciding.exemplars, deciding.vectors, cases, vectors_of, known)
    return (found for found in lint(loaded, seen, deciding, progress) if found.severity is not Severity.NOTE)


def _active(catalog_name: str, shop: Workshop) -> str | None:
    """Digest of the active revision; None without one, or where the pointer is damaged."""
    try:
        activation = shop.activations.read(catalog_name)
        return activation.revision if activation else None
    except FingerpostError as error:
        _log.warning("base_unusable", catalog=catalog_name, error=str(error), effect="everything is learned anew")
        return None


def _base(digest: str, encoder: EncoderId, shop: Workshop) -> Base | None:
    """That revision; None where this program and encoder cannot build on it."""
    try:
        files = shop.revisions.read(digest)
        base = Base(decode(digest, files), read_report(files[REPORT]), linears_of(files))
        return base if base.revision.encoder == encoder else None
    except (FingerpostError, ValueError) as error:
        _log.warning("base_unusable", revision=digest[:12], error=str(error), effect="everything is learned anew")
        return None


def exemplars_of(catalog: Catalog) -> tuple[Exemplar, ...]:
    """Indexed texts: routes by name, then out of scope, texts sorted, so that the files' order changes nothing."""
    own = [
        Exemplar(text, number)
        for number, route in enumerate(catalog.routes)
        for text in sorted({u.text for u in route.utterances})
    ]
    return (*own, *(Exemplar(text, OUT_OF_SCOPE) for text in sorted({t.text for t in catalog.out_of_scope})))


def cases_of(catalog: Catalog) -> list[Case]:
    """The held-out texts of all routes, then those that should fall back."""
    cases = [Case(text, route.name) for route in catalog.routes for text in route.tests]
    return cases + [Case(text, None) for text in catalog.out_of_scope_tests]


def decider_of(catalog: Catalog, lesson: Lesson) -> Decider:
    """What the revision decides with."""
    return Decider(
        routes=tuple(_route_policy(number, route, lesson) for number, route in enumerate(catalog.routes)),
        models={model.name: model for model in catalog.models},
        policy=catalog.policy,
        vote=DEFAULT_VOTE,
        confidence_map=lesson.maps.pick,
        threshold=lesson.threshold,
        blend=lesson.learned.recipe.blend,
        scope_map=lesson.maps.scope,
        promise=lesson.promise,
        expected=lesson.expected,
    )


def _route_policy(number: int, route: Route, lesson: Lesson) -> RoutePolicy:
    own = lesson.route_promises.get(number)
    chosen = own.threshold if own else lesson.threshold
    return RoutePolicy(
        name=route.name,
        description=route.description,
        model=route.model,
        threshold=chosen if route.min_confidence is None else route.min_confidence,
        threshold_given=route.min_confidence is not None,
        promise=own,
        models=route.models,
        selection=route.selection,
        fallback=route.fallback,
    )
