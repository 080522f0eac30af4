"""The build path, in order: route files become the active revision. The only file that knows every step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from fingerpost.build.activate import activate
from fingerpost.build.evaluate import Case, Report, evaluate
from fingerpost.build.fit import Fit, fit
from fingerpost.build.index import build_index
from fingerpost.build.load import load
from fingerpost.build.priors import PRIORS
from fingerpost.build.publish import publish
from fingerpost.build.vectorise import vectorise
from fingerpost.ports import ActivationStore, Embedder, IndexEngine, Progress, RevisionStore, VectorCache
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.types import OUT_OF_SCOPE, Activation, Catalog, Decider, EncoderId, Exemplar, Finding, RoutePolicy

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

    texts = [e.text for e in exemplars] + [c.text.text for c in cases]
    vectors = vectorise(texts, shop.embedders, shop.cache, shop.progress)
    own, held_out = vectors[: len(exemplars)], vectors[len(exemplars) :]

    shop.progress.step("index")
    index_bytes = build_index(own, shop.engine)

    shop.progress.step("fit", len(exemplars))
    prior = PRIORS.get(shop.encoder.name)
    fitted = fit(own, exemplars, DEFAULT_VOTE, catalog.policy, prior, shop.progress)
    decider = decider_of(catalog, fitted)

    shop.progress.step("evaluate", len(cases))
    index = shop.engine.open(index_bytes)
    report = evaluate(cases, held_out, index, exemplars, decider, shop.progress)

    shop.progress.step("publish")
    report_bytes = _report.dump_json(report, indent=1) + b"\n"
    revision = publish(shop.revisions, shop.encoder, exemplars, shop.engine.kind, index_bytes, decider, report_bytes)

    shop.progress.step("activate")
    activation, changed = activate(shop.activations, catalog_name, revision)
    return Reindexed(
        activation, changed, report, loaded.findings, len(catalog.routes), len(exemplars), fitted.left_out_accuracy
    )


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
    routes = tuple(
        RoutePolicy(
            name=route.name,
            description=route.description,
            model=route.model,
            threshold=fitted.threshold if route.min_confidence is None else route.min_confidence,
            threshold_given=route.min_confidence is not None,
        )
        for route in catalog.routes
    )
    models = {model.name: model for model in catalog.models}
    return Decider(routes, models, catalog.policy, DEFAULT_VOTE, fitted.confidence_map, fitted.threshold)
