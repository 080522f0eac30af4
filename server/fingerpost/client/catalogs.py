"""Catalogs: a client of those who look after what a server serves, by its admin listener."""

import grpc

from fingerpost.client.admin import DEFAULT_TIMEOUT_SECONDS, AdminClient, entry_of, new_key
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
from fingerpost.client.reading import known, time_of
from fingerpost.v1 import catalog_service_pb2 as pb
from fingerpost.v1.catalog_service_pb2_grpc import CatalogServiceStub

_PAGE = 1_000


class CatalogClient(AdminClient):
    """Looks after catalogs.

    A revision is named by the first 6 or more characters of its digest, and by "" where the one in force may be meant.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
    ) -> None:
        """See `AdminClient`."""
        super().__init__(target, timeout_seconds=timeout_seconds, credentials=credentials, token=token)
        self._stub = CatalogServiceStub(self._channel)

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
            catalog=catalog, revision=revision, comment=comment, idempotency_key=new_key()
        )
        return _proposal(self._change(self._stub.ProposeRevision, request).proposal)

    def approve(self, revision: str, catalog: str = "", comment: str = "") -> Proposal:
        """Approve what somebody else proposed."""
        request = pb.ApproveRevisionRequest(
            catalog=catalog, revision=revision, comment=comment, idempotency_key=new_key()
        )
        return _proposal(self._change(self._stub.ApproveRevision, request).proposal)

    def reject(self, revision: str, catalog: str = "", comment: str = "") -> Proposal:
        """Reject what was proposed; the comment must say why."""
        request = pb.RejectRevisionRequest(
            catalog=catalog, revision=revision, comment=comment, idempotency_key=new_key()
        )
        return _proposal(self._change(self._stub.RejectRevision, request).proposal)

    def activate(self, revision: str, catalog: str = "", expected_generation: int | None = None) -> Moved:
        """Let the catalog serve the revision."""
        request = pb.ActivateRevisionRequest(
            catalog=catalog, revision=revision, expected_generation=expected_generation, idempotency_key=new_key()
        )
        return _moved(self._change(self._stub.ActivateRevision, request))

    def roll_back(self, catalog: str = "", revision: str = "") -> Moved:
        """Let the catalog serve what it served before."""
        request = pb.RollBackCatalogRequest(catalog=catalog, revision=revision, idempotency_key=new_key())
        return _moved(self._change(self._stub.RollBackCatalog, request))

    def audit(self, catalog: str = "", last: int | None = None) -> list[AuditEntry]:
        """The entries, the latest first: of one catalog or all, the last ones or all."""
        size = _PAGE if last is None else min(last, _PAGE)
        found: list[AuditEntry] = []
        for reply in self._pages(
            self._stub.ListAuditEntries, pb.ListAuditEntriesRequest(catalog=catalog, page_size=size)
        ):
            found.extend(map(entry_of, reply.entries))
            if last is not None and len(found) >= last:
                return found[:last]
        return found

    def verify(self, known_hash: str = "") -> AuditHead:
        """Where the audit ends, proven to be whole."""
        reply = self._call(self._stub.VerifyAudit, pb.VerifyAuditRequest(known_hash=known_hash))
        return AuditHead(reply.sequence, reply.hash)

    def collect(self, keep_last: int, *, dry_run: bool = False) -> Collected:
        """Remove revisions that nobody needs any more."""
        request = pb.CollectGarbageRequest(keep_last=keep_last, dry_run=dry_run, idempotency_key=new_key())
        reply = self._change(self._stub.CollectGarbage, request)
        return Collected(tuple(reply.revisions), reply.bytes, tuple(reply.unused_encoders))


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
        known(one, "input_price_usd_micros"),
        known(one, "output_price_usd_micros"),
        known(one, "context_window_tokens"),
        tuple(one.capabilities),
        one.tier,
        known(one, "cached_input_price_usd_micros"),
        known(one, "max_output_tokens"),
        tuple(one.languages),
        tuple(one.regions),
        dict(one.quality),
        known(one, "latency_p50_ms"),
        known(one, "latency_p95_ms"),
    )


def _revision(one: pb.Revision) -> StoredRevision:
    return StoredRevision(
        one.digest,
        time_of(one.stored_time),
        tuple(one.active_in),
        known(one, "routes_count"),
        known(one, "exemplars_count"),
        one.encoder or None,
        one.encoder_digest or None,
        known(one, "tests_count"),
        known(one, "tests_accuracy"),
        known(one, "left_out_accuracy"),
        one.damage or None,
    )


def _proposal(one: pb.Proposal) -> Proposal:
    return Proposal(
        one.catalog,
        one.revision,
        pb.ProposalState.Name(one.state).removeprefix("PROPOSAL_STATE_").lower(),
        one.proposer,
        one.comment,
        time_of(one.time),
        one.approvals_needed,
        tuple(map(_vote, one.approvals)),
        _vote(one.rejection) if one.HasField("rejection") else None,
    )


def _vote(one: pb.Vote) -> Vote:
    return Vote(one.actor, one.comment, time_of(one.time))


def _moved(reply: pb.ActivateRevisionResponse | pb.RollBackCatalogResponse) -> Moved:
    catalog = reply.catalog
    return Moved(catalog.name, catalog.revision, catalog.generation, entry_of(reply.entry))
