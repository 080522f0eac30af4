"""Catalogs: a client of those who look after what a server serves, by its admin listener."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from fingerpost import errors
from fingerpost.client.catalog_types import (
    AuditEntry,
    AuditHead,
    CatalogPointer,
    Change,
    Collected,
    ModelEntry,
    Moved,
    Proposal,
    RouteEntry,
    StoredRevision,
    Vote,
)
from fingerpost.client.convert import from_error
from fingerpost.client.proof import token_metadata
from fingerpost.v1 import catalog_service_pb2 as pb
from fingerpost.v1.catalog_service_pb2_grpc import CatalogServiceStub

DEFAULT_TIMEOUT_SECONDS = 30.0
_PAGE = 1_000
_ATTEMPTS = 3


class CatalogClient:
    """Calls the admin listener from ordinary code; safe to share between threads. A context manager, or `close` it.

    Every method raises `errors.FingerpostError`; the class tells what to do. A change whose reply was lost is repeated
    with its key, so that it has one effect. A revision is named by the first 6 or more characters of its digest, and by
    "" where the one in force may be meant.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
    ) -> None:
        """Prepare a channel; it connects at the first call.

        Args:
            target: As unix:data/admin.sock, or HOST:PORT.
            timeout_seconds: Deadline of each call, above 0.
            credentials: For TLS; None speaks plain text.
            token: Says who we are; without it a certificate or our user does.

        Raises:
            InvalidRequest: the token would go through plain text off this machine.
        """
        self._metadata = token_metadata(token, target, credentials)
        # The path of a Unix socket is no name of a host, which the library would send as such.
        options = [("grpc.default_authority", "localhost")] if target.startswith("unix:") else []
        self._channel = (
            grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)
        )
        self._stub = CatalogServiceStub(self._channel)
        self._timeout_seconds = timeout_seconds

    def catalogs(self) -> list[CatalogPointer]:
        """What each catalog serves, by name."""
        reply = self._call(self._stub.ListCatalogs, pb.ListCatalogsRequest())
        return [CatalogPointer(one.name, one.revision, one.generation) for one in reply.catalogs]

    def routes(self, catalog: str = "", revision: str = "") -> list[RouteEntry]:
        """By name."""
        reply = self._call(self._stub.ListRoutes, pb.ListRoutesRequest(catalog=catalog, revision=revision))
        return [_route(one) for one in reply.routes]

    def utterances(self, route: str, catalog: str = "", revision: str = "") -> list[str]:
        """Of one route, in the order of the revision."""
        request = pb.GetRouteRequest(catalog=catalog, revision=revision, name=route, page_size=_PAGE)
        return [text for reply in self._pages(self._stub.GetRoute, request) for text in reply.utterances]

    def models(self, catalog: str = "", revision: str = "") -> list[ModelEntry]:
        """By name."""
        reply = self._call(self._stub.ListModels, pb.ListModelsRequest(catalog=catalog, revision=revision))
        return [_model(one) for one in reply.models]

    def revisions(self) -> list[StoredRevision]:
        """The latest stored first."""
        request = pb.ListRevisionsRequest(page_size=_PAGE)
        return [_revision(one) for reply in self._pages(self._stub.ListRevisions, request) for one in reply.revisions]

    def compare(self, before: str, after: str, catalog: str = "") -> list[Change]:
        """What two revisions have otherwise."""
        request = pb.CompareRevisionsRequest(catalog=catalog, before=before, after=after)
        reply = self._call(self._stub.CompareRevisions, request)
        return [Change(one.subject, one.name, one.field, one.before, one.after) for one in reply.changes]

    def proposals(self, catalog: str = "") -> list[Proposal]:
        """The latest first."""
        reply = self._call(self._stub.ListProposals, pb.ListProposalsRequest(catalog=catalog))
        return [_proposal(one) for one in reply.proposals]

    def propose(self, revision: str, catalog: str = "", comment: str = "") -> Proposal:
        """Propose that the catalog serves the revision."""
        request = pb.ProposeRevisionRequest(
            catalog=catalog, revision=revision, comment=comment, idempotency_key=_new_key()
        )
        return _proposal(self._change(self._stub.ProposeRevision, request).proposal)

    def approve(self, revision: str, catalog: str = "", comment: str = "") -> Proposal:
        """Approve what somebody else proposed."""
        request = pb.ApproveRevisionRequest(
            catalog=catalog, revision=revision, comment=comment, idempotency_key=_new_key()
        )
        return _proposal(self._change(self._stub.ApproveRevision, request).proposal)

    def reject(self, revision: str, catalog: str = "", comment: str = "") -> Proposal:
        """Reject what was proposed; the comment must say why."""
        request = pb.RejectRevisionRequest(
            catalog=catalog, revision=revision, comment=comment, idempotency_key=_new_key()
        )
        return _proposal(self._change(self._stub.RejectRevision, request).proposal)

    def activate(self, revision: str, catalog: str = "", expected_generation: int | None = None) -> Moved:
        """Let the catalog serve the revision."""
        request = pb.ActivateRevisionRequest(
            catalog=catalog, revision=revision, expected_generation=expected_generation, idempotency_key=_new_key()
        )
        return _moved(self._change(self._stub.ActivateRevision, request))

    def roll_back(self, catalog: str = "", revision: str = "") -> Moved:
        """Let the catalog serve what it served before."""
        request = pb.RollBackCatalogRequest(catalog=catalog, revision=revision, idempotency_key=_new_key())
        return _moved(self._change(self._stub.RollBackCatalog, request))

    def audit(self, catalog: str = "", last: int | None = None) -> list[AuditEntry]:
        """The entries, the latest first: of one catalog or all, the last ones or all."""
        size = _PAGE if last is None else min(last, _PAGE)
        found: list[AuditEntry] = []
        for reply in self._pages(
            self._stub.ListAuditEntries, pb.ListAuditEntriesRequest(catalog=catalog, page_size=size)
        ):
            found.extend(map(_entry, reply.entries))
            if last is not None and len(found) >= last:
                return found[:last]
        return found

    def verify(self, known_hash: str = "") -> AuditHead:
        """Where the audit ends, proven to be whole."""
        reply = self._call(self._stub.VerifyAudit, pb.VerifyAuditRequest(known_hash=known_hash))
        return AuditHead(reply.sequence, reply.hash)

    def collect(self, keep_last: int, *, dry_run: bool = False) -> Collected:
        """Remove revisions that nobody needs any more."""
        request = pb.CollectGarbageRequest(keep_last=keep_last, dry_run=dry_run, idempotency_key=_new_key())
        reply = self._change(self._stub.CollectGarbage, request)
        return Collected(tuple(reply.revisions), reply.bytes, tuple(reply.unused_encoders))

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Any, message: Any) -> Any:  # noqa: ANN401
        try:
            return method(message, timeout=self._timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_error(error) from error

    def _change(self, method: Any, message: Any) -> Any:  # noqa: ANN401
        """Repeated while it is not known whether it was done: the message has a key."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._call(method, message)
            except errors.Unavailable:
                continue
        return self._call(method, message)

    def _pages(self, method: Any, message: Any) -> Iterator[Any]:  # noqa: ANN401
        while True:
            reply = self._call(method, message)
            yield reply
            if not reply.next_page_token:
                return
            message.page_token = reply.next_page_token


def _new_key() -> str:
    return uuid.uuid4().hex


def _time(time: Timestamp) -> datetime:
    return time.ToDatetime(tzinfo=UTC)


def _route(one: pb.Route) -> RouteEntry:
    return RouteEntry(
        one.name,
        one.description,
        one.model,
        one.threshold,
        one.threshold_given,
        one.utterances_count,
        tuple(one.models),
        one.selection,
        tuple(one.fallback),
    )


def _model(one: pb.Model) -> ModelEntry:
    return ModelEntry(
        one.name,
        one.upstream_model,
        one.provider,
        one.description,
        _known(one, "input_price_usd_micros"),
        _known(one, "output_price_usd_micros"),
        _known(one, "context_window_tokens"),
        tuple(one.capabilities),
        one.tier,
        _known(one, "cached_input_price_usd_micros"),
        _known(one, "max_output_tokens"),
        tuple(one.languages),
        tuple(one.regions),
        dict(one.quality),
        _known(one, "latency_p50_ms"),
        _known(one, "latency_p95_ms"),
    )


def _revision(one: pb.Revision) -> StoredRevision:
    return StoredRevision(
        one.digest,
        _time(one.stored_time),
        tuple(one.active_in),
        _known(one, "routes_count"),
        _known(one, "exemplars_count"),
        one.encoder or None,
        one.encoder_digest or None,
        _known(one, "tests_count"),
        _known(one, "tests_accuracy"),
        _known(one, "left_out_accuracy"),
        one.damage or None,
    )


def _known(message: Any, field: str) -> Any:  # noqa: ANN401
    return getattr(message, field) if message.HasField(field) else None


def _proposal(one: pb.Proposal) -> Proposal:
    return Proposal(
        one.catalog,
        one.revision,
        pb.ProposalState.Name(one.state).removeprefix("PROPOSAL_STATE_").lower(),
        one.proposer,
        one.comment,
        _time(one.time),
        one.approvals_needed,
        tuple(map(_vote, one.approvals)),
        _vote(one.rejection) if one.HasField("rejection") else None,
    )


def _vote(one: pb.Vote) -> Vote:
    return Vote(one.actor, one.comment, _time(one.time))


def _entry(one: pb.AuditEntry) -> AuditEntry:
    return AuditEntry(
        one.sequence,
        _time(one.time),
        one.actor,
        one.action,
        one.catalog,
        one.revision,
        dict(sorted(one.details.items())),
        one.key,
        one.previous_hash,
        one.hash,
    )


def _moved(reply: pb.ActivateRevisionResponse | pb.RollBackCatalogResponse) -> Moved:
    catalog = reply.catalog
    return Moved(catalog.name, catalog.revision, catalog.generation, _entry(reply.entry))
