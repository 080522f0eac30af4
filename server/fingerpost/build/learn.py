"""Learn: scorer, maps and threshold, anew or carried over from the active revision.

After a small change of a large catalog the settings, the maps and the threshold still hold, and only the linear head is
trained on, from where it was: seconds instead of a minute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fingerpost.build.expected import expected_of
from fingerpost.build.fit import Fit, Source, Trained, fit, route_promise, train
from fingerpost.build.held_out import OWN
from fingerpost.build.linear import Floats
from fingerpost.build.maps import Maps
from fingerpost.build.metrics import Rows, measure
from fingerpost.build.priors import Prior
from fingerpost.build.report import HeldOut, Learned, Report
from fingerpost.build.threshold import curve
from fingerpost.ports import Progress
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.types import OUT_OF_SCOPE, Catalog, Exemplar, Expected, Head, Promise, Revision

VERSION = 1
"""Grows with every change of what is learned from the same texts."""

MIN_TEXTS = 1000
"""Texts under which all is learned anew in a few seconds."""

MAX_CHANGED = 0.01
"""Share of the texts that may be added or taken away before all is learned anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """What the catalog serves now, to build on."""

    revision: Revision
    report: Report
    linears: Floats | None  # what its head is the mean of; None where it is too small to be built on


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the build learned, fit to be published."""

    trained: Trained | None  # None without any utterance
    maps: Maps
    threshold: float
    promise: Promise | None  # None where the maps are not the catalog's own
    held_out: HeldOut | None  # likewise
    learned: Learned
    route_promises: Mapping[int, Promise]  # of routes with a target of their own
    expected: Expected | None

    @property
    def head(self) -> Head | None:
        return self.trained.head if self.trained else None

    @property
    def linears(self) -> Floats | None:
        """What later revisions build on; None for a catalog so small that none does."""
        return self.trained.linears if self.trained and self.learned.texts >= MIN_TEXTS else None


def learn(source: Source, catalog: Catalog, prior: Prior | None, progress: Progress, proof: Source | None) -> Lesson:
    """Learn everything from the texts; see `fit.fit`."""
    fitted = fit(source, DEFAULT_VOTE, catalog.policy, prior, progress, proof)
    promises = {
        number: promise
        for number, route in enumerate(catalog.routes)
        if route.target_precision and (promise := route_promise(fitted, number, route.target_precision))
    }
    learned = Learned(VERSION, fitted.recipe, fitted.left_out_accuracy, len(source.exemplars), 0)
    held_out = _held_out(fitted)
    expected = expected_of(fitted.sample, fitted.maps)
    return Lesson(fitted.trained, fitted.maps, fitted.threshold, fitted.promise, held_out, learned, promises, expected)


def carry_over(source: Source, catalog: Catalog, base: Base, progress: Progress) -> Lesson | None:
    """What the base learned, with its head trained on; None where too much is different."""
    learned, decider, head = base.report.learned, base.revision.decider, base.revision.head
    if learned is None or head is None or base.linears is None or not _same_questions(catalog, base.revision):
        return None
    changed = _difference(source.exemplars, base.revision.exemplars)
    learned = replace(learned, changed=learned.changed + changed)
    if learned.version != VERSION or learned.changed > MAX_CHANGED * learned.texts:
        return None
    progress.step("fit")
    trained = train(source, learned.recipe, base.linears) if changed else Trained(head, base.linears)
    promises = {number: route.promise for number, route in enumerate(decider.routes) if route.promise}
    maps = Maps(decider.confidence_map, decider.scope_map)
    held_out = base.report.held_out
    return Lesson(trained, maps, decider.threshold, decider.promise, held_out, learned, promises, decider.expected)


def _same_questions(catalog: Catalog, base: Revision) -> bool:
    """Whether routes, scorer and targets are those that the base revision learned for."""
    policy, known = catalog.policy, base.decider.policy
    return (
        [(route.name, route.description) for route in catalog.routes]
        == [(route.name, route.description) for route in base.decider.routes]
        and (policy.scorer, policy.target_precision, policy.out_of_scope_share)
        == (known.scorer, known.target_precision, known.out_of_scope_share)
        and [route.target_precision for route in catalog.routes]
        == [route.promise.target_precision if route.promise else None for route in base.decider.routes]
        and {exemplar.route for exemplar in base.exemplars} - {OUT_OF_SCOPE}
        == {number for number, route in enumerate(catalog.routes) if route.utterances}
    )


def _difference(one: Sequence[Exemplar], other: Sequence[Exemplar]) -> int:
    """How many texts only one of them holds for its route."""
    return len(set(one) ^ set(other))


def _held_out(fitted: Fit) -> HeldOut | None:
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
