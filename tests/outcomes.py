"""Callers who ask for decisions and report what came of them, over a real connection, and what the ledger says then."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from fingerpost.backends.ledger.opening import open_database
from fingerpost.backends.ledger.reports import SqlReports
from fingerpost.backends.ledger.treasury import SqlTreasury
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.types import ReportRow, Standing
from fingerpost.v1 import outcome_service_pb2 as outcome_pb, router_service_pb2 as pb
from fingerpost.v1.outcome_service_pb2_grpc import OutcomeServiceStub
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.money import CALL
from tests.serving import Refusal, refusal_of

TEXT = "write a function"
"""Goes to the route `code` of the catalogs in `tests.money`."""

_SECONDS = 60.0


@dataclass
class Caller:
    """Asks and reports over one channel; with a token, in the name of its holder."""

    channel: grpc.aio.Channel
    token: str = ""

    def __post_init__(self) -> None:
        self._route: Any = RouterServiceStub(self.channel)
        self._outcomes: Any = OutcomeServiceStub(self.channel)
        self._proof = (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def asking(self, text: str = TEXT, **given: Any) -> Any:
        """The call under way, for whoever expects a refusal or wants to cancel it."""
        request = pb.RouteRequest(text=text, **{"requirements": pb.Requirements(**CALL), **given})
        return self._route.Route(request, timeout=_SECONDS, metadata=self._proof)

    async def ask(self, text: str = TEXT, **given: Any) -> pb.RouteResponse:
        reply: pb.RouteResponse = await self.asking(text, **given)
        return reply

    async def ask_many(
        self, count: int, text: str = TEXT, **given: Any
    ) -> tuple[list[pb.RouteResponse], list[Refusal]]:
        """As many at once, each a request of its own: those that were answered, and those that were not."""
        each = [self.asking(text, request_id=uuid.uuid4().hex, **given) for _ in range(count)]
        return sorted_out(await asyncio.gather(*each, return_exceptions=True))

    async def info(self) -> pb.GetServerInfoResponse:
        reply: pb.GetServerInfoResponse = await self._route.GetServerInfo(pb.GetServerInfoRequest(), timeout=_SECONDS)
        return reply

    def telling(self, decision: pb.RouteResponse | str, status: str = "OK", tenant: str = "", **told: Any) -> Any:
        """The report under way, of the model that was decided unless another is told."""
        request = outcome_pb.ReportOutcomeRequest(report=report_of(decision, status, **told), tenant=tenant)
        return self._outcomes.ReportOutcome(request, timeout=_SECONDS, metadata=self._proof)

    async def tell(
        self, decision: pb.RouteResponse | str, status: str = "OK", tenant: str = "", **told: Any
    ) -> outcome_pb.ReportOutcomeResponse:
        reply: outcome_pb.ReportOutcomeResponse = await self.telling(decision, status, tenant, **told)
        return reply

    async def tell_batch(
        self, decisions: Sequence[pb.RouteResponse | str], status: str = "OK", tenant: str = "", **told: Any
    ) -> list[outcome_pb.ReportOutcomesResult]:
        """Reports of up to 256 decisions in one call."""
        items = [
            outcome_pb.ReportOutcomeRequest(report=report_of(one, status, **told), tenant=tenant) for one in decisions
        ]
        request = outcome_pb.ReportOutcomesRequest(requests=items)
        return list((await self._outcomes.ReportOutcomes(request, timeout=_SECONDS, metadata=self._proof)).results)


def report_of(decision: pb.RouteResponse | str, status: str = "OK", **told: Any) -> outcome_pb.OutcomeReport:
    """Of a decision, or of its id alone."""
    id_, model = (decision, "code") if isinstance(decision, str) else (decision.decision_id, decision.model)
    whole = {"decision_id": id_, "model": model, **told}
    return outcome_pb.OutcomeReport(status=outcome_pb.CallStatus.Value(f"CALL_STATUS_{status}"), **whole)


def sorted_out(ended: Sequence[Any]) -> tuple[list[Any], list[Refusal]]:
    """Replies, and what calls failed with."""
    for one in ended:
        if isinstance(one, BaseException) and not isinstance(one, grpc.aio.AioRpcError):
            raise one
    failed = [refusal_of(one) for one in ended if isinstance(one, grpc.aio.AioRpcError)]
    return [one for one in ended if not isinstance(one, BaseException)], failed


# --- The ledger -----------------------------------------------------------------------------------------------------


@contextmanager
def money_of(data: DataFolder) -> Iterator[tuple[SqlTreasury, SqlReports]]:
    """Accounts and reports of a ledger, whoever writes to it meanwhile."""
    database = open_database(data.ledger, data.store)
    try:
        yield SqlTreasury(database), SqlReports(database)
    finally:
        database.close()


def standings(data: DataFolder) -> Sequence[Standing]:
    with money_of(data) as (treasury, _):
        return treasury.standings()


def rows_of(data: DataFolder) -> Sequence[ReportRow]:
    with money_of(data) as (_, reports):
        return reports.reports()


def reserved(replies: Sequence[pb.RouteResponse]) -> int:
    """Micro-dollars that the replies say are held back."""
    return sum(reply.reserved_usd_micros for reply in replies)
