"""Spending: purses of a process are filled beside the requests, and hard budgets never give more than there is."""

import asyncio
from collections.abc import Sequence

import pytest

from fingerpost.errors import ErrorReason, Overloaded, Unavailable
from fingerpost.guard.budget import Purse
from fingerpost.types import Budget, BudgetOf, BudgetPer, WhenSpent
from tests.integration.test_tls import on_loop
from tests.money import budget
from tests.spending import START_S, Clock, Payer, until
from tests.treasury import MemoryTreasury

AWAY = Unavailable("the ledger cannot be reached", ErrorReason.STORE_UNAVAILABLE)
HARD = budget(limit=1_000)
SOFT = budget(limit=1_000, when_spent=WhenSpent.ALERT)
MONTH_S, NEXT_MONTH_S = 1_698_796_800, 1_701_388_800  # November and December 2023


def others_spent(treasury: MemoryTreasury, used: int, of: Budget) -> None:
    treasury.use(used, of.limit_usd_micros, budget=of.name, start_s=MONTH_S, end_s=NEXT_MONTH_S, hard=of.hard)


def sums(purses: Sequence[Purse]) -> list[tuple[int, int]]:
    """Spent and in debt."""
    return [(purse.used + purse.used_since, purse.debt) for purse in purses]


# --- Waiting for the treasury ---------------------------------------------------------------------------------------


@on_loop
async def test_all_that_wait_share_one_lease() -> None:
    """Fifty requests at once ask for what they need together, in one call."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=100_000))
    await asyncio.gather(*(payer.pay(300) for _ in range(50)))
    assert treasury.wants[0].usd_micros == 50 * 300
    assert treasury.wants[0].least_usd_micros == 300
    [purse] = payer.purses()
    assert purse.used_since == 50 * 300
    assert len([want for want in treasury.wants if want.usd_micros >= 300]) <= 2, "one, and one ahead"


@on_loop
async def test_a_request_waits_no_longer_than_it_may() -> None:
    """The treasury is silent: the time runs out, what was asked goes on, and the next request has it."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, HARD)
    treasury.silent.set()
    with pytest.raises(TimeoutError):
        await payer.pay(300, seconds=0.01)
    assert await asyncio.to_thread(treasury.came.acquire, timeout=20), "it was asked"
    assert sums(payer.purses()) == [(0, 0)], "and nothing was spent"
    treasury.silent.clear()
    treasury.answer.set()
    await payer.pay(300)
    [purse] = payer.purses()
    assert (purse.used_since, treasury.wants[0].usd_micros) == (300, 300)
    assert purse.left == sum(want.usd_micros for want in treasury.wants) - 300


@on_loop
async def test_a_deadline_that_is_over_asks_all_the_same() -> None:
    """It raises and counts nobody as waiting any more."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, HARD)
    with pytest.raises(TimeoutError):
        await payer.pay(300, seconds=-1)
    await payer.pay(200)
    assert sums(payer.purses()) == [(200, 0)]


@on_loop
async def test_what_costs_nothing_needs_an_account_too() -> None:
    """Two free calls at once: the account is opened for both, and a report can settle it."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, SOFT)
    await asyncio.gather(payer.pay(0), payer.pay(0))
    [purse] = payer.purses()
    assert (purse.account, purse.used_since) == (0, 0)


@on_loop
async def test_a_purse_is_filled_before_it_is_empty() -> None:
    """What runs low is asked for beside the requests: none of them waits."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=160_000))
    await payer.pay(1)
    [purse] = payer.purses()
    first = purse.left
    payer_asked = len(treasury.wants)
    while not purse.low:
        purse.take(100)
    assert purse.left >= 0
    payer.spending.fill_ahead([purse])
    await until(lambda: purse.left > first // 2)
    assert len(treasury.wants) == payer_asked + 1
    payer.spending.fill_ahead([purse])
    await payer.spending.round()
    assert len(treasury.wants) == payer_asked + 1, "which is full asks for nothing"


# --- The treasury is away -------------------------------------------------------------------------------------------


@on_loop
async def test_hard_budgets_spend_what_is_at_hand_and_no_more() -> None:
    """Without the treasury the slice is spent, then it is refused, as what can be retried; when it is back, it pays."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, HARD)
    await payer.pay(300)
    [purse] = payer.purses()
    await until(lambda: not purse.low)
    at_hand = purse.left
    treasury.away = AWAY
    await payer.pay(at_hand)
    with pytest.raises(Overloaded) as refused:
        await payer.pay(1)
    assert refused.value.reason == ErrorReason.BUDGET_LEASE_UNAVAILABLE
    assert refused.value.metadata == {"budget": "all", "cause": "budget"}
    assert refused.value.retry_after_ms == 1_000
    await payer.spending.round()
    with pytest.raises(Overloaded):
        await payer.pay(1)
    treasury.away = None
    await payer.spending.round()
    await payer.pay(1)
    assert sums(payer.purses()) == [(300 + at_hand + 1, 0)]


