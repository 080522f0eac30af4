"""Services: convert, call, convert. What every call needs beside that lives in the boundary."""

import asyncio
import time
from typing import Any

import grpc

from fingerpost.errors import FieldViolation, FingerpostError, InvalidRequest
from fingerpost.guard.admission import Admission
from fingerpost.rpc.call import CALL
from fingerpost.rpc.convert import to_query
from fingerpost.rpc.faults import check_count
from fingerpost.rpc.permissions import tenant_of
from fingerpost.rpc.reply import to_batch_error, to_explanation, to_response, to_server_info
from fingerpost.serve.follow import Follower
from fingerpost.serve.guards import Guards
from fingerpost.serve.pipeline import Answer, Pipeline
from fingerpost.serve.runtime import Runtime
from fingerpost.settings import Settings
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceServicer

_Context = grpc.aio.ServicerContext[Any, Any]

_EXPLAINED_ALTERNATIVES = 5


class RouterService(RouterServiceServicer):
    """Answers RouterService; documented in the proto file."""

    def __init__(
        self,
        pipeline: Pipeline,
        runtime: Runtime,
        guards: Guards,
        admission: Admission,
        settings: Settings,
        follower: Follower | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._runtime = runtime
        self._guards = guards
        self._admission = admission
        self._settings = settings
        self._follower = follower
        self._start_time = time.time()

    def close(self) -> None:
        """Let nothing go on beside calls."""
        self._pipeline.close()

    async def Route(self, request: pb.RouteRequest, context: _Context) -> pb.RouteResponse:  # noqa: N802
        self._admission.admit()
        try:
            return to_response(await self._answer(request, CALL.get().request_id))
        finally:
            self._admission.release()

    async def RouteBatch(self, request: pb.RouteBatchRequest, context: _Context) -> pb.RouteBatchResponse:  # noqa: N802
        count = len(request.requests)
        check_count(count, self._settings.batch_items)
        self._admission.admit(count)
        try:
            call = CALL.get()
            self._pipeline.check(tenant_of(call.principal, request.requests[0].tenant), call.deadline)
            results = await asyncio.gather(
                *(
                    self._batch_item(item, item.request_id or f"{call.request_id}-{place}")
                    for place, item in enumerate(request.requests)
                )
            )
            return pb.RouteBatchResponse(results=results, request_id=call.request_id)
        finally:
            self._admission.release(count)

    async def Explain(self, request: pb.ExplainRequest, context: _Context) -> pb.ExplainResponse:  # noqa: N802
        if not request.HasField("request"):
            raise InvalidRequest("request must be set", fields=[FieldViolation("request", "must be set")])
        request.request.include_matches = True
        if not request.request.alternatives_count:
            request.request.alternatives_count = min(_EXPLAINED_ALTERNATIVES, self._settings.alternatives)
        self._admission.admit()
        try:
            return to_explanation(await self._answer(request.request, CALL.get().request_id))
        finally:
            self._admission.release()

    async def GetServerInfo(  # noqa: N802
        self, request: pb.GetServerInfoRequest, context: _Context
    ) -> pb.GetServerInfoResponse:
        request_id = CALL.get().request_id
        return to_server_info(self._runtime, self._guards, self._settings, self._start_time, request_id, self._follower)

    async def _answer(self, request: pb.RouteRequest, request_id: str, *, admitted: bool = False) -> Answer:
        call = CALL.get()
        request.tenant = tenant_of(call.principal, request.tenant)
        query = to_query(request, request_id, self._settings)
        answer = await self._pipeline.route(query, call.deadline, admitted=admitted)
        call.answers.append(answer)
        return answer

    async def _batch_item(self, item: pb.RouteRequest, request_id: str) -> pb.RouteBatchResult:
        try:
            return pb.RouteBatchResult(response=to_response(await self._answer(item, request_id, admitted=True)))
        except FingerpostError as error:
            CALL.get().errors.append(error)
            return pb.RouteBatchResult(error=to_batch_error(error))
