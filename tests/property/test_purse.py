"""A purse of a process: against a twin that writes every micro-dollar down, whatever is spent, asked and given back."""

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fingerpost.guard.budget import Purse
from fingerpost.types import AccountKey, Budget, BudgetOf, BudgetPer, Slice, Want, WhenSpent

KEY = AccountKey("default", "all", "", 0)
amounts = st.integers(0, 60)


class Spender(RuleBasedStateMachine):
    """The ledger of one account beside its purse."""

    @initialize(when=st.sampled_from(WhenSpent), limit=st.integers(1, 400))
    def begin(self, when: WhenSpent, limit: int) -> None:
        self.limit = limit
        self.purse = Purse(Budget("all", BudgetOf.CATALOG, BudgetPer.DAY, limit, when), KEY, 86_400, limit)
        self.given: dict[str, int] = {}
        self.spent = self.back = 0
        self.back_since = 0  # came back since the purse was told how much more there is

    @property
    def room(self) -> int:
        """What the ledger has left of a hard account."""
        return self.limit - sum(self.given.values()) + self.back

    @rule(usd_micros=amounts)
    def spend(self, usd_micros: int) -> None:
        purse = self.purse
        before = (purse.left, purse.debt, dict(purse.slices), purse.used_since)
        if not purse.allows(usd_micros):
            with pytest.raises(ValueError, match="more than the"):
                purse.take(usd_micros)
            assert before == (purse.left, purse.debt, purse.slices, purse.used_since), "nothing of it was spent"
            return
        purse.take(usd_micros)
        self.spent += usd_micros
        assert purse.touched
        assert purse.debt == before[1] + max(0, usd_micros - before[0]), "debts are made by what is not at hand alone"

    @rule(needed=amounts)
    def ask(self, needed: int) -> None:
        purse, id_ = self.purse, f"slice {len(self.given)}"
        want = Want(id_, KEY, 86_400, self.limit, purse.hard, purse.wish(needed), purse.least(needed))
        assert 1 <= want.least_usd_micros <= want.usd_micros
        usd_micros = min(want.usd_micros, max(0, self.room)) if purse.hard else want.usd_micros
        if usd_micros < want.least_usd_micros:
            usd_micros = 0
        debt, left = purse.debt, purse.left
        purse.add(Slice(id_, 7, usd_micros), want)
        self.given[id_] = usd_micros
        assert (purse.account, purse.away) == (7, False)
        assert purse.debt == max(0, debt - usd_micros), "debts are paid first"
        assert purse.left == left + max(0, usd_micros - debt)
        if usd_micros:
            assert purse.allows(needed), "what was given is enough"
        elif purse.hard:
            assert not purse.may_get(max(needed, purse.left + 1)), "as much is not asked for again"

    @rule()
    def give_back(self) -> None:
        taken = self.purse.emptied()
        assert all(0 <= left <= self.given[id_] for id_, left in taken.items())
        self.back += sum(taken.values())
        self.back_since += sum(taken.values())
        assert (self.purse.left, self.purse.slices) == (0, {})

    @rule()
    def close_used_up(self) -> None:
        before = dict(self.purse.slices)
        closed = self.purse.used_up()
        assert set(closed) == {id_ for id_, left in before.items() if not left}
        assert self.purse.slices == {id_: left for id_, left in before.items() if left}

    @rule()
    def hear(self) -> None:
        """As a round of `serve.spending` does."""
        self.purse.more, self.back_since = max(0, self.room), 0

    @rule()
    def lose_the_ledger(self) -> None:
        self.purse.away = True
        assert not self.purse.may_get(1)
        assert self.purse.hard or self.purse.allows(10**9), "a soft one goes on in debt"

    @invariant()
    def it_adds_up(self) -> None:
        purse = self.purse
        assert purse.used_since == self.spent
        assert purse.left == sum(purse.slices.values())
        assert min(purse.left, purse.debt, *purse.slices.values(), 0) == 0
        assert self.spent - purse.debt + purse.left + self.back == sum(self.given.values())
        assert not (purse.debt and purse.left)
        if purse.hard:
            assert purse.debt == 0
            assert self.spent <= self.limit

    @invariant()
    def it_is_monotone(self) -> None:
        """Whoever can pay much can pay little, and the same of what may be had."""
        allowed = [self.purse.allows(amount) for amount in range(0, 60, 7)]
        assert allowed == sorted(allowed, reverse=True)
        may_get = [self.purse.may_get(amount) for amount in range(0, 60, 7)]
        assert may_get == sorted(may_get, reverse=True)

    @invariant()
    def nothing_that_is_there_is_thought_gone(self) -> None:
        """A hard purse gives up on no more than the ledger really lacks."""
        if self.purse.hard and not self.purse.away:
            reach = self.purse.left + self.room - self.back_since
            assert self.purse.may_get(reach)
            assert not self.purse.may_get(None)


Spender.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
test_a_purse_and_its_twin = Spender.TestCase