@on_loop
async def test_soft_budgets_go_on_in_debt_and_pay_later() -> None:
    """Nothing waits, nothing is refused, and afterwards the account knows of all of it."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, SOFT)
    treasury.away = AWAY
    for _ in range(5):
        await payer.pay(300)
    assert sums(payer.purses()) == [(1_500, 1_500)]
    treasury.away = None
    await payer.spending.round()
    [purse] = payer.purses()
    await until(lambda: not purse.debt)
    assert purse.spent, "over its limit"
    await payer.spending.close()
    assert treasury.taken == {("all", "", MONTH_S): 1_500}


@on_loop
async def test_debts_are_paid_after_the_window() -> None:
    """An hour's debt is that hour's, although the treasury comes back in the next."""
    treasury, clock = MemoryTreasury(), Clock()
    payer = Payer(treasury, budget(limit=1_000, per=BudgetPer.HOUR, when_spent=WhenSpent.ALERT), clock=clock)
    treasury.away = AWAY
    await payer.pay(300)
    clock.now += 3_600
    await payer.pay(20)
    treasury.away = None
    await payer.spending.round()
    await until(lambda: len(treasury.wants) == 2)
    await payer.spending.close()
    hour = int(START_S) // 3_600 * 3_600
    assert treasury.taken == {("all", "", hour): 300, ("all", "", hour + 3_600): 20}


@on_loop
async def test_debts_are_paid_at_the_end() -> None:
    """A server that stops in debt pays first."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, SOFT)
    treasury.away = AWAY
    await payer.pay(300)
    treasury.away = None
    await payer.spending.round()
    await payer.pay(2_000)
    await payer.spending.close()
    assert list(treasury.taken.values()) == [2_300]
    assert treasury.open_slices == 0


@on_loop
async def test_a_lost_answer_takes_nothing_twice() -> None:
    """The slice was given, and nobody heard of it: asked again, it is the same one."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, HARD)
    treasury.answers_lost = 1
    with pytest.raises(Overloaded) as refused:
        await payer.pay(300)
    assert refused.value.reason == ErrorReason.BUDGET_LEASE_UNAVAILABLE
    assert list(treasury.taken.values()) == [300], "the fault has happened"
    await payer.spending.round()
    await payer.pay(300)
    assert treasury.wants[0].id == treasury.wants[1].id
    assert sum(treasury.taken.values()) < 600
    await payer.spending.close()
    assert (list(treasury.taken.values()), treasury.open_slices) == ([300], 0)


@on_loop
async def test_a_lost_slice_goes_back_at_the_end() -> None:
    """Nobody has asked for it again."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, HARD)
    treasury.answers_lost = 1
    with pytest.raises(Overloaded):
        await payer.pay(300)
    assert treasury.open_slices == 1
    await payer.spending.close()
    assert (list(treasury.taken.values()), treasury.open_slices) == ([0], 0)


@on_loop
async def test_many_tenants_at_once_are_one_call() -> None:
    """However many purses are short: the treasury, which answers, is never taken for away."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget("own", limit=1_000, of=BudgetOf.TENANT), budget(limit=10**6))
    await asyncio.gather(*(payer.pay(300, tenant=f"tenant {number}") for number in range(100)))
    assert len(treasury.wants) >= 101
    assert treasury.asked <= 4, "one for all, and what is asked ahead"


# --- Little is left -------------------------------------------------------------------------------------------------


@on_loop
async def test_what_is_left_pays_for_what_is_cheap() -> None:
    """The treasury has too little for one call and enough for another, whichever asks first, and both at once."""
    treasury = MemoryTreasury()
    others_spent(treasury, 985, HARD)
    payer = Payer(treasury, HARD)
    with pytest.raises(Overloaded) as refused:
        await payer.pay(300)
    assert refused.value.reason == ErrorReason.BUDGET_EXHAUSTED
    assert refused.value.metadata["window_end_s"] == str(NEXT_MONTH_S)
    await payer.pay(10)
    results = await asyncio.gather(payer.pay(300), payer.pay(3), return_exceptions=True)
    assert [isinstance(one, Overloaded) for one in results] == [True, False]
    assert sum(treasury.taken.values()) <= 15


@on_loop
async def test_what_is_at_hand_counts() -> None:
    """250 here and 50 there are 300."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=300))
    await payer.pay(1)
    [purse] = payer.purses()
    await until(lambda: not purse.low)
    assert 0 < purse.left < 299
    await payer.pay(299)
    with pytest.raises(Overloaded):
        await payer.pay(1)


