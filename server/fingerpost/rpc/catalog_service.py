"""The catalog service: convert, ask the desk off the event loop, convert."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from fingerpost.errors import ErrorReason, NotFound
from fingerpost.ports import CatalogDesk
from fingerpost.release.audit import verified
from fingerpost.release.comparing import changes
from fingerpost.rpc.catalog_convert import (
    catalog_of,
    page,
    revision_of,
    to_catalog,
    to_change,
    to_entry,
    to_models,
    to_proposal,
    to_revision,
    to_routes,
)
from fingerpost.rpc.desks import Desks, author, call_id
from fingerpost.types import Author, Revision
from fingerpost.v1 import catalog_service_pb2 as pb
from fingerpost.v1.catalog_service_pb2_grpc import CatalogServiceServicer, add_CatalogServiceServicer_to_server

CATALOG_SERVICE = pb.DESCRIPTOR.services_by_name["CatalogService"].full_name

_KEPT = 10  # revisions of each catalog, where the caller does not say

_Context = grpc.aio.ServicerContext[Any, Any]


class CatalogService(CatalogServiceServicer):
    """Answers CatalogService; documented in the proto file."""

    def __init__(self, open_desk: Callable[[], CatalogDesk], folder: Path) -> None:
        """Nothing is opened yet.

        Args:
            open_desk: Called for each call, off the event loop.
            folder: That it works on; errors leave the server with DATA in its place.
        """
        self._desks = Desks(open_desk, folder, "catalogs")

    def add_to(self, server: grpc.aio.Server) -> str:
        """Add the service to a server, and tell its name."""
        add_CatalogServiceServicer_to_server(self, server)
        return CATALOG_SERVICE

    async def ListCatalogs(self, request: pb.ListCatalogsRequest, context: _Context) -> pb.ListCatalogsResponse:  # noqa: N802
        pointers = await self._desks.ask(lambda desk: desk.pointers())
        return pb.ListCatalogsResponse(catalogs=map(to_catalog, pointers), request_id=call_id())

    async def ListRoutes(self, request: pb.ListRoutesRequest, context: _Context) -> pb.ListRoutesResponse:  # noqa: N802
        revision = await self._revision(request.catalog, request.revision)
        return pb.ListRoutesResponse(routes=to_routes(revision), revision=revision.digest, request_id=call_id())

    async def GetRoute(self, request: pb.GetRouteRequest, context: _Context) -> pb.GetRouteResponse:  # noqa: N802
        revision = await self._revision(request.catalog, request.revision)
        route = next((one for one in to_routes(revision) if one.name == request.name), None)
        if route is None:
            raise NotFound(
                f"revision {revision.digest[:12]} has no such route: ListRoutes lists them", ErrorReason.ROUTE_NOT_FOUND
            )
        number = [one.name for one in revision.decider.routes].index(request.name)
        texts = [one.text for one in revision.exemplars if one.route == number]
        shown, following = page(texts, request.page_size, request.page_token)
        return pb.GetRouteResponse(
            route=route, utterances=shown, next_page_token=following, revision=revision.digest, request_id=call_id()
        )

    async def ListModels(self, request: pb.ListModelsRequest, context: _Context) -> pb.ListModelsResponse:  # noqa: N802
        revision = await self._revision(request.catalog, request.revision)
        policy = revision.decider.policy
        return pb.ListModelsResponse(
            models=to_models(revision),
            fallback_model=policy.fallback_model,
            fallback_chain=policy.fallback_chain,
            revision=revision.digest,
            request_id=call_id(),
        )

    async def ListRevisions(self, request: pb.ListRevisionsRequest, context: _Context) -> pb.ListRevisionsResponse:  # noqa: N802
        stored = await self._desks.ask(lambda desk: desk.revisions())
        shown, following = page(stored, request.page_size, request.page_token)
        return pb.ListRevisionsResponse(
            revisions=map(to_revision, shown), next_page_token=following, request_id=call_id()
        )

    async def GetRevision(self, request: pb.GetRevisionRequest, context: _Context) -> pb.GetRevisionResponse:  # noqa: N802
        begins = revision_of(request.revision)
        stored = await self._desks.ask(lambda desk: desk.revisions())
        found = [one for one in stored if one.digest.startswith(begins)]
        if len(found) != 1:
            # The desk tells it in its own words, as everywhere else.
            digest = (await self._desks.ask(lambda desk: desk.revision("", begins))).digest
            found = [one for one in await self._desks.ask(lambda desk: desk.revisions()) if one.digest == digest]
        return pb.GetRevisionResponse(revision=to_revision(found[0]), request_id=call_id())

    async def CompareRevisions(  # noqa: N802
        self, request: pb.CompareRevisionsRequest, context: _Context
    ) -> pb.CompareRevisionsResponse:
        before = await self._revision(request.catalog, request.before)
        after = await self._revision(request.catalog, request.after)
        found = await self._desks.ask(lambda _: changes(before, after))
        return pb.CompareRevisionsResponse(
            changes=map(to_change, found), before=before.digest, after=after.digest, request_id=call_id()
        )

    async def ListProposals(self, request: pb.ListProposalsRequest, context: _Context) -> pb.ListProposalsResponse:  # noqa: N802
        catalog = catalog_of(request.catalog)
        found = await self._desks.ask(lambda desk: desk.proposals(catalog))
        return pb.ListProposalsResponse(proposals=map(to_proposal, found), request_id=call_id())

    async def ProposeRevision(  # noqa: N802
        self, request: pb.ProposeRevisionRequest, context: _Context
    ) -> pb.ProposeRevisionResponse:
        by, catalog, revision = _asked(request)
        done = await self._desks.ask(lambda desk: desk.propose(by, catalog, revision, request.comment))
        return pb.ProposeRevisionResponse(proposal=to_proposal(done), request_id=call_id())

    async def ApproveRevision(  # noqa: N802
        self, request: pb.ApproveRevisionRequest, context: _Context
    ) -> pb.ApproveRevisionResponse:
        by, catalog, revision = _asked(request)
        done = await self._desks.ask(lambda desk: desk.approve(by, catalog, revision, request.comment))
        return pb.ApproveRevisionResponse(proposal=to_proposal(done), request_id=call_id())

    async def RejectRevision(self, request: pb.RejectRevisionRequest, context: _Context) -> pb.RejectRevisionResponse:  # noqa: N802
        by, catalog, revision = _asked(request)
        done = await self._desks.ask(lambda desk: desk.reject(by, catalog, revision, request.comment))
        return pb.RejectRevisionResponse(proposal=to_proposal(done), request_id=call_id())

    async def ActivateRevision(  # noqa: N802
        self, request: pb.ActivateRevisionRequest, context: _Context
    ) -> pb.ActivateRevisionResponse:
        by, catalog, revision = _asked(request)
        expected = request.expected_generation if request.HasField("expected_generation") else None
        done = await self._desks.ask(lambda desk: desk.activate(by, catalog, revision, expected))
        return pb.ActivateRevisionResponse(
            catalog=to_catalog(done.activation), entry=to_entry(done.entry), request_id=call_id()
        )

    async def RollBackCatalog(  # noqa: N802
        self, request: pb.RollBackCatalogRequest, context: _Context
    ) -> pb.RollBackCatalogResponse:
        by, catalog = author(request.idempotency_key), catalog_of(request.catalog)
        done = await self._desks.ask(lambda desk: desk.roll_back(by, catalog, request.revision))
        return pb.RollBackCatalogResponse(
            catalog=to_catalog(done.activation), entry=to_entry(done.entry), request_id=call_id()
        )

    async def ListAuditEntries(  # noqa: N802
        self, request: pb.ListAuditEntriesRequest, context: _Context
    ) -> pb.ListAuditEntriesResponse:
        wanted = catalog_of(request.catalog) if request.catalog else None
        entries, _ = await self._desks.ask(lambda desk: desk.audit())
        latest = [one for one in reversed(entries) if wanted is None or one.event.catalog == wanted]
        # By sequence, so that what is written meanwhile moves nothing to another page.
        known = [one for one in latest if not request.page_token or one.sequence < _sequence(request.page_token)]
        shown, more = page(known, request.page_size, "")
        following = str(shown[-1].sequence) if more else ""
        return pb.ListAuditEntriesResponse(
            entries=map(to_entry, shown), next_page_token=following, request_id=call_id()
        )

    async def VerifyAudit(self, request: pb.VerifyAuditRequest, context: _Context) -> pb.VerifyAuditResponse:  # noqa: N802
        head = await self._desks.ask(lambda desk: verified(*desk.audit(), request.known_hash or None))
        return pb.VerifyAuditResponse(sequence=head.sequence, hash=head.hash, request_id=call_id())

    async def CollectGarbage(self, request: pb.CollectGarbageRequest, context: _Context) -> pb.CollectGarbageResponse:  # noqa: N802
        by = author(request.idempotency_key)
        keep = request.keep_last or _KEPT
        done = await self._desks.ask(lambda desk: desk.collect(by, keep, dry_run=request.dry_run))
        return pb.CollectGarbageResponse(
            revisions=done.revisions, bytes=done.bytes, unused_encoders=done.unused_encoders, request_id=call_id()
        )

    async def _revision(self, catalog: str, begins: str) -> Revision:
        name = catalog_of(catalog)
        return await self._desks.ask(lambda desk: desk.revision(name, begins))


def _asked(
    request: pb.ProposeRevisionRequest
    | pb.ApproveRevisionRequest
    | pb.RejectRevisionRequest
    | pb.ActivateRevisionRequest,
) -> tuple[Author, str, str]:
    return author(request.idempotency_key), catalog_of(request.catalog), revision_of(request.revision)


def _sequence(token: str) -> int:
    page((), 0, token)  # refuses what is no token
    return int(token)
