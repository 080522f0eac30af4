"""Budgets over real calls and a real ledger: what is admitted, what stands in the accounts, and what repeats cost."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.keeping import Keeping, KeptReports, KeptTreasury
from fingerpost.client import AsyncClient, Options, Requirements
from fingerpost.errors import ErrorReason, FingerpostError, Overloaded
from fingerpost.serve.cache import ResultCache
from fingerpost.serve.decision_id import DecisionIds
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.guards import Guards
from fingerpost.serve.pipeline import Answer, Pipeline
from fingerpost.serve.reports import Recorder
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.spending import Spending
from fingerpost.types import BudgetOf, BudgetPer, CallStatus, Demands, Report, RouteQuery, Standing, WhenSpent
from fingerpost.v1 import decision_pb2
from tests.fakes import ThreadEngine
from tests.integration.test_tls import on_loop
from tests.ledgers import Store
from tests.money import CALL, COST, budget, spending
from tests.outcomes import Caller, reserved, rows_of, standings
from tests.serving import Refusal, refusal, serving

LIMIT = 100 * COST


def settings(store: Store, **more: Any) -> dict[str, Any]:
    """Of a server whose ledger that is, and that refuses nobody for want of time."""
    store.database()  # made by now, as by a reindex
    patient = {"in_flight_calls": 5_000, "queue_burst_ms": 60_000, "queue_standing_ms": 60_000, "cache_bytes": 1 << 20}
    return {"data": store.root, "store": store.data.store, **patient, **more}


async def stands(data: DataFolder, reported: int, reserved: int) -> Standing:
    """The one account, once the server has told what it spent: it says exactly that, to the micro-dollar."""
    ends = time.monotonic() + 20
    while True:
        [standing] = standings(data)
        if (standing.reported_usd_micros, standing.reserved_usd_micros) == (reported, reserved):
            return standing
        assert time.monotonic() < ends, standing
        await asyncio.sleep(0.05)


def assert_spent(refused: list[Refusal], name: str = "all") -> None:
    """Each says which budget is spent, and when there is money again."""
    assert {(one.code.name, one.reason) for one in refused} == {("RESOURCE_EXHAUSTED", "BUDGET_EXHAUSTED")}
    assert {(one.metadata["budget"], one.metadata["cause"], one.infos) for one in refused} == {(name, "budget", 1)}
    now_s = time.time()
    for one in refused:
        assert one.retry_ms is not None
        assert abs(now_s + one.retry_ms / 1000 - float(one.metadata["window_end_s"])) < 60


@pytest.mark.fault("X7")
@on_loop
async def test_a_thousand_calls_at_once_against_a_budget_for_a_hundred(store: Store) -> None:
    """Exactly 100 are admitted; what reports give back admits exactly as many more, and the account says the same."""
    async with serving(spending(budget(limit=LIMIT)), **settings(store)) as served:
        caller = Caller(served.channel)
        first, refused = await caller.ask_many(1_000)
        assert (len(first), len(refused)) == (100, 900)
        assert_spent(refused)
        assert {reply.reserved_usd_micros for reply in first} == {COST}
        await stands(store.data, 0, reserved(first))

        costs = [50 + 2 * number for number in range(len(first))]
        await asyncio.gather(
            *(caller.tell(reply, cost_usd_micros=cost) for reply, cost in zip(first, costs, strict=True))
        )
        await stands(store.data, sum(costs), 0)

        free = LIMIT - sum(costs)
        second, refused = await caller.ask_many(100)
        assert len(second) == free // COST
        assert_spent(refused)
        standing = await stands(store.data, sum(costs), reserved(second))
        assert standing.used_usd_micros + standing.sliced_usd_micros <= LIMIT


@pytest.mark.fault("X7")
@on_loop
async def test_one_of_many_tenants_spends_alone(store: Store) -> None:
    """Each tenant has its own account, all at once: nobody gets more than its budget, nobody less."""
    limits = spending(budget("each", limit=10 * COST, of=BudgetOf.TENANT))
    async with serving(limits, **settings(store)) as served:
        caller = Caller(served.channel)
        tenants = [f"tenant {number}" for number in range(10)]
        ended = await asyncio.gather(*(caller.ask_many(30, tenant=tenant) for tenant in tenants))
        assert [(len(replies), len(refused)) for replies, refused in ended] == [(10, 20)] * 10
    each = {one.key.holder: one.used_usd_micros for one in standings(store.data)}
    assert each == dict.fromkeys(tenants, 10 * COST)


@on_loop
async def test_what_becomes_of_requests_when_money_is_spent(tmp_path: Path) -> None:
    """Soft budgets go on: as ever, or with the cheapest model; a hard one may try the cheapest before it refuses."""
    shown = [
        (WhenSpent.ALERT, ["code"] * 6, 0),
        (WhenSpent.DOWNGRADE, ["code"] * 3 + ["middle"] * 3, 0),
        (WhenSpent.CHEAPEST, ["code"] * 2 + ["middle"] * 3, 1),
    ]
    for when_spent, models, refused_count in shown:
        policy = spending(budget(limit=2 * COST + 3 * CHEAP + 1, when_spent=when_spent))
        async with serving(policy, data=tmp_path / when_spent) as served:
            caller = Caller(served.channel)
            replies = [await caller.ask(request_id=f"r{number}") for number in range(len(models))]
            assert [reply.model for reply in replies] == models
            told = [decision_pb2.REASON_BUDGET_EXHAUSTED in reply.reasons for reply in replies]
            assert told == [model == "middle" for model in models]
            assert {reply.reserved_usd_micros for reply in replies} <= {COST, CHEAP}
            for _ in range(refused_count):
                assert_spent([await refusal(caller.asking())])


@on_loop
async def test_refused_items_of_a_batch_say_when_there_is_money_again(tmp_path: Path) -> None:
    """As the call alone does: with the budget's name and the time to try again."""
    async with (
        serving(spending(budget(limit=2 * COST)), data=tmp_path) as served,
        AsyncClient(served.address) as client,
    ):
        texts = ["fix this bug", "fix this bug soon", "fix this bug now"]
        items = await client.route_batch(texts, Options(requirements=Requirements(**CALL)), timeout_seconds=20)
        with pytest.raises(Overloaded) as alone:
            await client.route(texts[2], Options(requirements=Requirements(**CALL)), timeout_seconds=20)
    refused = [item for item in items if isinstance(item, FingerpostError)]
    assert [(type(item), item.reason) for item in refused] == [(Overloaded, ErrorReason.BUDGET_EXHAUSTED)]
    assert refused[0].retry_after_ms is not None
    assert alone.value.retry_after_ms is not None
    assert 0 <= refused[0].retry_after_ms - alone.value.retry_after_ms < 60_000
    assert refused[0].metadata["budget"] == alone.value.metadata["budget"] == "all"


