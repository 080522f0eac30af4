"""Between catalogs as messages and as our own data."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.ports import StoredRevision
from fingerpost.serve.runtime import CATALOG_NAME, CATALOG_NAME_RULE, DEFAULT_CATALOG
from fingerpost.types import Activation, AuditEntry, Change, Model, Proposal, ProposalState, Revision, RoutePolicy, Vote
from fingerpost.v1 import catalog_service_pb2 as pb

_PAGE, _LARGEST_PAGE = 100, 1_000
_KEY_CHARACTERS = 128
_STATES = {
    ProposalState.PROPOSED: pb.PROPOSAL_STATE_PROPOSED,
    ProposalState.APPROVED: pb.PROPOSAL_STATE_APPROVED,
    ProposalState.REJECTED: pb.PROPOSAL_STATE_REJECTED,
}

_Item = TypeVar("_Item")


def catalog_of(name: str) -> str:
    """The catalog that a request names.

    Raises:
        InvalidRequest: that is no name of one.
    """
    if name and not CATALOG_NAME.match(name):
        raise _wrong("catalog", CATALOG_NAME_RULE)
    return name or DEFAULT_CATALOG


def revision_of(begins: str, field: str = "revision") -> str:
    """How a revision's digest begins that must be named.

    Raises:
        InvalidRequest: nothing is named.
    """
    if not begins:
        raise _wrong(field, "the first 6 or more characters of a revision's digest")
    return begins


def key_of(key: str) -> str:
    """The caller's key of a change; empty where they gave none.

    Raises:
        InvalidRequest: it is too long, or has characters that cannot be shown.
    """
    if len(key) > _KEY_CHARACTERS or not key.isprintable():
        raise _wrong("idempotency_key", f"at most {_KEY_CHARACTERS} printable characters")
    return key


def page(items: Sequence[_Item], size: int, token: str) -> tuple[Sequence[_Item], str]:
    """Some of the items, and the token of what follows; empty after the last.

    Raises:
        InvalidRequest: the size is out of range, or no answer gave that token.
    """
    if not 0 <= size <= _LARGEST_PAGE:
        raise _wrong("page_size", f"1 to {_LARGEST_PAGE}, not {size}")
    if token and not (token.isascii() and token.isdecimal() and len(token) < 12):
        raise _wrong("page_token", "the next_page_token of the answer before")
    begin = int(token or 0)
    end = begin + (size or _PAGE)
    return items[begin:end], str(end) if end < len(items) else ""


def to_time(time_us: int) -> Timestamp:
    time = Timestamp()
    time.FromMicroseconds(time_us)
    return time


def to_catalog(activation: Activation) -> pb.Catalog:
    return pb.Catalog(name=activation.catalog, revision=activation.revision, generation=activation.generation)


def to_entry(entry: AuditEntry) -> pb.AuditEntry:
    event = entry.event
    return pb.AuditEntry(
        sequence=entry.sequence,
        time=to_time(entry.time_us),
        actor=event.actor,
        action=str(event.action),
        catalog=event.catalog,
        revision=event.revision,
        details=dict(event.details),
        key=entry.key,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def to_proposal(proposal: Proposal) -> pb.Proposal:
    return pb.Proposal(
        catalog=proposal.catalog,
        revision=proposal.revision,
        state=_STATES[proposal.state],
        proposer=proposal.proposer,
        comment=proposal.comment,
        time=to_time(proposal.time_us),
        approvals_needed=proposal.approvals_needed,
        approvals=map(_to_vote, proposal.approvals),
        rejection=None if proposal.rejection is None else _to_vote(proposal.rejection),
    )


def to_routes(revision: Revision) -> list[pb.Route]:
    """By name."""
    counts = Counter(exemplar.route for exemplar in revision.exemplars)
    routes = [_to_route(route, counts[number]) for number, route in enumerate(revision.decider.routes)]
    return sorted(routes, key=lambda route: route.name)


def to_models(revision: Revision) -> list[pb.Model]:
    """By name."""
    return [_to_model(model) for _, model in sorted(revision.decider.models.items())]


def to_revision(stored: StoredRevision) -> pb.Revision:
    return pb.Revision(
        digest=stored.digest,
        stored_time=to_time(int(stored.stored.timestamp() * 1e6)),
        active_in=stored.active_in,
        routes_count=stored.routes,
        exemplars_count=stored.exemplars,
        encoder=stored.encoder or "",
        encoder_digest=stored.encoder_digest or "",
        tests_count=stored.tests,
        tests_accuracy=stored.tests_accuracy,
        left_out_accuracy=stored.left_out_accuracy,
        damage=stored.damage or "",
    )


def to_change(change: Change) -> pb.Change:
    return pb.Change(
        subject=change.subject, name=change.name, field=change.field, before=change.before, after=change.after
    )


def _to_vote(vote: Vote) -> pb.Vote:
    return pb.Vote(actor=vote.actor, comment=vote.comment, time=to_time(vote.time_us))


def _to_route(route: RoutePolicy, count: int) -> pb.Route:
    return pb.Route(
        name=route.name,
        description=route.description,
        model=route.model,
        threshold=route.threshold,
        threshold_given=route.threshold_given,
        utterances_count=count,
        models=route.models or (route.model,),
        selection=route.selection.mode.value,
        fallback=route.fallback,
    )


def _to_model(model: Model) -> pb.Model:
    return pb.Model(
        name=model.name,
        upstream_model=model.upstream_model,
        provider=model.provider,
        description=model.description,
        input_price_usd_micros=model.input_price_usd_micros,
        output_price_usd_micros=model.output_price_usd_micros,
        context_window_tokens=model.context_window_tokens,
        capabilities=model.capabilities,
        tier=model.tier,
        cached_input_price_usd_micros=model.cached_input_price_usd_micros,
        max_output_tokens=model.max_output_tokens,
        languages=model.languages,
        regions=model.regions,
        quality=model.quality,
        latency_p50_ms=model.latency_p50_ms,
        latency_p95_ms=model.latency_p95_ms,
    )


def _wrong(field: str, description: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {description}", fields=[FieldViolation(field, description)])
