"""A decision is made, paid for once and named; the same request again is the same decision."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fingerpost.errors import DeadlineExceeded, ErrorReason, Overloaded, Unavailable
from fingerpost.serve.deciding import Case, Decided, Deciding, Scored
from fingerpost.serve.decision_id import MAX_DEBITS, DecisionIds, name_hash
from fingerpost.serve.guards import Guards
from fingerpost.serve.repeats import REMEMBERED, Before, Repeats
from fingerpost.serve.rules import NO_RULING
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.situation import Offer
from fingerpost.serve.spending import Spending
from fingerpost.types import (
    ArmTaken,
    BreakerPosition,
    BudgetOf,
    Demands,
    GivenVector,
    Reason,
    RouteQuery,
    WhenSpent,
)
from tests.integration.test_tls import on_loop
from tests.money import COST, budget, spending
from tests.spending import START_S, Clock
from tests.treasury import MemoryTreasury
from tests.unit.test_choosing import judged

AWAY = Unavailable("the ledger cannot be reached", ErrorReason.STORE_UNAVAILABLE)
CALL = Demands(input_tokens=100, output_tokens=100)
QUERY = RouteQuery("r-1", "default", "fix this bug", tenant="acme", demands=CALL, repeatable=True)


class Desk:
    """One process that decides requests of one revision."""

    def __init__(self, snapshot: Snapshot, clock: Clock | None = None) -> None:
        self.treasury, self.ids, self.snapshot = MemoryTreasury(), DecisionIds(), snapshot
        self.guards = Guards(Spending(self.treasury, clock or Clock()))
        self.deciding = Deciding(self.guards, self.ids)

    async def decide(
        self,
        query: RouteQuery = QUERY,
        *,
        confidence: float = 0.9,
        offers: Mapping[str | None, Offer] | None = None,
        seconds: float = 20.0,
    ) -> Decided:
        guards = self.guards.of(self.snapshot)
        scored = Scored(judgement=judged(confidence))
        case = Case(query, self.snapshot, guards, offers or {}, NO_RULING, scored)
        return await self.deciding.decide(case, time.monotonic() + seconds)

    def close_model(self, model: str) -> None:
        """Have it left alone."""
        self.guards.of(self.snapshot).breakers.set_by_hand(model, BreakerPosition.OPEN, None, "ann")

    def open_model(self, model: str) -> None:
        self.guards.of(self.snapshot).breakers.by_itself(model, time.monotonic())

    @property
    def spent(self) -> int:
        """Of the first budget."""
        return self.guards.spending.purses[0].used_since


# --- What a decision's id tells -------------------------------------------------------------------------------------


@on_loop
async def test_the_id_tells_all_that_a_report_needs() -> None:
    """Catalog, route, time, and what is reserved on which accounts."""
    desk = Desk(
        spending(budget(), budget("own", of=BudgetOf.TENANT), budget("other", of=BudgetOf.MODEL, only=("big",)))
    )
    decided = await desk.decide()
    claims = desk.ids.read(decided.id, "acme")
    assert claims is not None
    assert (claims.catalog, claims.route) == (name_hash("default"), name_hash("code"))
    assert (claims.arm, claims.unit, claims.fell_back) == ("", "", False)
    assert claims.decided_s == int(START_S)
    assert sorted(debit.account for debit in claims.debits) == [0, 1]
    assert {debit.usd_micros for debit in claims.debits} == {COST} == {decided.reserved_usd_micros}
    assert desk.ids.read(decided.id, "bolt") is None


@on_loop
async def test_a_fallback_and_an_arm_are_told_too() -> None:
    """No route, but that it fell back; the arm and the unit that was drawn."""
    desk = Desk(spending(budget()))
    claims = desk.ids.read((await desk.decide(confidence=0.1)).id, "acme")
    assert claims is not None
    assert (claims.route, claims.fell_back) == ("", True)
    offer = Offer(ArmTaken("trial", "small", 0.5, "0badcafe"), model="middle")
    claims = desk.ids.read((await desk.decide(replace(QUERY, request_id="r-2"), offers={"code": offer})).id, "acme")
    assert claims is not None
    assert (claims.arm, claims.unit) == (name_hash("trial/small"), "0badcafe")


@on_loop
async def test_without_budgets_nothing_is_reserved() -> None:
    """And the treasury is not asked."""
    desk = Desk(spending())
    decided = await desk.decide()
    claims = desk.ids.read(decided.id, "acme")
    assert claims is not None
    assert (claims.debits, decided.reserved_usd_micros, desk.treasury.asked) == ((), None, 0)


@on_loop
async def test_more_budgets_than_an_id_can_tell() -> None:
    """All of them are charged; a report settles those that the id names."""
    desk = Desk(spending(*(budget(f"b{number}") for number in range(MAX_DEBITS + 2))))
    claims = desk.ids.read((await desk.decide()).id, "acme")
    assert claims is not None
    assert len(claims.debits) == MAX_DEBITS
    assert [purse.used_since for purse in desk.guards.spending.purses] == [COST] * (MAX_DEBITS + 2)


@on_loop
async def test_a_debit_without_an_account_is_not_told() -> None:
    """The treasury is away, a soft budget goes on: nobody knows the number of its account yet."""
    desk = Desk(spending(budget(when_spent=WhenSpent.ALERT)))
    desk.treasury.away = AWAY
    decided = await desk.decide()
    claims = desk.ids.read(decided.id, "acme")
    assert claims is not None
    assert (claims.debits, decided.reserved_usd_micros, desk.spent) == ((), COST, COST)


# --- The same again -------------------------------------------------------------------------------------------------


@on_loop
async def test_the_same_request_again_is_paid_once() -> None:
    """The same id, one debit; also when nothing is left of the budget."""
    desk = Desk(spending(budget(limit=COST)))
    first = await desk.decide()
    again = await desk.decide()
    assert (again.id, again.decision.model, again.reserved_usd_micros) == (first.id, "code", COST)
    assert desk.spent == COST
    with pytest.raises(Overloaded):
        await desk.decide(replace(QUERY, request_id="r-2"))


@on_loop
async def test_fifty_at_once_are_one() -> None:
    """Although all of them had to wait for the budget."""
    desk = Desk(spending(budget()))
    decided = await asyncio.gather(*(desk.decide() for _ in range(50)))
    assert len({one.id for one in decided}) == 1
    assert desk.spent == COST


@on_loop
async def test_a_model_that_a_budget_chose_is_chosen_again() -> None:
    """Also when there would be enough for the dear one by now."""
    desk = Desk(spending(budget(limit=COST, when_spent=WhenSpent.CHEAPEST)))
    await desk.decide(replace(QUERY, request_id="r-0"))
    desk.guards.spending.set_limits("default", {("all", ""): COST + 100})
    first = await desk.decide()
    assert (first.decision.model, Reason.BUDGET_EXHAUSTED in first.decision.reasons) == ("middle", True)
    desk.guards.spending.set_limits("default", {("all", ""): 100 * COST})
    again = await desk.decide()
    assert (again.id, again.decision.model) == (first.id, "middle")


_OTHERS: list[dict[str, Any]] = [
    {"wanted": "fix that bug"},
    {"wanted": GivenVector("f" * 64, np.zeros(3, np.float32))},
    {"tenant": "bolt"},
    {"session_id": "s-1"},
    {"request_id": "r-2"},
    {"repeatable": False},
]


@pytest.mark.parametrize("other", _OTHERS, ids=lambda other: "-".join(other))
@on_loop
async def test_another_request_is_another_decision(other: dict[str, Any]) -> None:
    """Of another text, tenant, session or id, and one whose id nobody gave: each is paid for."""
    desk = Desk(spending(budget()))
    first = await desk.decide()
    second = await desk.decide(replace(QUERY, **other))
    assert first.id != second.id
    assert desk.spent == 2 * COST
    assert (await desk.decide()).id == first.id


@on_loop
async def test_ids_that_nobody_gave_are_never_the_same() -> None:
    """Not even with the same text."""
    desk = Desk(spending(budget()))
    query = replace(QUERY, repeatable=False)
    assert (await desk.decide(query)).id != (await desk.decide(query)).id
    assert desk.spent == 2 * COST


@on_loop
async def test_a_model_that_fails_meanwhile() -> None:
    """Another model answers, which is another decision, paid for, and from then on the same again."""
    desk = Desk(spending(budget(limit=100_000)))
    first = await desk.decide()
    desk.close_model("code")
    second = await desk.decide()
    assert (first.decision.model, second.decision.model) == ("code", "big")
    assert second.id != first.id
    assert desk.spent == COST + 10 * COST
    assert [(await desk.decide()).id for _ in range(3)] == [second.id] * 3
    desk.open_model("code")
    assert (await desk.decide()).id == second.id, "the one before works no less than it did"
    assert desk.spent == COST + 10 * COST


@on_loop
async def test_a_refusal_is_not_remembered() -> None:
    """It costs nothing, and the next time there may be enough."""
    desk = Desk(spending(budget(limit=COST - 1)))
    with pytest.raises(Overloaded):
        await desk.decide()
    desk.guards.spending.set_limits("default", {("all", ""): COST})
    assert (await desk.decide()).decision.model == "code"


@on_loop
async def test_time_that_runs_out_is_told() -> None:
    """While a budget is asked for; nothing is spent, and nothing is remembered."""
    desk = Desk(spending(budget()))
    desk.treasury.silent.set()
    with pytest.raises(DeadlineExceeded, match="allow more time"):
        await desk.decide(seconds=0.01)
    assert await asyncio.to_thread(desk.treasury.came.acquire, timeout=20), "it was asked"
    assert desk.spent == 0
    desk.treasury.silent.clear()
    desk.treasury.answer.set()
    assert (await desk.decide()).reserved_usd_micros == COST


# --- What is remembered ---------------------------------------------------------------------------------------------

BEFORE = Before("id", "code", "code", 1)


def test_no_more_is_remembered_than_there_is_room() -> None:
    """The oldest is forgotten first, and everything after a while."""
    now = 0.0
    repeats = Repeats(lambda: now)
    queries = [replace(QUERY, request_id=f"r-{number}") for number in range(REMEMBERED + 1)]
    for query in queries:
        repeats.remember(query, BEFORE)
    assert [repeats.find(query) for query in (queries[0], queries[1], queries[-1])] == [None, BEFORE, BEFORE]
    now = 599.0
    assert repeats.find(queries[-1]) == BEFORE
    now = 600.0
    assert repeats.find(queries[-1]) is None


def test_what_nobody_named_is_not_remembered() -> None:
    repeats = Repeats(lambda: 0.0)
    repeats.remember(replace(QUERY, repeatable=False), BEFORE)
    assert repeats.find(QUERY) is None


def test_text_of_any_kind_is_told_apart() -> None:
    """Half a surrogate pair, and parts that would be equal when they are written one after the other."""
    repeats = Repeats(lambda: 0.0)
    odd = replace(QUERY, wanted="a\ud800")
    repeats.remember(odd, BEFORE)
    repeats.remember(replace(QUERY, tenant="a", session_id="b"), BEFORE)
    assert repeats.find(odd) == BEFORE
    assert repeats.find(replace(QUERY, tenant="ab", session_id="")) is None
