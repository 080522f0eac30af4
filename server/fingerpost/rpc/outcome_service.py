"""The outcome service: convert, record, convert."""

import asyncio
from typing import Any, Protocol

import grpc

from fingerpost.errors import FingerpostError
from fingerpost.rpc.call import CALL
from fingerpost.rpc.faults import check_count
from fingerpost.rpc.outcome_convert import to_recorded, to_report
from fingerpost.rpc.permissions import tenant_of
from fingerpost.rpc.reply import to_batch_error
from fingerpost.settings import Settings
from fingerpost.types import Recorded, Report
from fingerpost.v1 import outcome_service_pb2 as pb
from fingerpost.v1.outcome_service_pb2_grpc import OutcomeServiceServicer, add_OutcomeServiceServicer_to_server

OUTCOME_SERVICE = pb.DESCRIPTOR.services_by_name["OutcomeService"].full_name

_Context = grpc.aio.ServicerContext[Any, Any]


class Recorder(Protocol):
    """Keeps reports; on the event loop, which it never blocks."""

    async def record(self, report: Report, tenant: str, caller: str) -> Recorded:
        """Keep a report, durably when this returns; the first of a decision and caller stands.

        Args:
            report: Valid but for what only its decision can tell.
            tenant: That the decision was made for; empty: none.
            caller: Who reports; empty where nobody is asked to say so.

        Raises:
            NotFound: DECISION_UNKNOWN. FailedPrecondition: REPORT_LATE.
            Unavailable, Overloaded, StorageFull: it is not kept; repeat it.
        """


class OutcomeService(OutcomeServiceServicer):
    """Answers OutcomeService; documented in the proto file."""

    def __init__(self, recorder: Recorder, settings: Settings) -> None:
        self._recorder = recorder
        self._settings = settings

    def add_to(self, server: grpc.aio.Server) -> str:
        """Add the service to a server, and tell its name."""
        add_OutcomeServiceServicer_to_server(self, server)
        return OUTCOME_SERVICE

    async def ReportOutcome(  # noqa: N802
        self, request: pb.ReportOutcomeRequest, context: _Context
    ) -> pb.ReportOutcomeResponse:
        return await self._recorded(request, CALL.get().request_id)

    async def ReportOutcomes(  # noqa: N802
        self, request: pb.ReportOutcomesRequest, context: _Context
    ) -> pb.ReportOutcomesResponse:
        check_count(len(request.requests), self._settings.batch_items)
        call_id = CALL.get().request_id
        results = await asyncio.gather(
            *(
                self._batch_item(item, item.request_id or f"{call_id}-{place}")
                for place, item in enumerate(request.requests)
            )
        )
        return pb.ReportOutcomesResponse(results=results, request_id=call_id)

    async def _recorded(self, request: pb.ReportOutcomeRequest, request_id: str) -> pb.ReportOutcomeResponse:
        principal = CALL.get().principal
        request.tenant = tenant_of(principal, request.tenant)
        report = to_report(request)
        recorded = await self._recorder.record(report, request.tenant, principal.name if principal else "")
        return to_recorded(recorded, request_id)

    async def _batch_item(self, item: pb.ReportOutcomeRequest, request_id: str) -> pb.ReportOutcomesResult:
        try:
            return pb.ReportOutcomesResult(response=await self._recorded(item, request_id))
        except FingerpostError as error:
            CALL.get().errors.append(error)
            return pb.ReportOutcomesResult(error=to_batch_error(error))