CHEAP = 30
"""What such a call costs with `middle`, micro-dollars."""


# --- The same request twice -------------------------------------------------------------------------------------------


@pytest.mark.fault("I18")
@on_loop
async def test_the_same_request_is_decided_and_paid_once(store: Store) -> None:
    """20 in parallel, before anything is at hand to spend, and again when all is spent: one id, one debit, one row."""
    async with serving(spending(budget(limit=COST)), **settings(store)) as served:
        caller = Caller(served.channel)
        replies = await asyncio.gather(*(caller.ask(request_id="once") for _ in range(20)))
        assert len({(one.decision_id, one.model, one.reserved_usd_micros) for one in replies}) == 1
        assert_spent([await refusal(caller.asking(request_id="another"))])
        again = await caller.ask(request_id="once")
        assert again.decision_id == replies[0].decision_id
        for other in ({"tenant": "acme"}, {"text": "fix this bug"}, {"session_id": "s"}):
            assert_spent([await refusal(caller.asking(request_id="once", **other))])

        told_ = await asyncio.gather(*(caller.tell(reply, cost_usd_micros=120) for reply in replies))
        assert sorted(Counter(one.repeated for one in told_).items()) == [(False, 1), (True, 19)]
        await stands(store.data, 120, 0)
    [row] = rows_of(store.data)
    assert (row.cost_usd_micros, [debit.usd_micros for debit in row.debits]) == (120, [COST])


