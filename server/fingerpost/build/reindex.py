"""The build path, in order: route files become the active revision. The only file that knows every step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from fingerpost.build.activate import activate
from fingerpost.build.background import background_texts
from fingerpost.build.evaluate import Case, HeldOut, Report, evaluate
from fingerpost.build.fit import Fit, Source, fit, route_promise
from fingerpost.build.held_out import OWN
from fingerpost.build.hints import hints_of
from fingerpost.build.index import build_index
from fingerpost.build.load import load
from fingerpost.build.metrics import Rows, measure
from fingerpost.build.priors import PRIORS
from fingerpost.build.publish import publish
from fingerpost.build.threshold import curve
from fingerpost.build.vectorise import vectorise
from fingerpost.ports import ActivationStore, Embedder, IndexEngine, Progress, RevisionStore, VectorCache
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.serve.search import Space
from fingerpost.types import (
    OUT_OF_SCOPE,
    Activation,
    Catalog,
    Decider,
    EncoderId,
    Exemplar,
    Finding,
    Route,
    RoutePolicy,
)

_report = TypeAdapter(Report)


@dataclass(frozen=True, slots=True)
class Workshop:
    """The engines and stores that a reindex works with."""

    encoder: EncoderId
    embedders: Sequence[Embedder]
    engine: IndexEngine
    cache: VectorCache
    revisions: RevisionStore
    activations: ActivationStore
    progress: Progress


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What a reindex did; `changed` is False when the catalog served the same revision already."""

    activation: Activation
    changed: bool
    report: Report
    findings: tuple[Finding, ...]
    routes_count: int
    exemplars_count: int
    left_out_accuracy: float | None  # of utterances, each left out in turn; None without any


def reindex(folder: Path, catalog_name: str, shop: Workshop) -> Reindexed:
    """Read the route folder and make it what the catalog serves; on any error the old revision stays.

    Raises:
        RouteFilesInvalid: with every finding.
        StorageFull, DataLoss, InternalError
    """
    loaded = load(folder)
    catalog = loaded.catalog
    exemplars = exemplars_of(catalog)
    cases = cases_of(catalog)

    hints, far = hints_of(catalog.routes), background_texts()
    groups = [[e.text for e in exemplars], [c.text.text for c in cases], [text for text, _ in hints], far]
    vectors = vectorise([text for group in groups for text in group], shop.embedders, shop.cache, shop.progress)
    own, held_out, hinted, background = np.split(vectors, np.cumsum([len(group) for group in groups[:-1]]))

    shop.progress.step("index")
    index_bytes = build_index(own, shop.engine)

    source = Source(exemplars, own, hinted, [route for _, route in hints], background, len(catalog.routes))
    fitted = fit(source, DEFAULT_VOTE, catalog.policy, PRIORS.get(shop.encoder.name), shop.progress)
    decider = decider_of(catalog, fitted)

    shop.progress.step("evaluate", len(cases))
    space = Space.of(shop.engine.open(index_bytes), exemplars, fitted.head)
    report = evaluate(cases, held_out, space, decider, shop.progress)
    report = replace(report, held_out=held_out_report(fitted))

    shop.progress.step("publish")
    report_bytes = _report.dump_json(report, indent=1) + b"\n"
    revision = publish(
        shop.revisions, shop.encoder, exemplars, shop.engine.kind, index_bytes, fitted.head, decider, report_bytes
    )

    shop.progress.step("activate")
    activation, changed = activate(shop.activations, catalog_name, revision)
    return Reindexed(
        activation, changed, report, loaded.findings, len(catalog.routes), len(exemplars), fitted.left_out_accuracy
    )


def read_report(data: bytes) -> Report:
    """The report of a revision.

    Raises:
        ValueError: it is of a version that this program does not read.
    """
    return _report.validate_json(data)


def held_out_report(fitted: Fit) -> HeldOut | None:
    """What the held-out utterances say of scorer, maps and threshold; None where the maps are not the catalog's own."""
    sample, graded = fitted.sample, fitted.graded
    if graded is None:
        return None
    rows = sample.inside | (sample.source == OWN)
    accepted = graded.confidence >= fitted.threshold
    measured = measure(
        Rows(
            in_scope=sample.inside[rows],
            best_right=sample.right[rows],
            accepted=accepted[rows],
            right=(accepted & sample.right)[rows],
            confidence=graded.confidence[rows],
        )
    )
    return HeldOut(int(rows.sum()), measured, fitted.promise, tuple(curve(graded)))


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


def decider_of(catalog: Catalog, fitted: Fit) -> Decider:
    """What the revision decides with."""
    return Decider(
        routes=tuple(_route_policy(number, route, fitted) for number, route in enumerate(catalog.routes)),
        models={model.name: model for model in catalog.models},
        policy=catalog.policy,
        vote=DEFAULT_VOTE,
        confidence_map=fitted.maps.pick,
        threshold=fitted.threshold,
        blend=fitted.recipe.blend,
        scope_map=fitted.maps.scope,
        promise=fitted.promise,
    )


def _route_policy(number: int, route: Route, fitted: Fit) -> RoutePolicy:
    target = route.target_precision
    own = None if target is None else route_promise(fitted, number, target)
    chosen = own.threshold if own else fitted.threshold
    return RoutePolicy(
        name=route.name,
        description=route.description,
        model=route.model,
        threshold=chosen if route.min_confidence is None else route.min_confidence,
        threshold_given=route.min_confidence is not None,
        promise=own,
    )