@on_loop
async def test_a_report_may_open_a_spent_budget() -> None:
    """Reserved were 1,000, it cost 400: as soon as the report is in, the rest can be spent."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, HARD)
    await payer.pay(1_000)
    with pytest.raises(Overloaded):
        await payer.pay(10)
    treasury.settle(0, 1_000, 400)
    asked = len(treasury.wants)
    with pytest.raises(Overloaded):
        await payer.pay(10)
    assert len(treasury.wants) == asked, "nobody asks in vain"
    payer.spending.refunded([0, 77])
    await payer.pay(600)
    with pytest.raises(Overloaded):
        await payer.pay(10)


@on_loop
async def test_a_raised_limit_opens_at_once() -> None:
    """Of all, or of one holder; taken back, it is the policy's again."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget("own", limit=1_000, of=BudgetOf.TENANT))
    for tenant in ("acme", "bolt"):
        await payer.pay(1_000, tenant=tenant)
    payer.spending.set_limits("default", {("own", "acme"): 1_500, ("own", ""): 1_200})
    await payer.pay(500, tenant="acme")
    await payer.pay(200, tenant="bolt")
    await payer.pay(1_200, tenant="new")
    for tenant in ("acme", "bolt", "new"):
        with pytest.raises(Overloaded):
            await payer.pay(1, tenant=tenant)
    payer.spending.set_limits("default", {})
    assert {purse.limit_usd_micros for purse in payer.spending.purses} == {1_000}


# --- Rounds ---------------------------------------------------------------------------------------------------------


@on_loop
async def test_a_round_learns_what_others_spent_and_forgets_nothing() -> None:
    """What is spent here while the treasury answers is counted, once."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=10_000))
    await payer.pay(1_000)
    [purse] = payer.purses()
    await until(lambda: not purse.low)
    others_spent(treasury, 2_000, budget(limit=10_000))
    treasury.silent.set()
    round_ = asyncio.create_task(payer.spending.round())
    assert await asyncio.to_thread(treasury.came.acquire, timeout=20), "it is under way"
    during = min(purse.left, 200)
    assert during
    purse.take(during)
    treasury.silent.clear()
    treasury.answer.set()
    await round_
    assert sums([purse]) == [(3_000 + during, 0)]
    await payer.spending.round()
    assert sums([purse]) == [(3_000 + during, 0)]


@on_loop
async def test_calls_have_their_turn_during_a_round_of_many_purses() -> None:
    """What they spend then of a purse that was looked at, and of one that was not yet, counts once."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=10_000, of=BudgetOf.TENANT))
    tenants = [f"tenant {number}" for number in range(1_000)]
    await asyncio.gather(*(payer.pay(100, tenant=tenant) for tenant in tenants))
    purses = payer.spending.purses
    round_ = asyncio.create_task(payer.spending.round())
    await asyncio.sleep(0)
    assert [purses[0].touched, purses[-1].touched] == [False, True]
    for purse in purses:
        purse.take(7)
    await round_
    assert set(sums(purses)) == {(107, 0)}
    await payer.spending.round()
    assert set(sums(purses)) == {(107, 0)}
    assert set(treasury.taken.values()) <= {sum(purse.slices.values()) + 107 for purse in purses}


@on_loop
async def test_a_window_ends_during_a_round_of_many_purses() -> None:
    """A purse that went before the round came to it: what it has goes back, and the new one is left alone."""
    treasury, clock = MemoryTreasury(), Clock()
    payer = Payer(treasury, budget(limit=10_000, of=BudgetOf.TENANT, per=BudgetPer.HOUR), clock=clock)
    tenants = [f"tenant {number}" for number in range(1_000)]
    await asyncio.gather(*(payer.pay(100, tenant=tenant) for tenant in tenants))
    before = payer.spending.purses
    round_ = asyncio.create_task(payer.spending.round())
    await asyncio.sleep(0)
    clock.now += 3_600
    await payer.pay(50, tenant=tenants[-1])
    await round_
    [purse] = payer.purses(tenant=tenants[-1])
    assert purse is not before[-1]
    assert sums([purse]) == [(50, 0)]
    await payer.spending.round()
    assert (before[-1].left, payer.spending.purses) == (0, (purse,))


