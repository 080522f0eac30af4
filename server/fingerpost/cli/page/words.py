"""Words: what the page says about its numbers."""

from collections.abc import Callable
from dataclasses import dataclass

from fingerpost.build.metrics import Measured
from fingerpost.build.portrait.portrait import Origin, Portrait

_NOT_MEASURED = Measured(None, None, None)


@dataclass(frozen=True, slots=True)
class Tile:
    """One number that everybody should know."""

    title: str
    measured: Measured
    detail: str


@dataclass(frozen=True, slots=True)
class MetricName:
    """How a metric is called in a table, and what it says."""

    title: str
    detail: str
    share: bool  # shown as a percentage


METRIC_NAMES = {
    "top1_accuracy": MetricName("Best route right", "before any threshold, of the texts in scope", share=True),
    "in_scope_accuracy": MetricName("Routed and right", "of all texts in scope", share=True),
    "coverage": MetricName("Gets a route", "of all texts", share=True),
    "precision": MetricName("Right when routed", "out-of-scope texts that got a route count as wrong", share=True),
    "oos_recall": MetricName("Held back rightly", "of the texts out of scope", share=True),
    "oos_auroc": MetricName("In and out of scope told apart", "1 is perfect, 0.5 is chance (AUROC)", share=False),
    "fpr95": MetricName("Out of scope let through", "where 95% of the texts in scope pass", share=True),
    "ece": MetricName("Calibration error", "0 is perfect", share=False),
    "brier": MetricName("Brier score", "0 is perfect", share=False),
    "aurc": MetricName("Risk over coverage", "mean error of the surest; 0 is perfect (AURC)", share=False),
}
COMPARED = ("top1_accuracy", "in_scope_accuracy", "coverage", "precision", "oos_recall")
"""Metrics that a system without probabilities has too."""


def percent(share: float | None) -> str:
    """With one decimal; a dash where there is nothing."""
    return "–" if share is None else f"{share:.0%}" if share in {0.0, 1.0} else f"{100 * share:.1f}%"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def count(value: int, one: str, many: str) -> str:
    return f"{value:,} {one if value == 1 else many}"


def metric(portrait: Portrait, name: str) -> Measured:
    return portrait.report.metrics.get(name, _NOT_MEASURED)


def made_of(portrait: Portrait) -> str:
    """What the catalog consists of."""
    inside = sum(len(route.utterances) for route in portrait.routes)
    outside = len(portrait.outside.utterances)
    more = f", and {count(outside, 'text that belongs', 'texts that belong')} to none" if outside else ""
    return f"{count(len(portrait.routes), 'route', 'routes')} with {count(inside, 'utterance', 'utterances')}{more}."


def verdict(portrait: Portrait) -> str:
    """How good the decisions are, in one or two sentences."""
    report = portrait.report
    if not report.cases:
        return "How good its decisions are is not known: there were no labelled texts to try."
    routed, right = routed_count(portrait), right_count(portrait)
    first = (
        f"Of {count(report.cases, 'test text', 'test texts')}, {routed:,} ({percent(routed / report.cases)}) "
        f"got a route"
    )
    if not routed:
        return f"{first}: all others fell back to the model {portrait.decider.policy.fallback_model}."
    return f"{first}, and {right:,} of these ({percent(right / routed)}) got the right one."


def routed_count(portrait: Portrait) -> int:
    outside = portrait.outside.counts.accepted
    return sum(route.counts.accepted for route in portrait.routes) + outside + _unknown(portrait)


def right_count(portrait: Portrait) -> int:
    return sum(route.counts.accepted_right for route in portrait.routes)


def _unknown(portrait: Portrait) -> int:
    """Accepted cases whose label is no route of the catalog."""
    coverage = metric(portrait, "coverage").value or 0.0
    known = sum(route.counts.accepted for route in portrait.routes) + portrait.outside.counts.accepted
    return max(0, round(coverage * portrait.report.cases) - known)


def tiles(portrait: Portrait) -> list[Tile]:
    """The numbers at the top."""
    report = portrait.report
    inside = report.cases - report.out_of_scope_cases
    routed, right = routed_count(portrait), right_count(portrait)
    best = sum(route.counts.best for route in portrait.routes)
    held = report.out_of_scope_cases - portrait.outside.counts.accepted
    described: list[tuple[str, str, Callable[[], str]]] = [
        ("coverage", "Gets a route", lambda: f"{routed:,} of {report.cases:,} test texts; the others fall back"),
        ("precision", "Right when routed", lambda: f"{right:,} of {routed:,} texts that got a route"),
        ("top1_accuracy", "Best guess right", lambda: f"{best:,} of {inside:,} texts in scope, before the threshold"),
        ("oos_recall", "Held back rightly", lambda: f"{held:,} of {report.out_of_scope_cases:,} texts out of scope"),
    ]
    return [
        Tile(title, metric(portrait, name), detail() if metric(portrait, name).value is not None else "not measured")
        for name, title, detail in described
    ]


def source(portrait: Portrait) -> str:
    """Where the cases come from."""
    match portrait.source.origin:
        case Origin.FILE:
            return f"The test texts are those of {portrait.source.name}."
        case Origin.ROUTES:
            return f"The test texts are those under tests: in {portrait.source.name}."
        case Origin.REVISION:
            return (
                "The counts are those that the last reindex left; the test texts themselves were not at hand. "
                "With --routes FOLDER or --cases FILE this page tells more."
            )
