"""Document: what a revision does and who let it be served, gathered for people who review it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fingerpost.build.metrics import Measured
from fingerpost.build.report import Confusion, Report
from fingerpost.release.comparing import changes
from fingerpost.release.proposing import proposal_of
from fingerpost.types import (
    MOVES,
    OUT_OF_SCOPE,
    Activation,
    AuditEntry,
    Change,
    EncoderId,
    Model,
    Policy,
    Promise,
    Revision,
    RoutePolicy,
)

_EXAMPLES = 5  # utterances of a route that are shown


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route, its size, and how its held-out tests fare."""

    policy: RoutePolicy
    utterances_count: int
    examples: tuple[str, ...]
    tests_count: int | None = None  # None: the report says nothing of it
    tests_best: int = 0  # of them it was the best route
    tests_accepted: int = 0
    confused_with: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model and the routes that it answers."""

    model: Model
    routes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """All that the page tells."""

    catalog: str
    digest: str
    state: str  # in force, served before, proposed, approved, rejected or stored
    generation: int | None  # under which it is, or last was, in force
    encoder: EncoderId
    policy: Policy
    threshold: float  # of routes that give none
    promise: Promise | None  # what it rests on
    routes: tuple[RouteFacts, ...]
    models: tuple[ModelFacts, ...]
    out_of_scope_count: int
    cases: int  # held-out tests that it was measured on
    metrics: Mapping[str, Measured]
    confusions: tuple[Confusion, ...]
    record: tuple[AuditEntry, ...]  # what was done with it in this catalog, by sequence
    before: str  # digest of what the catalog served before it; "": nothing, or it is not stored
    changes: tuple[Change, ...]  # since then


def document_of(
    catalog: str,
    revision: Revision,
    report: Report | None,
    pointer: Activation | None,
    entries: Sequence[AuditEntry],
    before: Revision | None,
) -> Document:
    """Gather it.

    Args:
        catalog: Its name.
        revision: What the page is about.
        report: That was stored with it; None: it is of another version of the program.
        pointer: What the catalog serves now.
        entries: All of the catalog, by sequence.
        before: What it served before that revision, where that is stored.
    """
    record = tuple(one for one in entries if one.event.revision == revision.digest)
    decider = revision.decider
    return Document(
        catalog=catalog,
        digest=revision.digest,
        state=_state(revision.digest, pointer, record),
        generation=_generation(record),
        encoder=revision.encoder,
        policy=decider.policy,
        threshold=decider.threshold,
        promise=decider.promise,
        routes=_routes(revision, report),
        models=tuple(
            ModelFacts(
                model, tuple(sorted(route.name for route in decider.routes if name in (route.models or (route.model,))))
            )
            for name, model in sorted(decider.models.items())
        ),
        out_of_scope_count=sum(exemplar.route == OUT_OF_SCOPE for exemplar in revision.exemplars),
        cases=report.cases if report else 0,
        metrics=report.metrics if report else {},
        confusions=report.confusions if report else (),
        record=record,
        before=before.digest if before else "",
        changes=tuple(changes(before, revision)) if before else (),
    )


def _may_take(route: RoutePolicy, model: str) -> bool:
    return model in (route.models or (route.model,))


def served_before(digest: str, entries: Sequence[AuditEntry]) -> str | None:
    """What the catalog served when it first moved to that revision, or serves now while it never did.

    Args:
        digest: Of the revision.
        entries: All of the catalog, by sequence.
    """
    moves = [one.event for one in entries if one.event.action in MOVES]
    for event in moves:
        if event.revision == digest:
            return event.details.get("before")
    return moves[-1].revision if moves else None


def _state(digest: str, pointer: Activation | None, record: Sequence[AuditEntry]) -> str:
    if pointer is not None and pointer.revision == digest:
        return "in force"
    if any(entry.event.action in MOVES for entry in record):
        return "served before"
    proposal = proposal_of(record)
    return proposal.state.value if proposal else "stored"


def _generation(record: Sequence[AuditEntry]) -> int | None:
    moves = [entry.event.details["generation"] for entry in record if entry.event.action in MOVES]
    return int(moves[-1]) if moves else None


def _routes(revision: Revision, report: Report | None) -> tuple[RouteFacts, ...]:
    measured = {one.route: one for one in report.routes} if report else {}
    facts = []
    for number, route in enumerate(revision.decider.routes):
        texts = [exemplar.text for exemplar in revision.exemplars if exemplar.route == number]
        one = measured.get(route.name)
        counts = (one.cases, one.best, one.accepted, one.confusions) if one else (None, 0, 0, None)
        facts.append(RouteFacts(route, len(texts), tuple(texts[:_EXAMPLES]), *counts))
    return tuple(sorted(facts, key=lambda fact: fact.policy.name))