@on_loop
async def test_a_debt_that_is_paid_during_a_round_counts_once() -> None:
    """In debt when it begins, paid when it ends: spent is spent."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=100_000, when_spent=WhenSpent.ALERT))
    await payer.pay(10)
    [purse] = payer.purses()
    await until(lambda: not purse.low)
    treasury.away = AWAY
    over = purse.left + 500
    purse.take(over)
    assert purse.debt == 500
    treasury.away = None
    treasury.silent.set()
    round_ = asyncio.create_task(payer.spending.round())
    assert await asyncio.to_thread(treasury.came.acquire, timeout=20)
    payer.spending.fill_ahead([purse])
    assert await asyncio.to_thread(treasury.came.acquire, timeout=20)
    treasury.silent.clear()
    treasury.answer.set()
    await round_
    await until(lambda: not purse.debt)
    assert purse.used + purse.used_since == 10 + over
    await payer.spending.round()
    assert purse.used + purse.used_since == 10 + over


@on_loop
async def test_what_pays_for_no_request_is_spent() -> None:
    """When less is left of a hard account than the last request took, the ledger hears so in a round, once."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, HARD)
    for _ in range(3):
        await payer.pay(300)
    await payer.spending.round()
    await payer.spending.round()
    [purse] = payer.purses()
    assert treasury.over == {purse.account}
    assert [alert.percent for alert in treasury.notice([100], int(START_S) * 1_000_000)] == [100]
    treasury.over.clear()
    await payer.spending.round()
    assert not treasury.over


@on_loop
async def test_a_failed_round_is_made_up_for() -> None:
    """What could not be told is told the next time, and what could not be given back is given back."""
    treasury, clock = MemoryTreasury(), Clock()
    payer = Payer(treasury, budget(limit=1_000, per=BudgetPer.HOUR), clock=clock)
    await payer.pay(300)
    [purse] = payer.purses()
    treasury.away = AWAY
    await payer.spending.round()
    assert (sums([purse]), purse.touched) == ([(300, 0)], True)
    clock.now += 3_600
    await payer.spending.round()
    treasury.away = None
    await payer.spending.round()
    assert (list(treasury.taken.values()), treasury.open_slices) == ([300], 0)


@on_loop
async def test_a_soft_account_that_others_have_spent_refuses_nobody() -> None:
    """This process hears of the account before it has taken anything from it."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, SOFT)
    [purse] = payer.purses()
    others_spent(treasury, 5_000, SOFT)
    await payer.spending.round()
    assert purse.spent
    await payer.pay(300)
    assert purse.used + purse.used_since == 5_300


@on_loop
async def test_beyond_a_soft_limit_not_every_call_asks() -> None:
    """A slice lasts for many of them."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=64_000, when_spent=WhenSpent.ALERT))
    await payer.pay(70_000)
    [purse] = payer.purses()
    await until(lambda: not purse.low)
    before = len(treasury.wants)
    for _ in range(200):
        await payer.pay(10)
    await payer.spending.close()
    assert len(treasury.wants) - before <= 5


@on_loop
async def test_used_up_slices_are_closed() -> None:
    """Neither purse nor treasury keeps them for the rest of the month."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=100_000))
    for _ in range(100):
        await payer.pay(900)
    assert treasury.open_slices > 10
    [purse] = payer.purses()
    await payer.spending.round()
    await until(lambda: not purse.low)
    assert treasury.open_slices == len(purse.slices) <= 2
    assert list(treasury.taken.values()) == [90_000 + purse.left]


@on_loop
async def test_idle_slices_go_back() -> None:
    """After some rounds without spending others may have them; spending in between begins the count anew."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=16_000))
    await payer.pay(100)
    [purse] = payer.purses()
    await until(lambda: not purse.low)
    for number in range(20):
        if number == 10:
            purse.take(1)
        await payer.spending.round()
    assert purse.left, "not idle for long enough"
    for _ in range(20):
        await payer.spending.round()
    assert (purse.left, list(treasury.taken.values()), treasury.open_slices) == (0, [101], 0)
    await payer.pay(100)
    assert sums([purse]) == [(201, 0)]


# --- Windows --------------------------------------------------------------------------------------------------------


