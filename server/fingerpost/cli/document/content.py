"""Content: what the page says of a revision."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fingerpost.cli.document.blocks import Block, Bullets, Code, Heading, Paragraph, Table
from fingerpost.cli.document.guards import breakers, budgets, experiments
from fingerpost.cli.promises import promised
from fingerpost.serve.rules import actions_of

if TYPE_CHECKING:
    from fingerpost.build.document import Document, ModelFacts, RouteFacts
    from fingerpost.types import AuditEntry, Change, RoutePolicy, Rule

_DIGEST = 12  # characters
_LONGEST = 280  # characters of an utterance
_TOLD_ELSEWHERE = {"rules", "escalation", "budgets", "breakers", "experiments"}
_CONFUSIONS = 10
_METRICS = {
    "top1_accuracy": "best route right, of the tests in scope, before any threshold",
    "in_scope_accuracy": "routed and right, of all tests in scope",
    "coverage": "gets a route, of all tests",
    "precision": "right when routed; out-of-scope tests that get a route count as wrong",
    "oos_recall": "held back rightly, of the tests out of scope",
    "ece": "calibration error of the confidence; 0 is perfect",
}


def content(document: "Document") -> list[Block]:
    """The whole page, the same for the same revision and ledger."""
    return [
        Heading(1, f"How catalog {document.catalog} routes"),
        *_summary(document),
        *_routes(document),
        *_models(document),
        *_policy(document),
        *_rules(document),
        *budgets(document.policy.budgets),
        *breakers(document.policy.breakers),
        *experiments(document.policy.experiments),
        *_quality(document),
        *_changes(document),
        *_record(document),
    ]


def _summary(document: "Document") -> Iterator[Block]:
    generation = "" if document.generation is None else f", generation {document.generation}"
    yield Paragraph(f"Revision {document.digest} is {document.state}{generation}.")
    yield Paragraph(
        f"Each request is compared with {sum(route.utterances_count for route in document.routes):,} utterances of "
        f"{len(document.routes)} routes and with {document.out_of_scope_count:,} texts that belong to none. The best "
        "route answers with its model if its confidence reaches the route's threshold; else "
        f"{document.policy.fallback_model} answers. The confidence is the calibrated probability that the route is "
        "right and the request in scope."
    )


def _routes(document: "Document") -> Iterator[Block]:
    yield Heading(2, "Routes")
    yield Table(
        ("route", "model", "threshold", "utterances", "tests", "to it", "accepted"),
        tuple(_route_row(route) for route in document.routes),
    )
    yield Paragraph(
        "tests: held-out texts of the route; to it: those whose best route it was; accepted: those whose confidence "
        "reached the threshold."
    )
    for route in document.routes:
        yield from _route(route)


def _route_row(route: "RouteFacts") -> tuple[str, ...]:
    policy = route.policy
    tests = ("", "", "") if route.tests_count is None else (route.tests_count, route.tests_best, route.tests_accepted)
    threshold = f"{policy.threshold:.2f}{' (given)' if policy.threshold_given else ''}"
    return (policy.name, _model_of(policy), threshold, f"{route.utterances_count:,}", *map(str, tests))


def _model_of(policy: "RoutePolicy") -> str:
    return policy.model if not policy.models else f"{policy.selection.mode} of {', '.join(policy.models)}"


def _route(route: "RouteFacts") -> Iterator[Block]:
    policy = route.policy
    yield Heading(3, policy.name)
    if policy.description:
        yield Paragraph(policy.description)
    if policy.promise is not None:
        yield Paragraph(promised(policy.promise))
    elif policy.threshold_given:
        yield Paragraph(f"A person gave the threshold {policy.threshold:.4f}.")
    if route.examples:
        yield Paragraph(f"Some of its {route.utterances_count:,} utterances:")
        yield Bullets(tuple(f"“{_short(text)}”" for text in route.examples))
    if route.confused_with:
        others = ", ".join(f"{name} ({count})" for name, count in sorted(route.confused_with.items()))
        yield Paragraph(f"Tests of it went to: {others}.")


def _models(document: "Document") -> Iterator[Block]:
    yield Heading(2, "Models")
    yield Table(
        ("model", "upstream model", "provider", "tier", "$ per million in", "out", "context", "can", "answers"),
        tuple(_model_row(facts) for facts in document.models),
    )


def _model_row(facts: "ModelFacts") -> tuple[str, ...]:
    model = facts.model
    prices = (model.input_price_usd_micros, model.output_price_usd_micros)
    return (
        model.name,
        model.upstream_model,
        model.provider,
        model.tier,
        *("unknown" if price is None else f"{price / 1e6:g}" for price in prices),
        "unknown" if model.context_window_tokens is None else f"{model.context_window_tokens:,}",
        ", ".join(model.capabilities),
        ", ".join(facts.routes) or "no route",
    )


def _policy(document: "Document") -> Iterator[Block]:
    policy = document.policy
    chain = f", then {', '.join(policy.fallback_chain)}" if policy.fallback_chain else ""
    yield Heading(2, "Policy")
    yield Paragraph(f"Where no route is sure enough, {policy.fallback_model} answers{chain}.")
    if document.promise is not None:
        yield Paragraph(promised(document.promise))
    yield Paragraph(_approvals(policy.approvals))
    plain = {name: value for name, value in asdict(policy).items() if name not in _TOLD_ELSEWHERE}
    yield Table(("key", "value"), tuple((name, _shown(value)) for name, value in plain.items()))
    encoder = document.encoder
    yield Paragraph(f"Texts are embedded by {encoder.name}, {encoder.dim} dimensions, digest {encoder.digest}.")


def _rules(document: "Document") -> Iterator[Block]:
    policy = document.policy
    yield Heading(2, "Rules")
    if policy.rules:
        yield Paragraph(
            "Those before similarity are judged first; of each list the first that holds is followed, and those after "
            "it are not looked at unless it goes on. What is final is judged always, overrides everything else, and "
            "holds too where it cannot be judged."
        )
        yield Table(("rule", "when", "is judged", "does", "final"), tuple(map(_rule_row, policy.rules)))
    else:
        yield Paragraph("There are none: similarity alone decides.")
    limit = policy.escalation
    if limit is not None:
        yield Paragraph(
            f"When more than {limit.max_share:.0%} of the decisions of {limit.window_seconds} seconds go to models of "
            f"the tier {limit.tier}, requests that no route is sure of go to the others."
        )


def _rule_row(rule: "Rule") -> tuple[str, ...]:
    goes_on = ", goes on" if rule.goes_on else ""
    return rule.name, rule.when, f"{rule.stage} similarity{goes_on}", actions_of(rule), "yes" if rule.final else ""


def _approvals(count: int) -> str:
    if count == 0:
        return "A reindex activates what it published; nobody else need approve it."
    return (
        f"{'One other person' if count == 1 else f'{count} other people'} must approve a revision before it is served."
    )


def _quality(document: "Document") -> Iterator[Block]:
    yield Heading(2, "Measured quality")
    if not document.cases:
        yield Paragraph("It was measured on no held-out tests.")
        return
    yield Paragraph(f"On {document.cases:,} held-out tests, with 95% intervals:")
    yield Table(
        ("measure", "value", "interval", "meaning"),
        tuple(_metric_row(document, name) for name in _METRICS if name in document.metrics),
    )
    known = document.confusions[:_CONFUSIONS]
    if known:
        yield Paragraph("What it confuses most:")
        yield Table(
            ("tests of", "went to", "how many"),
            tuple((one.expected or "no route", one.best, str(one.count)) for one in known),
        )


def _metric_row(document: "Document", name: str) -> tuple[str, ...]:
    measured = document.metrics[name]
    low, high = measured.low, measured.high
    interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    return name, "unknown" if measured.value is None else f"{measured.value:.3f}", interval, _METRICS[name]


def _changes(document: "Document") -> Iterator[Block]:
    if not document.before:
        return
    yield Heading(2, "What it changed")
    if not document.changes:
        yield Paragraph(f"Nothing in routes, models and policy since revision {document.before[:_DIGEST]}.")
        return
    yield Paragraph(f"Since revision {document.before[:_DIGEST]}:")
    yield Table(("of", "name", "what", "before", "after"), tuple(map(_change_row, document.changes)))


def _change_row(change: "Change") -> tuple[str, ...]:
    what = change.field or ("added" if not change.before else "removed" if not change.after else "")
    return change.subject, change.name, what, _short(change.before), _short(change.after)


def _record(document: "Document") -> Iterator[Block]:
    yield Heading(2, "Who decided")
    if not document.record:
        yield Paragraph("Nothing was done with this revision in this catalog yet.")
        return
    yield Table(("entry", "time (UTC)", "who", "what", "details", "hash"), tuple(map(_entry_row, document.record)))
    yield Paragraph("To prove that the record is what was written then:")
    yield Code(f"fingerpost audit verify --head {document.record[-1].hash}")


def _entry_row(entry: "AuditEntry") -> tuple[str, ...]:
    event = entry.event
    details = "; ".join(f"{name}: {_short(value)}" for name, value in sorted(event.details.items()))
    time = datetime.fromtimestamp(entry.time_us / 1e6, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    return str(entry.sequence), time, event.actor, event.action.value.replace("_", " "), details, entry.hash[:_DIGEST]


def _short(text: str) -> str:
    if len(text) == 64 and text.isalnum():
        return text[:_DIGEST]
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
