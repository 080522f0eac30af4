"""Reports are kept before they are acknowledged, many in one write, whatever the store does."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fingerpost.backends.outbox import FileOutbox
from fingerpost.errors import ErrorReason, FailedPrecondition, NotFound, Overloaded, StorageFull, Unavailable
from fingerpost.serve.decision_id import SECRET_BYTES, Claims, DecisionIds, name_hash, new_key
from fingerpost.serve.guards import Guards
from fingerpost.serve.lab import Breach
from fingerpost.serve.reports import AT_A_TIME, IN_LINE, Outbox, Recorder
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.spending import Spending
from fingerpost.types import (
    UNANSWERED_CALLS,
    Arm,
    BreakerPosition,
    CallStatus,
    CostSource,
    Debit,
    Experiment,
    GuardedMeasure,
    Guardrail,
    Recorded,
    Report,
    ReportRow,
)
from tests.fakes import snapshot
from tests.integration.test_tls import on_loop
from tests.money import COST, budget, spending, with_policy
from tests.report_store import MemoryReports
from tests.spending import START_S, Clock
from tests.treasury import MemoryTreasury

AWAY = Unavailable("the ledger cannot be reached", ErrorReason.STORE_UNAVAILABLE)
WINDOW_S = 3_600
KEY = b"k" * SECRET_BYTES


class Desk:
    """A recorder over a store, and all that hears of reports."""

    def __init__(self, served: Snapshot | None = None, outbox: Outbox | None = None) -> None:
        self.clock, self.ids, self.store = Clock(), DecisionIds(KEY), MemoryReports()
        self.guards = Guards(Spending(MemoryTreasury(), self.clock))
        self.runtime = Runtime()
        self.runtime.swap(served or spending())
        self.breaches: list[tuple[str, Breach]] = []
        self.heard: list[tuple[str, str]] = []  # decision and model
        self.recorder = Recorder(
            self.runtime,
            self.guards,
            self.ids,
            self.store,
            outbox,
            WINDOW_S,
            lambda catalog, breach: self.breaches.append((catalog, breach)),
            lambda row, model: self.heard.append((row.report.decision_id, model)),
        )

    def decision(self, tenant: str = "acme", **claims: Any) -> str:
        """The id of one that was made just now, unless told otherwise."""
        usual = {"key": new_key(), "decided_s": int(START_S), "catalog": name_hash("default")}
        return self.ids.name(Claims(**{**usual, **claims}), tenant)

    async def report(self, decision: str = "", *, tenant: str = "acme", caller: str = "shop", **told: Any) -> Recorded:
        usual = {"model": "code", "status": CallStatus.OK}
        report = Report(decision or self.decision(tenant), **{**usual, **told})
        return await self.recorder.record(report, tenant, caller)

    def breaker(self, model: str = "code") -> BreakerPosition:
        [state] = [
            one for one in self.guards.of(self.runtime.get("default")).breakers.states(0.0) if one.model == model
        ]
        return state.position


class ListOutbox:
    """Portions in memory; says that it is full when told to."""

    def __init__(self) -> None:
        self.portions: dict[str, Sequence[ReportRow]] = {}
        self.error: Exception | None = None

    @property
    def rows(self) -> int:
        return sum(map(len, self.portions.values()))

    def put(self, rows: Sequence[ReportRow]) -> None:
        if self.error is not None:
            raise self.error
        self.portions[f"{len(self.portions):03d}"] = rows

    def oldest(self) -> tuple[str, Sequence[ReportRow]] | None:
        return min(self.portions.items(), default=None)

    def drop(self, name: str) -> None:
        del self.portions[name]


# --- Many in one write ----------------------------------------------------------------------------------------------


@on_loop
async def test_what_comes_while_the_store_writes_goes_with_the_next_write() -> None:
    """In the order in which it came, at most so many at a time; each is acknowledged when it is kept."""
    desk = Desk()
    desk.store.gate.clear()
    ids = [desk.decision() for _ in range(AT_A_TIME + 51)]
    first = asyncio.create_task(desk.report(ids[0]))
    assert await asyncio.to_thread(desk.store.came.acquire, timeout=20), "the first is being written"
    others = [asyncio.create_task(desk.report(one)) for one in ids[1:]]
    await asyncio.sleep(0)
    assert desk.recorder.in_line == len(others)
    assert not any(task.done() for task in (first, *others))
    desk.store.gate.set()
    recorded = await asyncio.gather(first, *others)
    assert [len(rows) for rows in desk.store.written] == [1, AT_A_TIME, 50]
    assert [row.report.decision_id for rows in desk.store.written for row in rows] == ids
    assert [one.kept.report.decision_id for one in recorded] == ids
    assert desk.recorder.in_line == 0


@on_loop
async def test_the_first_report_of_a_decision_stands() -> None:
    """The same caller again hears what is kept; another one has a report of its own."""
    desk = Desk()
    decision = desk.decision()
    first = await desk.report(decision, cost_usd_micros=5)
    again = await desk.report(decision, cost_usd_micros=7)
    other = await desk.report(decision, caller="gateway")
    assert (first.repeated, again.repeated, other.repeated) == (False, True, False)
    assert again.kept == first.kept
    assert (first.kept.cost_usd_micros, first.kept.cost_source) == (5, CostSource.REPORTED)
    assert len(desk.store.kept) == 2


@on_loop
async def test_the_line_is_bounded() -> None:
    """One more than there is room for is told to come again."""
    desk = Desk()
    decision = desk.decision()
    results = await asyncio.gather(*(desk.report(decision) for _ in range(IN_LINE + 1)), return_exceptions=True)
    [refused] = [one for one in results if isinstance(one, BaseException)]
    assert isinstance(refused, Overloaded)
    assert (refused.metadata, refused.retry_after_ms) == ({"cause": "reports"}, 1_000)
    assert sum(map(len, desk.store.written)) == IN_LINE


@on_loop
async def test_close_writes_what_is_in_line() -> None:
    """All of it, in as many writes as it takes."""
    desk = Desk()
    tasks = [asyncio.create_task(desk.report()) for _ in range(AT_A_TIME + 1)]
    await asyncio.sleep(0)
    await desk.recorder.close()
    assert len(desk.store.kept) == AT_A_TIME + 1
    await asyncio.gather(*tasks)
    await Desk().recorder.close()


# --- Of which decision ----------------------------------------------------------------------------------------------


@on_loop
async def test_a_row_tells_what_the_id_tells() -> None:
    """Names of catalog, route and arm, what was reserved, and who reports."""
    trial = Experiment("trial", "code", arms=(Arm("control", 50.0), Arm("small", 50.0, model="middle")))
    desk = Desk(spending(experiments=(trial,)))
    debits = (Debit(3, 300), Debit(9, 300))
    decision = desk.decision(
        route=name_hash("code"), arm=name_hash("trial/small"), unit="0badcafe", debits=debits, fell_back=True
    )
    row = (await desk.report(decision)).kept
    assert (row.key, row.caller, row.tenant, row.catalog) == (decision[:24], "shop", "acme", "default")
    assert (row.decided_s, row.route, row.arm, row.unit) == (int(START_S), "code", "trial/small", "0badcafe")
    assert (row.debits, row.fell_back) == (debits, True)


@on_loop
async def test_a_route_may_be_another_revisions() -> None:
    """Which an experiment has decide; a route that is gone is left out, and so is an arm."""
    other = snapshot(routes={"poems": ["write a poem"]})
    desk = Desk(with_policy(snapshot(), {"b" * 64: other}))
    assert (await desk.report(desk.decision(route=name_hash("poems")))).kept.route == "poems"
    gone = (await desk.report(desk.decision(route=name_hash("gone"), arm=name_hash("a/b"), unit="0badcafe"))).kept
    assert (gone.route, gone.arm) == ("", "")


@pytest.mark.parametrize("other", ["key", "tenant", "catalog", "digit", "empty"])
@on_loop
async def test_a_decision_that_was_never_made_here(other: str) -> None:
    """Of other servers, tenants and catalogs, or of nobody: it is unknown, and nothing is written."""
    desk = Desk()
    decision = desk.decision()
    ids: Mapping[str, str] = {
        "key": DecisionIds(b"j" * SECRET_BYTES).name(Claims(new_key(), int(START_S), name_hash("default")), "acme"),
        "tenant": desk.decision("bolt"),
        "catalog": desk.decision(catalog=name_hash("elsewhere")),
        "digit": decision[:-1] + ("0" if decision[-1] != "0" else "1"),
    }
    with pytest.raises(NotFound) as raised:
        await desk.recorder.record(Report(ids.get(other, ""), "code", CallStatus.OK), "acme", "shop")
    assert raised.value.reason == ErrorReason.DECISION_UNKNOWN
    assert not desk.store.written


@on_loop
async def test_when_a_report_is_taken() -> None:
    """As long as the window is open, and not of a decision that is yet to come, but for clocks that differ a little."""
    desk = Desk()
    for seconds in (-WINDOW_S, 0, 86_400):
        await desk.report(desk.decision(decided_s=int(START_S) + seconds))
    with pytest.raises(FailedPrecondition, match="FINGERPOST_REPORT_WINDOW_S") as late:
        await desk.report(desk.decision(decided_s=int(START_S) - WINDOW_S - 1))
    assert late.value.reason == ErrorReason.REPORT_LATE
    with pytest.raises(NotFound) as early:
        await desk.report(desk.decision(decided_s=int(START_S) + 86_401))
    assert early.value.reason == ErrorReason.DECISION_UNKNOWN
    assert len(desk.store.kept) == 3


# --- What it cost ---------------------------------------------------------------------------------------------------

RESERVED = (Debit(3, 77), Debit(4, 77))


@pytest.mark.parametrize(
    ("told", "cost", "source"),
    [
        ({"cost_usd_micros": 5, "input_tokens": 100, "output_tokens": 100}, 5, CostSource.REPORTED),
        ({"cost_usd_micros": 0}, 0, CostSource.REPORTED),
        ({"input_tokens": 100, "output_tokens": 100}, COST, CostSource.TOKENS),
        ({"input_tokens": 1, "model": "middle"}, 1, CostSource.TOKENS),  # a tenth of a micro-dollar, rounded up
        ({"output_tokens": 100, "status": CallStatus.TIMEOUT}, 200, CostSource.TOKENS),
        ({"input_tokens": 100, "output_tokens": 100, "model": "unheard of"}, 77, CostSource.RESERVED),
        *(({"status": status}, 0, CostSource.NO_ANSWER) for status in sorted(UNANSWERED_CALLS)),
        *(({"status": status}, 77, CostSource.RESERVED) for status in sorted(set(CallStatus) - UNANSWERED_CALLS)),
    ],
)
@on_loop
async def test_what_a_call_cost(told: dict[str, Any], cost: int, source: CostSource) -> None:
    """As it is told, by its tokens, nothing where no model answered, else what was reserved."""
    desk = Desk()
    row = (await desk.report(desk.decision(debits=RESERVED), **told)).kept
    assert (row.cost_usd_micros, row.cost_source) == (cost, source)


@on_loop
async def test_where_nothing_was_reserved_it_cost_nothing() -> None:
    """As far as is known, which the source says."""
    row = (await Desk().report()).kept
    assert (row.cost_usd_micros, row.cost_source) == (0, CostSource.RESERVED)


# --- The store is away ----------------------------------------------------------------------------------------------


@on_loop
async def test_without_an_outbox_nothing_is_acknowledged() -> None:
    """Whoever reports is told to do so again, and can."""
    desk = Desk()
    desk.store.away = AWAY
    decision = desk.decision()
    with pytest.raises(Unavailable, match="report again") as raised:
        await desk.report(decision)
    assert (raised.value.reason, raised.value.retry_after_ms) == (ErrorReason.STORE_UNAVAILABLE, 1_000)
    assert (desk.recorder.outbox_rows, desk.recorder.recorded) == (0, 0)
    await desk.recorder.drain()
    desk.store.away = None
    assert not (await desk.report(decision)).repeated


@pytest.mark.parametrize("error", [StorageFull("full"), RuntimeError("a fault of ours")])
@on_loop
async def test_a_write_that_fails_is_told_to_all_of_it(error: Exception) -> None:
    """No outbox helps there; what comes next is written."""
    desk = Desk(outbox=ListOutbox())
    desk.store.failures.append(error)
    results = await asyncio.gather(*(desk.report() for _ in range(3)), return_exceptions=True)
    assert results == [error] * 3
    assert not (await desk.report()).repeated
    assert desk.recorder.outbox_rows == 0


@on_loop
async def test_the_outbox_keeps_what_the_store_cannot(tmp_path: Path) -> None:
    """In a folder, acknowledged; later the store has it in the order in which it came, and the folder is empty."""
    desk = Desk(outbox=FileOutbox(tmp_path / "outbox"))
    desk.store.away = AWAY
    with capture_logs() as logs:
        ids = [(await desk.report()).kept.report.decision_id for _ in range(3)]
    assert [line["event"] for line in logs] == ["report_store_away"], "said once"
    assert desk.recorder.outbox_rows == 3
    assert desk.recorder.recorded == 3, "they are heard at once"
    await desk.recorder.drain()
    assert (desk.recorder.outbox_rows, desk.store.kept) == (3, {})
    desk.store.away = None
    with capture_logs() as logs:
        await desk.recorder.drain()
    assert [line["event"] for line in logs] == ["reports_caught_up"]
    assert [row.report.decision_id for rows in desk.store.written for row in rows] == ids
    assert desk.recorder.outbox_rows == 0
    assert desk.recorder.recorded == 3, "and not once more"
    assert not list((tmp_path / "outbox").iterdir())


@on_loop
async def test_draining_stops_at_the_first_failure_and_goes_on_there() -> None:
    """Nothing is passed over, nothing is lost."""
    outbox = ListOutbox()
    desk = Desk(outbox=outbox)
    desk.store.away = AWAY
    ids = [(await desk.report()).kept.report.decision_id for _ in range(4)]
    desk.store.away = None
    desk.store.failures = [None, AWAY]
    await desk.recorder.drain()
    assert desk.store.failures == [], "it has failed"
    assert (outbox.rows, len(desk.store.written)) == (3, 1)
    await desk.recorder.drain()
    assert outbox.rows == 0
    assert [row.report.decision_id for rows in desk.store.written for row in rows] == ids


@on_loop
async def test_an_outbox_that_is_full_or_broken() -> None:
    """Then it is not acknowledged; the next one is tried again."""
    outbox = ListOutbox()
    desk = Desk(outbox=outbox)
    desk.store.away = AWAY
    full, broken = Unavailable("full", ErrorReason.STORE_UNAVAILABLE), OSError(13, "permission denied")
    for error in (full, broken):
        outbox.error = error
        with pytest.raises(type(error)) as raised:
            await desk.report()
        assert raised.value is error
    outbox.error = None
    assert not (await desk.report()).repeated
    assert (desk.recorder.outbox_rows, desk.recorder.recorded) == (1, 1)


@on_loop
async def test_a_folder_that_cannot_be_read_ends_nothing(tmp_path: Path) -> None:
    """It is said, and tried again; when somebody has seen to it, what was put there goes to the store."""
    desk = Desk(outbox=FileOutbox(tmp_path))
    desk.store.away = AWAY
    await desk.report()
    desk.store.away = None
    [file] = tmp_path.iterdir()  # noqa: ASYNC240  a test waits for nobody else
    data = file.read_bytes()
    file.unlink()
    file.mkdir()  # which nobody can read as a file
    with capture_logs() as logs:
        await desk.recorder.drain()
    assert [line["event"] for line in logs] == ["outbox_not_read"], "the fault has happened"
    assert desk.recorder.outbox_rows == 1
    file.rmdir()
    file.write_bytes(data)
    await desk.recorder.drain()
    assert len(desk.store.kept) == 1


# --- Who hears of it ------------------------------------------------------------------------------------------------


@on_loop
async def test_breakers_hear_of_new_reports_alone() -> None:
    """Five failures in a row leave a model alone; the same one five times does not."""
    desk = Desk()
    decision = desk.decision()
    for _ in range(5):
        await desk.report(decision, status=CallStatus.SERVER_ERROR)
    assert desk.breaker() is BreakerPosition.CLOSED
    for _ in range(4):
        await desk.report(status=CallStatus.SERVER_ERROR)
    assert desk.breaker() is BreakerPosition.OPEN
    await desk.report(model="big", status=CallStatus.RATE_LIMITED, retry_after_ms=30_000)
    assert desk.breaker("big") is BreakerPosition.OPEN
    assert desk.recorder.recorded == 6


@on_loop
async def test_who_gives_up_waiting_is_heard() -> None:
    """The report is written all the same, and breakers must know of it: the next attempt would only be a repeat."""
    desk = Desk()
    desk.store.gate.clear()
    tasks = [asyncio.create_task(desk.report(status=CallStatus.TIMEOUT)) for _ in range(5)]
    assert await asyncio.to_thread(desk.store.came.acquire, timeout=20)
    for task in tasks:
        task.cancel()
    assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*tasks, return_exceptions=True))
    desk.store.gate.set()
    await desk.recorder.close()
    assert len(desk.store.kept) == 5
    assert desk.breaker() is BreakerPosition.OPEN


@on_loop
async def test_models_are_told_by_name_if_the_catalog_knows_them() -> None:
    """Or a caller could make up as many as it likes."""
    desk = Desk()
    ids = [(await desk.report(model=model)).kept.report.decision_id for model in ("code", "made up")]
    assert desk.heard == [(ids[0], "code"), (ids[1], "other")]


@on_loop
async def test_a_report_says_that_there_may_be_more_again() -> None:
    """Of the accounts that its decision was paid from."""
    desk = Desk(spending(budget(limit=1_000)))
    decider = desk.runtime.get("default").decider
    [purse] = desk.guards.spending.accounts("default", decider, "acme").common
    desk.guards.spending.fill_ahead([purse])
    while purse.account is None:
        await asyncio.sleep(0.001)
    purse.more = 0
    await desk.report(desk.decision(debits=(Debit(purse.account + 1, 5),)))
    assert purse.more == 0
    await desk.report(desk.decision(debits=(Debit(purse.account, 5),)))
    assert purse.more is None


@on_loop
async def test_an_arm_that_leaves_its_band_is_stopped_once() -> None:
    """Told with the catalog, when the report comes that was one too many."""
    trial = Experiment(
        "trial",
        "code",
        arms=(Arm("control", 50.0), Arm("small", 50.0, model="middle")),
        guardrails=(Guardrail(GuardedMeasure.ERROR_SHARE, max=0.1),),
    )
    desk = Desk(spending(experiments=(trial,)))
    for number in range(60):
        decision = desk.decision(arm=name_hash("trial/small"), unit=f"{number:08x}")
        await desk.report(decision, model="middle", status=CallStatus.SERVER_ERROR)
        await desk.report(decision, model="middle", status=CallStatus.SERVER_ERROR)
    [(catalog, breach)] = desk.breaches
    assert (catalog, breach.experiment, breach.arm) == ("default", "trial", "small")
    state = desk.guards.of(desk.runtime.get("default")).lab.states(desk.runtime.get("default"))[0]
    assert Counter(bool(arm.stopped) for arm in state.arms) == {False: 1, True: 1}
    assert state.arms[1].reports == 60
