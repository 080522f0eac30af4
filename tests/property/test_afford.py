"""Which models can be paid for: always an answer, never one that a hard budget cannot pay, and never less for more."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hypothesis import given, settings, strategies as st

from fingerpost.errors import ErrorReason, Overloaded
from fingerpost.guard.budget import Accounts, Purse
from fingerpost.serve.afford import Paid, Short, afford
from fingerpost.types import AccountKey, Budget, BudgetOf, BudgetPer, WhenSpent

MODELS = ("ada", "bob", "cyd", "dan")
RICH = 10**9

amounts = st.integers(0, 6)
rarely = st.integers(0, 7).map(lambda number: number == 7)


@dataclass(frozen=True)
class Case:
    models: tuple[str, ...]
    costs: Mapping[str, int | None]
    purses: tuple[tuple[str, Purse], ...]  # with the model that each is of; "": of all

    def accounts(self) -> Accounts:
        """Of the route `code`."""
        own = {
            model: tuple(purse for of, purse in self.purses if of == model) for model in self.models if model in MODELS
        }
        common = [purse for of, purse in self.purses if not of]
        return Accounts(0.0, tuple(common[:1]), {"code": tuple(common[1:])}, own)

    def result(self) -> Paid | Short | Overloaded:
        try:
            return afford(self.models, self.costs, "code", self.accounts())
        except (Short, Overloaded) as raised:
            return raised

    def of(self, model: str) -> list[Purse]:
        return [purse for of, purse in self.purses if of in ("", model)]

    def cost(self, model: str) -> float:
        cost = self.costs[model]
        return math.inf if cost is None else cost


@st.composite
def purses(draw: st.DrawFn, of: BudgetOf) -> Purse:
    when = draw(st.sampled_from(WhenSpent))
    limit = draw(st.integers(1, 12))
    return Purse(
        Budget(f"of {of}", of, BudgetPer.DAY, limit, when),
        AccountKey("default", f"of {of}", "", 0),
        86_400,
        limit,
        account=draw(st.sampled_from([None, 7])),
        left=draw(amounts),
        used=draw(st.integers(0, 12)),
        more=draw(st.just(0) | st.none() | amounts),
        away=draw(rarely),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    models = tuple(draw(st.lists(st.sampled_from(MODELS), unique=True, min_size=1)))
    costs = {name: None if draw(rarely) else draw(amounts) for name in models}
    common = [("", draw(purses(of))) for of in draw(st.lists(st.sampled_from(_OF_ALL), unique=True))]
    own = [(name, draw(purses(BudgetOf.MODEL))) for name in draw(st.lists(st.sampled_from(models), unique=True))]
    return Case(models, costs, (*common, *own))


_OF_ALL = (BudgetOf.CATALOG, BudgetOf.ROUTE, BudgetOf.TENANT)


def pays(purse: Purse, cost: float) -> bool:
    """As anyone would say it."""
    return cost <= purse.left if purse.hard else purse.account is not None or purse.away


def out_of_reach(purse: Purse, cost: float) -> bool:
    """It cannot pay, and nobody may have more for it."""
    if pays(purse, cost):
        return False
    return purse.away or (purse.hard and (purse.more is not None or math.isinf(cost)) and _lacks(purse, cost))


def _lacks(purse: Purse, cost: float) -> bool:
    return cost > purse.left + (purse.more or 0)


@settings(max_examples=200)
@given(cases())
def test_each_result_is_what_it_says(case: Case) -> None:
    """Paid: all its purses pay the first model; short: more may be had; refused: by a budget that may refuse."""
    result = case.result()
    if isinstance(result, Paid):
        first, *others = result.models
        assert set(result.models) <= set(case.models)
        assert len(set(result.models)) == len(result.models)
        assert list(result.purses) == list(case.accounts().of("code", first))
        assert all(pays(purse, case.cost(first)) for purse in result.purses)
        assert not any(out_of_reach(purse, case.cost(one)) for one in others for purse in case.of(one))
        assert result.unpaid.isdisjoint(result.models)
        assert all(any(out_of_reach(purse, case.cost(one)) for purse in case.of(one)) for one in result.unpaid)
        for purse in result.purses:
            purse.take(case.costs[first] or 0)
    elif isinstance(result, Short):
        assert result.purses
        assert not any(purse.away or pays(purse, result.usd_micros) for purse in result.purses)
        assert not any(out_of_reach(purse, result.usd_micros) for purse in result.purses)
        assert result.usd_micros in {cost or 0 for cost in case.costs.values()}
    else:
        names = {purse.budget.name for _, purse in case.purses if purse.hard}
        assert result.metadata["budget"] in names, "soft ones refuse nobody"
        away = result.reason == ErrorReason.BUDGET_LEASE_UNAVAILABLE
        assert away or result.reason == ErrorReason.BUDGET_EXHAUSTED
        assert any(purse.away == away for _, purse in case.purses if purse.budget.name == result.metadata["budget"])


@settings(max_examples=200)
@given(cases())
def test_who_could_be_paid_is(case: Case) -> None:
    """Without budgets that refuse, only a request that nothing is within reach for is refused."""
    result = case.result()
    reachable = [one for one in case.models if not any(out_of_reach(p, case.cost(one)) for p in case.of(one))]
    if isinstance(result, Overloaded):
        refuses = [purse for _, purse in case.purses if purse.budget.when_spent is WhenSpent.REFUSE]
        assert refuses or not reachable
    else:
        assert reachable


@settings(max_examples=100)
@given(cases())
def test_where_all_is_rich_nothing_changes(case: Case) -> None:
    """The order is what it was, and nothing is passed over."""
    rich = [(of, replace(purse, left=RICH, account=7, used=0, limit_usd_micros=RICH)) for of, purse in case.purses]
    result = Case(case.models, {name: cost or 0 for name, cost in case.costs.items()}, tuple(rich)).result()
    assert isinstance(result, Paid)
    assert (result.models, result.unpaid, result.cheapest) == (case.models, frozenset(), False)


@settings(max_examples=600)
@given(cases(), st.data())
def test_more_is_never_worse(case: Case, data: st.DataObject) -> None:
    """With more at hand, or with the ledger, whoever was not refused is not refused.

    That holds whatever budgets there are; of a soft one that asks for the cheapest model it is what was used that
    counts, and that stays here. What is chosen comes no later, or is no dearer where the cheapest is wanted.
    """
    before = case.result()
    place = data.draw(st.integers(0, max(0, len(case.purses) - 1)))
    left, more = data.draw(amounts), data.draw(amounts)
    raised = [
        (of, _raised(purse, left, more) if number == place else replace(purse))
        for number, (of, purse) in enumerate(case.purses)
    ]
    after = Case(case.models, case.costs, tuple(raised)).result()
    if isinstance(before, Overloaded):
        return
    assert not isinstance(after, Overloaded)
    if not (isinstance(before, Paid) and isinstance(after, Paid)):
        return
    if after.cheapest:
        assert case.cost(after.models[0]) <= case.cost(before.models[0])
    else:
        assert case.models.index(after.models[0]) <= case.models.index(before.models[0])


def _raised(purse: Purse, left: int, more: int) -> Purse:
    return replace(purse, left=purse.left + left, more=None if purse.more is None else purse.more + more)