@pytest.mark.fault("I18")
@on_loop
async def test_a_repeat_keeps_the_model_that_was_paid(tmp_path: Path) -> None:
    """Whatever the budgets say by now: a request that got the cheapest model gets it again, and pays nothing more."""
    data, policy = DataFolder(tmp_path), spending(budget(limit=COST, when_spent=WhenSpent.DOWNGRADE))
    async with serving(policy, data=tmp_path) as served:
        caller = Caller(served.channel)
        first = await caller.ask(request_id="dear")
        cheap = await caller.ask(request_id="cheap")
        assert (first.model, cheap.model) == ("code", "middle")
        await caller.tell(first, cost_usd_micros=0)
        await stands(data, 0, CHEAP)
        again = await caller.ask(request_id="cheap")
        assert (again.decision_id, again.model, again.reserved_usd_micros) == (cheap.decision_id, "middle", CHEAP)
        assert (await caller.ask(request_id="new")).model == "code"
        await stands(data, 0, CHEAP + COST)


@pytest.mark.fault("I18")
@on_loop
async def test_a_repeat_after_a_restart(tmp_path: Path) -> None:
    """The memory of requests is gone: it is another decision that pays again; the first debit stays until reported."""
    data = DataFolder(tmp_path)
    shown = spending(budget(limit=LIMIT))
    async with serving(shown, data=tmp_path) as served:
        first = await Caller(served.channel).ask(request_id="once")
    async with serving(shown, data=tmp_path) as served:
        caller = Caller(served.channel)
        second = await caller.ask(request_id="once")
        assert second.decision_id != first.decision_id
        await stands(data, 0, 2 * COST)
        for reply in (first, second):
            assert not (await caller.tell(reply, cost_usd_micros=10)).repeated
        await stands(data, 20, 0)


# --- Windows ----------------------------------------------------------------------------------------------------------

EDGE_S = 1_790_002_800
"""An hour of the calendar begins."""


class Moving:
    """A clock that goes on a little each time that somebody looks, or stands where a test puts it."""

    def __init__(self, now_s: float, step_s: float = 0.0) -> None:
        self.now_s, self.step_s = now_s, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


class Routing:
    """A whole pipeline with the ledger of a folder and a clock of the test's."""

    def __init__(self, shown: Snapshot, data: DataFolder, clock: Moving) -> None:
        keeping = Keeping(data)
        self.ids = DecisionIds(b"k" * 32)
        self.spending = Spending(KeptTreasury(keeping), clock)
        guards, runtime, self.engine = Guards(self.spending), Runtime(), ThreadEngine(1)
        runtime.swap(shown)
        self.queue = EmbedQueue(self.engine.lanes, 60.0, 60.0)
        self.pipeline = Pipeline(runtime, self.queue, ResultCache(1 << 20, 3_600, time.monotonic), guards, self.ids)
        self.recorder = Recorder(runtime, guards, self.ids, KeptReports(keeping), None, 3_600)
        self._keeping, self._numbers = keeping, itertools.count()

    async def ask(self) -> Answer:
        query = RouteQuery(f"r{next(self._numbers)}", "default", "write a function", demands=Demands(**CALL))
        return await self.pipeline.route(query, time.monotonic() + 60)

    async def tell(self, answer: Answer, cost: int) -> None:
        report = Report(answer.decision_id, answer.decision.model, CallStatus.OK, cost_usd_micros=cost)
        await self.recorder.record(report, "", "")

    def account(self, answer: Answer) -> int:
        claims = self.ids.read(answer.decision_id, "")
        assert claims is not None
        [debit] = claims.debits
        return debit.account

    async def close(self) -> None:
        await self.recorder.close()
        await self.spending.close()
        self.queue.close()
        await self.engine.close()
        self._keeping.close()


