"""Client: typed calls with a deadline on each and the standard retries. Needs the stubs and nothing heavy."""

import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from fingerpost import errors
from fingerpost.client.convert import (
    from_batch,
    from_error,
    from_explanation,
    from_info,
    from_response,
    to_batch,
    to_request,
)
from fingerpost.client.outcomes import from_reported, from_reports, to_report, to_reports
from fingerpost.client.proof import token_metadata
from fingerpost.client.types import (
    DEFAULTS,
    Alternative,
    CatalogInfo,
    Decision,
    Embedding,
    ExperimentArm,
    Explanation,
    FailedAttempt,
    Input,
    LedgerInfo,
    Match,
    ModelTrace,
    OpenBreaker,
    Options,
    OtherPart,
    Report,
    ReportDetails,
    Reported,
    Requirements,
    RuleTrace,
    ServerInfo,
    SkippedModel,
    Timing,
    Turn,
)
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.outcome_service_pb2_grpc import OutcomeServiceStub
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub

__all__ = [
    "DEFAULT_TARGET",
    "DEFAULT_TIMEOUT_SECONDS",
    "REPLICAS_SERVICE_CONFIG",
    "SERVICE_CONFIG",
    "Alternative",
    "AsyncClient",
    "CatalogInfo",
    "Client",
    "Decision",
    "Embedding",
    "ExperimentArm",
    "Explanation",
    "FailedAttempt",
    "Input",
    "LedgerInfo",
    "Match",
    "ModelTrace",
    "OpenBreaker",
    "Options",
    "OtherPart",
    "Report",
    "ReportDetails",
    "Reported",
    "Requirements",
    "RuleTrace",
    "ServerInfo",
    "SkippedModel",
    "Timing",
    "Turn",
]

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT_SECONDS = 2.0

_STANDARD: dict[str, Any] = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": "fingerpost.v1.RouterService"}, {"service": "fingerpost.v1.OutcomeService"}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
}

SERVICE_CONFIG = json.dumps(_STANDARD)
"""The standard service config: calls take turns at the addresses of the target, and every call of RouterService and
OutcomeService is safe to repeat; a stopping server answers calls that race with it CANCELLED."""

REPLICAS_SERVICE_CONFIG = json.dumps({**_STANDARD, "healthCheckConfig": {"serviceName": "fingerpost.v1.RouterService"}})
"""The standard one, which moreover watches the health of each address and leaves out what does not serve."""


