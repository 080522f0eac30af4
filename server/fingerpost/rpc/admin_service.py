"""The admin service: convert, ask the desk off the event loop, convert."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from fingerpost.control_ports import ControlDesk
from fingerpost.rpc.admin_convert import (
    budget_of,
    experiment_of,
    model_of,
    to_account,
    to_breaker,
    to_budget,
    to_report,
    to_running,
)
from fingerpost.rpc.catalog_convert import catalog_of, page, to_entry
from fingerpost.rpc.desks import Desks, author, call_id
from fingerpost.v1 import admin_service_pb2 as pb
from fingerpost.v1.admin_service_pb2_grpc import AdminServiceServicer, add_AdminServiceServicer_to_server

ADMIN_SERVICE = pb.DESCRIPTOR.services_by_name["AdminService"].full_name

_SHOWN = 1_000  # accounts that were cleared

_Context = grpc.aio.ServicerContext[Any, Any]


class AdminService(AdminServiceServicer):
    """Answers AdminService; documented in the proto file."""

    def __init__(self, open_desk: Callable[[], ControlDesk], folder: Path) -> None:
        """Nothing is opened yet.

        Args:
            open_desk: Called for each call, off the event loop.
            folder: That it works on; errors leave the server with DATA in its place.
        """
        self._desks = Desks(open_desk, folder, "controls")

    def add_to(self, server: grpc.aio.Server) -> str:
        """Add the service to a server, and tell its name."""
        add_AdminServiceServicer_to_server(self, server)
        return ADMIN_SERVICE

    async def ListBudgets(self, request: pb.ListBudgetsRequest, context: _Context) -> pb.ListBudgetsResponse:  # noqa: N802
        catalog = catalog_of(request.catalog)
        page((), request.page_size, request.page_token)  # refuses what is wrong before the desk works for it
        states = await self._desks.ask(lambda desk: desk.budgets(catalog))
        accounts = [one for state in states for one in state.accounts]
        shown, following = page(accounts, request.page_size, request.page_token)
        return pb.ListBudgetsResponse(
            budgets=map(to_budget, states),
            accounts=map(to_account, shown),
            next_page_token=following,
            request_id=call_id(),
        )

    async def SetBudget(self, request: pb.SetBudgetRequest, context: _Context) -> pb.SetBudgetResponse:  # noqa: N802
        by, (catalog, name, holder) = author(request.idempotency_key), budget_of(request)
        limit = request.limit_usd_micros
        entry = await self._desks.ask(lambda desk: desk.set_budget(by, catalog, name, holder, limit))
        return pb.SetBudgetResponse(entry=to_entry(entry), request_id=call_id())

    async def ResetBudget(self, request: pb.ResetBudgetRequest, context: _Context) -> pb.ResetBudgetResponse:  # noqa: N802
        by, (catalog, name, holder) = author(request.idempotency_key), budget_of(request)
        entry = await self._desks.ask(lambda desk: desk.reset_budget(by, catalog, name, holder))
        return pb.ResetBudgetResponse(entry=to_entry(entry), request_id=call_id())

    async def ClearBudget(self, request: pb.ClearBudgetRequest, context: _Context) -> pb.ClearBudgetResponse:  # noqa: N802
        by, (catalog, name, holder) = author(request.idempotency_key), budget_of(request)
        cleared = await self._desks.ask(lambda desk: desk.clear_budget(by, catalog, name, holder))
        return pb.ClearBudgetResponse(
            accounts=map(to_account, cleared[:_SHOWN]), cleared_count=len(cleared), request_id=call_id()
        )

    async def ListBreakers(self, request: pb.ListBreakersRequest, context: _Context) -> pb.ListBreakersResponse:  # noqa: N802
        catalog = catalog_of(request.catalog)
        states = await self._desks.ask(lambda desk: desk.breakers(catalog))
        return pb.ListBreakersResponse(breakers=map(to_breaker, states), request_id=call_id())

    async def SetBreaker(self, request: pb.SetBreakerRequest, context: _Context) -> pb.SetBreakerResponse:  # noqa: N802
        by, (catalog, model) = author(request.idempotency_key), model_of(request)
        opened = request.position == pb.BREAKER_POSITION_OPEN
        seconds = request.seconds if request.HasField("seconds") else None
        entry = await self._desks.ask(lambda desk: desk.set_breaker(by, catalog, model, open=opened, seconds=seconds))
        return pb.SetBreakerResponse(entry=to_entry(entry), request_id=call_id())

    async def ResetBreaker(self, request: pb.ResetBreakerRequest, context: _Context) -> pb.ResetBreakerResponse:  # noqa: N802
        by, (catalog, model) = author(request.idempotency_key), model_of(request)
        entry = await self._desks.ask(lambda desk: desk.reset_breaker(by, catalog, model))
        return pb.ResetBreakerResponse(entry=to_entry(entry), request_id=call_id())

    async def ListExperiments(  # noqa: N802
        self, request: pb.ListExperimentsRequest, context: _Context
    ) -> pb.ListExperimentsResponse:
        catalog = catalog_of(request.catalog)
        states = await self._desks.ask(lambda desk: desk.experiments(catalog))
        return pb.ListExperimentsResponse(experiments=map(to_running, states), request_id=call_id())

    async def SetExperiment(self, request: pb.SetExperimentRequest, context: _Context) -> pb.SetExperimentResponse:  # noqa: N802
        by, (catalog, name) = author(request.idempotency_key), experiment_of(request)
        running = request.running if request.HasField("running") else None
        weights = dict(request.weights)
        entry = await self._desks.ask(
            lambda desk: desk.set_experiment(by, catalog, name, running=running, weights=weights)
        )
        return pb.SetExperimentResponse(entry=to_entry(entry), request_id=call_id())

    async def ResetExperiment(  # noqa: N802
        self, request: pb.ResetExperimentRequest, context: _Context
    ) -> pb.ResetExperimentResponse:
        by, (catalog, name) = author(request.idempotency_key), experiment_of(request)
        entry = await self._desks.ask(lambda desk: desk.reset_experiment(by, catalog, name))
        return pb.ResetExperimentResponse(entry=to_entry(entry), request_id=call_id())

    async def ReportExperiment(  # noqa: N802
        self, request: pb.ReportExperimentRequest, context: _Context
    ) -> pb.ReportExperimentResponse:
        catalog, name = experiment_of(request)
        report = await self._desks.ask(lambda desk: desk.report(catalog, name))
        return pb.ReportExperimentResponse(report=to_report(report), request_id=call_id())