@asynccontextmanager
async def routing(shown: Snapshot, data: DataFolder, clock: Moving) -> AsyncIterator[Routing]:
    made = Routing(shown, data, clock)
    await made.engine.start()
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.fault("X9", "O8")
@on_loop
async def test_a_window_ends_under_load(store: Store) -> None:
    """200 calls in parallel across the edge: each debit stands in one window, and each window's sum is its rows'."""
    shown = spending(budget(limit=LIMIT, per=BudgetPer.HOUR))
    async with routing(shown, store.data, Moving(EDGE_S - 1.0, step_s=0.01)) as router:
        ended = await asyncio.gather(*(router.ask() for _ in range(200)), return_exceptions=True)
        answers = [one for one in ended if isinstance(one, Answer)]
        refused = [one for one in ended if not isinstance(one, Answer)]
        assert {getattr(one, "reason", one) for one in refused} <= {ErrorReason.BUDGET_EXHAUSTED}
        await router.spending.round()
        by_account = Counter(router.account(one) for one in answers)
        before, after = standings(store.data)
        assert (before.key.start_s, after.key.start_s) == (EDGE_S - 3_600, EDGE_S)
        assert min(by_account.values()) > 0, "calls fell on both sides"
        for one in (before, after):
            assert one.used_usd_micros == by_account[one.account] * COST <= LIMIT

        costs = {one.decision_id: 100 + number for number, one in enumerate(answers)}
        await asyncio.gather(*(router.tell(one, costs[one.decision_id]) for one in answers))
        await router.spending.round()
        settled: Counter[int] = Counter()
        for row in rows_of(store.data):
            [debit] = row.debits
            settled[debit.account] += row.cost_usd_micros
        assert settled.total() == sum(costs.values())
        for one in standings(store.data):
            assert (one.reported_usd_micros, one.reserved_usd_micros) == (settled[one.account], 0)


@pytest.mark.fault("X9", "O8")
@on_loop
async def test_a_clock_that_steps_back_across_the_edge(store: Store) -> None:
    """The running window goes on until the clock has caught up; after a restart an hour early what was spent stands."""
    shown = spending(budget(limit=3 * COST, per=BudgetPer.HOUR))
    clock = Moving(EDGE_S - 10)
    async with routing(shown, store.data, clock) as router:
        early = [await router.ask() for _ in range(3)]
        with pytest.raises(Overloaded):
            await router.ask()
        clock.now_s = EDGE_S + 10
        late = [await router.ask()]
        clock.now_s = EDGE_S - 3_000  # an hour is set back, less ten minutes
        late += [await router.ask() for _ in range(2)]
        with pytest.raises(Overloaded):
            await router.ask()
        assert {router.account(one) for one in early}.isdisjoint(router.account(one) for one in late)
        assert len({router.account(one) for one in late}) == 1
        await router.tell(early[0], 10)  # of the window before, and while the clock is wrong
    async with routing(shown, store.data, clock) as router:
        free = 3 * COST - (10 + 2 * COST)
        assert free < COST
        with pytest.raises(Overloaded) as refused:
            await router.ask()
        assert refused.value.reason == ErrorReason.BUDGET_EXHAUSTED
        await router.tell(early[1], 0)
        assert (await router.ask()).decision.model == "code", "what is given back may be spent, and nothing else"
        with pytest.raises(FingerpostError):
            await router.ask()
    assert [one.key.start_s for one in standings(store.data)] == [EDGE_S - 3_600, EDGE_S]
