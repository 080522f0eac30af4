"""Several processes on one treasury: whatever they spend, lose and give back, a hard budget is never overspent."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings, strategies as st

from fingerpost.errors import ErrorReason, Overloaded, Unavailable
from fingerpost.types import Budget, BudgetOf, BudgetPer, WhenSpent
from tests.money import budget
from tests.spending import START_S, Clock, Payer
from tests.treasury import MemoryTreasury

AWAY = Unavailable("the ledger cannot be reached", ErrorReason.STORE_UNAVAILABLE)
LIMIT = 500
TENANTS = ("acme", "bolt")


@dataclass(frozen=True)
class Pay:
    process: int
    amounts: tuple[int, ...]  # at once
    tenant: str = "acme"


@dataclass(frozen=True)
class Other:
    what: str
    process: int = 0


processes = st.integers(0, 2)
steps = st.one_of(
    st.builds(
        Pay, processes, st.lists(st.integers(0, 120), min_size=1, max_size=6).map(tuple), st.sampled_from(TENANTS)
    ),
    st.builds(Other, st.sampled_from(["round", "round", "restart", "kill"]), processes),
    st.builds(Other, st.sampled_from(["away", "back", "lose an answer", "an hour", "back an hour"])),
)

soft_steps = st.one_of(
    st.builds(Pay, processes, st.lists(st.integers(1, 120), min_size=1, max_size=2).map(tuple)),
    st.builds(Other, st.sampled_from(["away", "an hour", "round"])),
)


class Site:
    """Processes with the same budgets and clock; what was spent is written down."""

    def __init__(self, *budgets: Budget) -> None:
        self.treasury, self.clock, self.budgets = MemoryTreasury(), Clock(), budgets
        self.payers = [self.started() for _ in range(3)]
        self.spent: Counter[tuple[str, str, int]] = Counter()  # by budget, holder and window

    def started(self) -> Payer:
        return Payer(self.treasury, *self.budgets, clock=self.clock)

    async def take(self, step: Pay | Other) -> None:
        if isinstance(step, Pay):
            await asyncio.gather(*(self.pay(self.payers[step.process], one, step.tenant) for one in step.amounts))
        elif step.what == "round":
            await self.payers[step.process].spending.round()
        elif step.what == "restart":
            await self.payers[step.process].spending.close()
            self.payers[step.process] = self.started()
        elif step.what == "kill":
            self.payers[step.process] = self.started()
        elif step.what in ("away", "back"):
            self.treasury.away = AWAY if step.what == "away" else None
        elif step.what == "lose an answer":
            self.treasury.answers_lost = 1
        else:
            self.clock.now += 3_600 if step.what == "an hour" else -3_600

    async def pay(self, payer: Payer, usd_micros: int, tenant: str) -> None:
        try:
            paid = await payer.pay(usd_micros, tenant=tenant)
        except Overloaded:
            return
        for purse in paid.purses:
            assert purse.key.start_s <= payer.spending.now_s() < purse.end_s
            self.spent[purse.key.budget, purse.key.holder, purse.key.start_s] += usd_micros


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, max_size=25))
def test_a_hard_budget_is_never_overspent(schedule: list[Pay | Other]) -> None:
    """By processes that are killed, start again, lose the treasury or its answers, and see the clock go back.

    Nothing that was spent is missing in the treasury, and what it has beside that is with processes that were killed.
    """
    site = Site(
        budget(limit=LIMIT, per=BudgetPer.HOUR),
        budget("own", limit=LIMIT // 2, of=BudgetOf.TENANT, per=BudgetPer.DAY, when_spent=WhenSpent.CHEAPEST),
    )

    async def run() -> None:
        for step in schedule:
            await site.take(step)
            assert all(amount <= _limit(name) for (name, _, _), amount in site.spent.items())
        site.treasury.away, site.treasury.answers_lost = None, 0
        for payer in site.payers:
            await payer.spending.round()
            await payer.spending.close()

    asyncio.run(run())
    taken = site.treasury.taken
    assert all(taken[key] >= amount for key, amount in site.spent.items() if amount)
    assert all(amount <= _limit(name) for (name, _, _), amount in taken.items())
    if not any(isinstance(step, Other) and step.what in ("kill", "restart") for step in schedule):
        assert {key: amount for key, amount in taken.items() if amount} == {
            key: amount for key, amount in site.spent.items() if amount
        }
        assert site.treasury.open_slices == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(steps | soft_steps | soft_steps, max_size=20))
def test_a_soft_budget_counts_all(schedule: list[Pay | Other]) -> None:
    """Nobody is refused, and when the treasury is there, it knows to the micro-dollar what those spent who live."""
    site = Site(budget(limit=LIMIT, per=BudgetPer.HOUR, when_spent=WhenSpent.ALERT))
    paid = sum(len(step.amounts) for step in schedule if isinstance(step, Pay))
    lived = not any(isinstance(step, Other) and step.what in ("kill", "restart") for step in schedule)

    async def run() -> None:
        for step in schedule:
            await site.take(step)
        site.treasury.away, site.treasury.answers_lost = None, 0
        for payer in site.payers:
            await payer.spending.round()
            await payer.spending.close()

    asyncio.run(run())
    told = sum(amount for step in schedule if isinstance(step, Pay) for amount in step.amounts)
    assert sum(site.spent.values()) == told, f"all of {paid} calls"
    if lived:
        assert sum(site.treasury.taken.values()) == told
        assert site.treasury.open_slices == 0


def _limit(name: str) -> int:
    return LIMIT if name == "all" else LIMIT // 2


def test_the_start_is_in_the_middle_of_an_hour() -> None:
    """Else steps of an hour would prove less than they seem to."""
    assert START_S % 3_600 > 60