@on_loop
async def test_a_new_window_begins_anew_and_gives_back() -> None:
    """Also when the clock steps back over the edge: no window begins twice."""
    treasury, clock = MemoryTreasury(), Clock()
    payer = Payer(treasury, budget(limit=1_000, per=BudgetPer.HOUR), clock=clock)
    await payer.pay(900)
    [old] = payer.purses()
    hour = old.key.start_s
    clock.now = old.end_s - 0.001
    with pytest.raises(Overloaded):
        await payer.pay(200)
    clock.now = old.end_s
    await payer.pay(200)
    [new] = payer.purses()
    assert (new.key.start_s, new.used_since) == (hour + 3_600, 200)
    clock.now = old.end_s - 600.0
    await payer.pay(200)
    assert payer.purses() == (new,), "the old window stays over"
    assert (payer.spending.now_s(), new.used_since) == (old.end_s, 400)
    await payer.spending.round()
    await payer.spending.close()
    assert treasury.taken == {("all", "", hour): 900, ("all", "", hour + 3_600): 400}
    assert treasury.open_slices == 0


@on_loop
async def test_200_calls_across_the_edge() -> None:
    """Each is paid in one of the two windows, and both sums together are all that was spent."""
    treasury, clock = MemoryTreasury(), Clock()
    payer = Payer(treasury, budget(limit=10_000, per=BudgetPer.HOUR), clock=clock)
    edge = payer.purses()[0].end_s

    async def call(number: int) -> None:
        clock.now = edge - 100 + number + (-30 if number % 7 == 0 else 0)
        await payer.pay(30)

    await asyncio.gather(*(call(number) for number in range(200)))
    await payer.spending.close()
    assert sum(treasury.taken.values()) == 200 * 30
    assert treasury.open_slices == 0


@on_loop
async def test_another_revision_of_the_budget() -> None:
    """A budget that says something else goes on with its account; one of other windows begins anew."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, HARD)
    await payer.pay(300)
    [old] = payer.purses()
    payer.decider = Payer(treasury, budget(limit=2_000)).decider
    await payer.pay(1_700)
    assert payer.purses() == (old,)
    with pytest.raises(Overloaded):
        await payer.pay(1)
    payer.decider = Payer(treasury, budget(limit=1_000, per=BudgetPer.HOUR)).decider
    await payer.pay(1_000)
    assert payer.purses() != (old,)
    await payer.spending.close()
    assert list(treasury.taken.values()) == [2_000, 1_000]


@on_loop
async def test_close_gives_all_back() -> None:
    """What is at hand, and what is just being asked for."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, budget(limit=16_000), budget("own", limit=16_000, of=BudgetOf.TENANT))
    await payer.pay(100)
    treasury.silent.set()
    asking = asyncio.create_task(payer.pay(5_000))
    assert await asyncio.to_thread(treasury.came.acquire, timeout=20), "it is asked"
    asking.cancel()
    closing = asyncio.create_task(payer.spending.close())
    await asyncio.sleep(0)
    treasury.silent.clear()
    treasury.answer.set()
    await closing
    assert (set(treasury.taken.values()), treasury.open_slices) == ({100}, 0)


@on_loop
async def test_close_without_the_treasury() -> None:
    """It ends all the same; what is out counts as spent."""
    treasury = MemoryTreasury()
    payer = Payer(treasury, HARD)
    await payer.pay(300)
    treasury.away = AWAY
    await payer.spending.close()
    assert sum(treasury.taken.values()) >= 300


# --- Who pays -------------------------------------------------------------------------------------------------------


@on_loop
async def test_each_holder_has_its_own() -> None:
    """Route, model and tenant; `only` says whose; whoever has none pays nothing there."""
    treasury = MemoryTreasury()
    payer = Payer(
        treasury,
        budget("r", of=BudgetOf.ROUTE, only=("code",)),
        budget("m", of=BudgetOf.MODEL),
        budget("t", of=BudgetOf.TENANT, only=("acme", "bolt")),
    )
    await payer.pay(100)
    await payer.pay(200, route="maths", model="maths", tenant="bolt")
    await payer.pay(400, route="maths", model="code", tenant="else")
    spent = {(purse.budget.name, purse.key.holder): purse.used_since for purse in payer.spending.purses}
    assert {name: amount for name, amount in spent.items() if amount} == {
        ("r", "code"): 100,
        ("m", "code"): 500,
        ("m", "maths"): 200,
        ("t", "acme"): 100,
        ("t", "bolt"): 200,
    }
    assert ("r", "maths") not in spent
