"""Stand-ins of what keeps reports and of the desk of budgets, breakers and experiments, behind real listeners."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc

from fingerpost.access.watching import AccessOnFile
from fingerpost.errors import ErrorReason, NotFound
from fingerpost.rpc.admin import Admin, door_of
from fingerpost.rpc.admin_service import AdminService
from fingerpost.rpc.authentication import Gate, Proofs
from fingerpost.rpc.health import Health
from fingerpost.rpc.interceptors import Boundary
from fingerpost.rpc.local_door import user_name
from fingerpost.rpc.outcome_service import OutcomeService
from fingerpost.settings import Settings
from fingerpost.types import (
    AccountKey,
    Action,
    Arm,
    ArmMeasure,
    ArmState,
    AuditEntry,
    Author,
    BreakerPosition,
    BreakerState,
    Budget,
    BudgetOf,
    BudgetPer,
    BudgetState,
    CostSource,
    Direction,
    Effect,
    Event,
    Experiment,
    ExperimentReport,
    ExperimentState,
    ExperimentUnit,
    GuardedMeasure,
    Guardrail,
    Look,
    Measure,
    Principal,
    Recorded,
    Report,
    ReportRow,
    ShadowState,
    Standing,
    WhenSpent,
)

# --- Reports --------------------------------------------------------------------------------------------------------


@dataclass
class MemoryRecorder:
    """Keeps the first report of each decision and caller; raises what a test puts there."""

    kept: dict[tuple[str, str], Recorded] = field(default_factory=dict)
    tenants: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)  # raised one after the other, before anything is kept
    refused: Mapping[str, Exception] = field(default_factory=dict)  # by decision id
    together: asyncio.Barrier | None = None  # reached by each report before any is kept

    async def record(self, report: Report, tenant: str, caller: str) -> Recorded:
        if self.together is not None:
            await self.together.wait()
        if self.failures:
            raise self.failures.pop(0)
        if report.decision_id in self.refused:
            raise self.refused[report.decision_id]
        self.tenants.append(tenant)
        key = (report.decision_id, caller)
        if key in self.kept:
            return replace(self.kept[key], repeated=True)
        told = report.cost_usd_micros
        cost, source = (7, CostSource.RESERVED) if told is None else (told, CostSource.REPORTED)
        row = ReportRow(report.decision_id[:24], caller, tenant, "default", report, 0, 0, cost, source)
        self.kept[key] = Recorded(False, row)
        return self.kept[key]


@asynccontextmanager
async def outcomes_served(recorder: MemoryRecorder, access: Path | None = None, **settings: Any) -> AsyncIterator[str]:
    """The address of a listener that has the outcome service, and a gate where there is a file of access."""
    given = Settings(**settings)
    gate = None if access is None else Gate(Proofs(AccessOnFile(access, time.monotonic), {}), _ignore)
    server = grpc.aio.server(interceptors=[Boundary(given.default_deadline_ms, (), gate)])
    OutcomeService(recorder, given).add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


# --- The desk -------------------------------------------------------------------------------------------------------

ACCOUNT = Standing(3, AccountKey("default", "team", "acme", 1_790_000_000), 1_790_086_400, 12_500_000, True, 1, 2, 3, 1)

BUDGETS = (
    BudgetState(
        "default",
        Budget("monthly", BudgetOf.CATALOG, BudgetPer.MONTH, 500_000_000, WhenSpent.DOWNGRADE),
        (("", 400_000_000),),
        (),
    ),
    BudgetState(
        "default",
        Budget("team", BudgetOf.TENANT, BudgetPer.DAY, 10_000_000, WhenSpent.REFUSE, ("acme", "bolt")),
        (("acme", 12_500_000),),
        (
            ACCOUNT,
            replace(
                ACCOUNT,
                key=AccountKey("default", "team", "bolt", 1_790_000_000),
                limit_usd_micros=10_000_000,
                reported_usd_micros=9_000_000,
                reserved_usd_micros=123,
                cleared_usd_micros=0,
            ),
        ),
    ),
)

BREAKERS = (
    BreakerState("default", "big", BreakerPosition.CLOSED, "", None, 0, 0, 0, ""),
    BreakerState("default", "coder", BreakerPosition.OPEN, "rate_limited", 12.5, 40, 31, 2, ""),
    BreakerState("default", "writer", BreakerPosition.OPEN, "by_hand", None, 7, 0, 0, "os:ann"),
    BreakerState("default", "xs", BreakerPosition.HALF_OPEN, "consecutive", 0.0, 5, 5, 1, ""),
)

EXPERIMENT = Experiment(
    "smaller-coder",
    "code",
    ExperimentUnit.SESSION,
    (Arm("control", 80.0), Arm("small", 15.0, model="xs"), Arm("next", 5.0, revision="a" * 64)),
    (Guardrail(GuardedMeasure.ERROR_SHARE, max=0.05), Guardrail(GuardedMeasure.COST_USD, max=0.5, min=0.001)),
)
SHADOWED = Experiment("shadow", shadow="b" * 64, share=12.5)

EXPERIMENTS = (
    ExperimentState("default", SHADOWED, "", (), ShadowState(100, 3, 9, 8, 7, -1_234_567, "no encoder")),
    ExperimentState(
        "default",
        EXPERIMENT,
        "",
        (
            ArmState(EXPERIMENT.arms[0], 80.0, "", 800, 0.125, 700, 0.0, 0.002),
            ArmState(EXPERIMENT.arms[1], 20.0, "", 199, None, 0, None, None),
            ArmState(EXPERIMENT.arms[2], 0.0, "error_share is surely over 0.05", 1, 1.0, 1, 1.0, 0.5),
        ),
        None,
    ),
)

_EFFECT = Effect("small", Measure.COST_USD, -0.25, -0.5, -0.125, 0.0078125, Direction.LESS, 1_200)
REPORT = ExperimentReport(
    "default",
    EXPERIMENT,
    1_401,
    1_790_000_000_123_456,
    1_790_000_999_999_999,
    (
        ArmMeasure("control", Measure.COST_USD, 400, 700, 0.5, 0.25, 0.75),
        ArmMeasure("small", Measure.SCORE, 0, 0, None, None, None),
    ),
    (_EFFECT, Effect("small", Measure.SCORE, None, None, None, 1.0, Direction.OPEN, None)),
    (Look(1_790_000_500_000_001, replace(_EFFECT, p_value=0.5, direction=Direction.OPEN)),),
)


@dataclass
class MemoryDesk:
    """A desk of chosen things; notes every change, and makes none twice under one key."""

    states: tuple[BudgetState, ...] = BUDGETS
    done: list[tuple[Any, ...]] = field(default_factory=list)  # actor, what, and its arguments
    entries: dict[str, AuditEntry] = field(default_factory=dict)  # by key
    cleared: Sequence[Standing] = (ACCOUNT,)
    broken: Exception | None = None  # raised by everything

    def budgets(self, catalog: str) -> Sequence[BudgetState]:
        self._check(catalog)
        return self.states

    def set_budget(self, by: Author, catalog: str, name: str, holder: str, limit_usd_micros: int) -> AuditEntry:
        return self._change(by, Action.SET, catalog, "budget", name, holder, limit_usd_micros)

    def reset_budget(self, by: Author, catalog: str, name: str, holder: str) -> AuditEntry:
        return self._change(by, Action.RESET, catalog, "budget", name, holder)

    def clear_budget(self, by: Author, catalog: str, name: str, holder: str) -> Sequence[Standing]:
        self._change(by, Action.RESET, catalog, "account", name, holder)
        return self.cleared

    def breakers(self, catalog: str) -> Sequence[BreakerState]:
        self._check(catalog)
        return BREAKERS

    def set_breaker(self, by: Author, catalog: str, model: str, *, open: bool, seconds: int | None) -> AuditEntry:
        return self._change(by, Action.SET, catalog, "breaker", model, open, seconds)

    def reset_breaker(self, by: Author, catalog: str, model: str) -> AuditEntry:
        return self._change(by, Action.RESET, catalog, "breaker", model)

    def experiments(self, catalog: str) -> Sequence[ExperimentState]:
        self._check(catalog)
        return EXPERIMENTS

    def set_experiment(
        self, by: Author, catalog: str, name: str, *, running: bool | None, weights: Mapping[str, float]
    ) -> AuditEntry:
        return self._change(by, Action.SET, catalog, "experiment", name, running, dict(weights))

    def reset_experiment(self, by: Author, catalog: str, name: str) -> AuditEntry:
        return self._change(by, Action.RESET, catalog, "experiment", name)

    def report(self, catalog: str, name: str) -> ExperimentReport:
        self._check(catalog)
        if name != EXPERIMENT.name:
            raise NotFound(f"there is no experiment {name}", ErrorReason.EXPERIMENT_NOT_FOUND)
        return REPORT

    def _check(self, catalog: str) -> None:
        if self.broken is not None:
            raise self.broken
        if catalog != "default":
            raise NotFound(f"there is no catalog {catalog}")

    def _change(self, by: Author, action: Action, catalog: str, kind: str, name: str, *more: Any) -> AuditEntry:
        self._check(catalog)
        if by.key not in self.entries:
            self.done.append((by.actor, action.value, kind, name, *more))
            event = Event(by.actor, action, catalog, "", {"kind": kind, "name": name})
            number = len(self.entries) + 1
            entry = AuditEntry(number, 1_790_000_000_000_000, event, by.key, "0" * 64, f"{number:064x}")
            self.entries[by.key] = entry
        return self.entries[by.key]


@asynccontextmanager
async def desk_served(
    desk: MemoryDesk, folder: Path, access: Path | None = None, listen: str = "127.0.0.1:0"
) -> AsyncIterator[str]:
    """The address of an admin listener with the admin service; with `listen` empty it is the folder's door."""
    given: dict[str, Any] = {"data": folder, "admin_listen": listen, "access": str(access or "")}
    settings = Settings(**given)
    door = door_of(settings)
    known = None if access is None else AccessOnFile(access, time.monotonic)
    proofs = Proofs(known, door.users if door else {}, "" if known else user_name(os.getuid()))
    admin = Admin(settings, Gate(proofs, _ignore), door, (AdminService(lambda: desk, folder).add_to,))
    await admin.start(Health(()))
    assert admin.address
    try:
        yield admin.address
    finally:
        await admin.stop(0)


def _ignore(method: str, cause: str, principal: Principal | None) -> None:
    pass