class Client:
    """Calls a server from ordinary code; safe to share between threads. A context manager, or `close` it."""

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
        watch_health: bool = False,
    ) -> None:
        """Prepare a channel; it connects at the first call.

        Args:
            target: HOST:PORT or any gRPC target; calls take turns at the addresses of `dns:///NAME:PORT` or
                `ipv4:HOST:PORT,HOST:PORT`.
            timeout_seconds: Deadline of a call that gives none, above 0.
            credentials: For TLS; None speaks plain text.
            token: Goes with each call and says who we are; over TLS, or to this machine.
            watch_health: Leave out addresses that do not say SERVING. For addresses of servers: what a proxy says of
                itself would be the health of one server behind it.

        Raises:
            InvalidRequest: the token would go through plain text off this machine.
        """
        self._metadata = token_metadata(token, target, credentials)
        options = _channel_options(watch_health)
        self._channel = (
            grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)
        )
        self._stub = RouterServiceStub(self._channel)
        self._outcomes = OutcomeServiceStub(self._channel)
        self._timeout_seconds = timeout_seconds

    def route(self, request: Input, options: Options = DEFAULTS, *, timeout_seconds: float | None = None) -> Decision:
        """Decide one request.

        Raises:
            errors.FingerpostError: the class tells what to do; see `fingerpost.errors`.
        """
        return from_response(self._call(self._stub.Route, to_request(request, options), timeout_seconds))

    def route_batch(
        self, requests: Sequence[Input], options: Options = DEFAULTS, *, timeout_seconds: float | None = None
    ) -> list[Decision | errors.FingerpostError]:
        """Decide many requests; each place holds its decision or the error that a single call would have raised."""
        message = to_batch(requests, options)
        return from_batch(self._call(self._stub.RouteBatch, message, timeout_seconds))

    def explain(
        self, request: Input, options: Options = DEFAULTS, *, timeout_seconds: float | None = None
    ) -> Explanation:
        """Decide one request and tell how."""
        message = pb.ExplainRequest(request=to_request(request, options))
        return from_explanation(self._call(self._stub.Explain, message, timeout_seconds))

    def info(self, *, timeout_seconds: float | None = None) -> ServerInfo:
        """What the server serves."""
        return from_info(self._call(self._stub.GetServerInfo, pb.GetServerInfoRequest(), timeout_seconds))

    def report(
        self,
        decision_id: str,
        model: str,
        status: str,
        *,
        timeout_seconds: float | None = None,
        **details: Unpack[ReportDetails],
    ) -> Reported:
        """Report what came of a decision; safe to repeat until it is acknowledged, and durable from then on.

        Args:
            decision_id: As the decision tells it.
            model: That answered or failed.
            status: How its call ended: "OK", "TIMEOUT", ...
            timeout_seconds: Deadline of the call.
            details: What else is known; see `Report`.
        """
        message = to_report(Report(decision_id, model, status, **details))
        return from_reported(self._call(self._outcomes.ReportOutcome, message, timeout_seconds))

    def report_batch(
        self, reports: Sequence[Report], *, timeout_seconds: float | None = None
    ) -> list[Reported | errors.FingerpostError]:
        """Report many; each place holds what became of it or the error that a single call would have raised."""
        return from_reports(self._call(self._outcomes.ReportOutcomes, to_reports(reports), timeout_seconds))

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Any, message: Any, timeout_seconds: float | None) -> Any:  # noqa: ANN401
        try:
            return method(message, timeout=timeout_seconds or self._timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_error(error) from error


class AsyncClient:
    """Calls a server from asyncio. An asynchronous context manager, or `close` it."""

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
        watch_health: bool = False,
    ) -> None:
        """Prepare a channel, as `Client` does; needs a running event loop."""
        self._metadata = token_metadata(token, target, credentials)
        options = _channel_options(watch_health)
        self._channel = (
            grpc.aio.secure_channel(target, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(target, options)
        )
        self._stub: Any = RouterServiceStub(self._channel)
        self._outcomes: Any = OutcomeServiceStub(self._channel)
        self._timeout_seconds = timeout_seconds

    async def route(
        self, request: Input, options: Options = DEFAULTS, *, timeout_seconds: float | None = None
    ) -> Decision:
        """As `Client.route`."""
        return from_response(await self._call(self._stub.Route, to_request(request, options), timeout_seconds))

    async def route_batch(
        self, requests: Sequence[Input], options: Options = DEFAULTS, *, timeout_seconds: float | None = None
    ) -> list[Decision | errors.FingerpostError]:
        """As `Client.route_batch`."""
        message = to_batch(requests, options)
        return from_batch(await self._call(self._stub.RouteBatch, message, timeout_seconds))

    async def explain(
        self, request: Input, options: Options = DEFAULTS, *, timeout_seconds: float | None = None
    ) -> Explanation:
        """As `Client.explain`."""
        message = pb.ExplainRequest(request=to_request(request, options))
        return from_explanation(await self._call(self._stub.Explain, message, timeout_seconds))

    async def info(self, *, timeout_seconds: float | None = None) -> ServerInfo:
        """As `Client.info`."""
        return from_info(await self._call(self._stub.GetServerInfo, pb.GetServerInfoRequest(), timeout_seconds))

    async def report(
        self,
        decision_id: str,
        model: str,
        status: str,
        *,
        timeout_seconds: float | None = None,
        **details: Unpack[ReportDetails],
    ) -> Reported:
        """As `Client.report`."""
        message = to_report(Report(decision_id, model, status, **details))
        return from_reported(await self._call(self._outcomes.ReportOutcome, message, timeout_seconds))

    async def report_batch(
        self, reports: Sequence[Report], *, timeout_seconds: float | None = None
    ) -> list[Reported | errors.FingerpostError]:
        """As `Client.report_batch`."""
        return from_reports(await self._call(self._outcomes.ReportOutcomes, to_reports(reports), timeout_seconds))

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, method: Any, message: Any, timeout_seconds: float | None) -> Any:  # noqa: ANN401
        try:
            return await method(message, timeout=timeout_seconds or self._timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_error(error) from error


def _channel_options(watch_health: bool) -> list[tuple[str, Any]]:
    config = REPLICAS_SERVICE_CONFIG if watch_health else SERVICE_CONFIG
    return [("grpc.service_config", config), ("grpc.enable_retries", 1)]
