"""Which models can be paid for: what each kind of budget does when it has too little."""

from typing import Any

import pytest

from fingerpost.errors import ErrorReason, Overloaded
from fingerpost.guard.budget import NO_ACCOUNTS, Accounts, Purse
from fingerpost.serve.afford import Paid, Short, afford, whole_cost
from fingerpost.types import AccountKey, Budget, BudgetOf, BudgetPer, WhenSpent

COSTS = {"dear": 300, "fair": 40, "cheap": 10, "unknown": None}
MODELS = ("dear", "fair", "cheap")


def purse(left: int, when: WhenSpent, of: BudgetOf = BudgetOf.CATALOG, **others: Any) -> Purse:
    """With nothing more in the ledger, unless others say so."""
    budget = Budget(f"{of} {when}", of, BudgetPer.DAY, 1_000, when)
    usual = {"account": 7, "more": 0}
    return Purse(budget, AccountKey("default", budget.name, "", 0), 86_400, 1_000, left=left, **{**usual, **others})


def of_all(*purses: Purse) -> Accounts:
    return Accounts(600.0, purses)


def refused(models: tuple[str, ...], accounts: Accounts) -> Overloaded:
    with pytest.raises(Overloaded) as raised:
        afford(models, COSTS, "code", accounts)
    return raised.value


def test_without_budgets_nothing_changes() -> None:
    """The order is what it was."""
    assert afford(MODELS, COSTS, None, NO_ACCOUNTS) == Paid(MODELS, (), 300)


def test_refuse_refuses_what_was_wanted() -> None:
    """Although something cheaper could be paid; the error says when it begins anew, and what to do."""
    error = refused(MODELS, of_all(purse(299, WhenSpent.REFUSE)))
    assert error.reason == ErrorReason.BUDGET_EXHAUSTED
    assert error.metadata == {"budget": "catalog refuse", "cause": "budget", "window_end_s": "86400"}
    assert error.retry_after_ms == (86_400 - 600) * 1_000
    assert "fingerpost budget set" in error.message


def test_cheapest_takes_the_cheapest_there_is_enough_for() -> None:
    """Not the next best; and with less than that it refuses."""
    paid = afford(MODELS, COSTS, "code", of_all(purse(299, WhenSpent.CHEAPEST)))
    assert (paid.models, paid.cheapest, paid.unpaid) == (("cheap", "fair"), True, frozenset())
    assert refused(MODELS, of_all(purse(9, WhenSpent.CHEAPEST))).reason == ErrorReason.BUDGET_EXHAUSTED


def test_downgrade_takes_the_cheapest_once_it_is_spent() -> None:
    """It refuses nobody; before it is spent nothing changes."""
    spent = purse(0, WhenSpent.DOWNGRADE, used=1_000)
    assert afford(MODELS, COSTS, "code", of_all(spent)) == Paid(("cheap", "fair", "dear"), (spent,), 10, cheapest=True)
    almost = purse(0, WhenSpent.DOWNGRADE, used=999)
    assert afford(MODELS, COSTS, "code", of_all(almost)) == Paid(MODELS, (almost,), 300)


def test_alert_changes_nothing() -> None:
    """However much is spent."""
    spent = purse(0, WhenSpent.ALERT, used=10**9)
    assert afford(MODELS, COSTS, "code", of_all(spent)) == Paid(MODELS, (spent,), 300)


@pytest.mark.parametrize("when", WhenSpent)
def test_a_models_own_budget_passes_it_over(when: WhenSpent) -> None:
    """Others are tried in their order; where all are spent the request is refused."""
    own = purse(5, when, BudgetOf.MODEL)
    accounts = Accounts(0.0, (), {}, {"dear": (own,)})
    paid = afford(MODELS, COSTS, "code", accounts)
    if own.hard:
        assert (paid.models, paid.purses, paid.unpaid) == (("fair", "cheap"), (), frozenset({"dear"}))
        everywhere = Accounts(0.0, (), {}, dict.fromkeys(MODELS, (own,)))
        assert refused(MODELS, everywhere).metadata["budget"] == f"model {when}"
    else:
        assert (paid.models, paid.purses) == (MODELS, (own,))


def test_a_price_that_is_not_known() -> None:
    """No hard budget pays it, whatever it has; a soft one does."""
    rich = purse(10**9, WhenSpent.CHEAPEST, more=None)
    paid = afford(("unknown", "fair"), COSTS, "code", of_all(rich))
    assert (paid.models, paid.cheapest) == (("fair",), True)
    assert refused(("unknown",), of_all(rich)).reason == ErrorReason.BUDGET_EXHAUSTED
    soft = purse(0, WhenSpent.ALERT)
    assert afford(("unknown",), COSTS, "code", of_all(soft)) == Paid(("unknown",), (soft,))


@pytest.mark.parametrize(
    ("left", "models", "usd_micros"),
    [(300, ("cheap", "fair", "dear"), 300), (299, ("cheap", "fair"), 40), (39, ("cheap",), 10)],
)
def test_covering_fallbacks(left: int, models: tuple[str, ...], usd_micros: int) -> None:
    """As much is paid as the dearest of those named costs; what is too dear is not named."""
    budget = Budget("covering", BudgetOf.CATALOG, BudgetPer.DAY, 1_000, WhenSpent.REFUSE, covers_fallbacks=True)
    covering = Purse(budget, AccountKey("default", "covering", "", 0), 86_400, 1_000, left=left, account=7, more=0)
    other = purse(10**6, WhenSpent.REFUSE)
    paid = afford(("cheap", "fair", "dear"), COSTS, "code", of_all(other, covering))
    assert (paid.models, paid.usd_micros, paid.purses) == (models, usd_micros, (other, covering))


@pytest.mark.parametrize("model", ["unknown", "cheap"])
def test_a_soft_budget_needs_an_account_first(model: str) -> None:
    """Else nothing would stand where reports are settled, also where the price is not known; away, it goes on."""
    new = purse(0, WhenSpent.ALERT, account=None)
    with pytest.raises(Short) as short:
        afford((model,), COSTS, "code", of_all(new))
    assert short.value.purses == (new,)
    away = purse(0, WhenSpent.ALERT, account=None, away=True)
    paid = afford((model,), COSTS, "code", of_all(away))
    for one in paid.purses:
        one.take(COSTS[model] or 0)


def test_what_the_ledger_may_have_is_asked_for_first() -> None:
    """All purses that lack something, with the cost of the model that is wanted."""
    lacking = purse(299, WhenSpent.CHEAPEST, more=1)
    unheard = purse(0, WhenSpent.REFUSE, BudgetOf.TENANT, more=None)
    with pytest.raises(Short) as short:
        afford(MODELS, COSTS, "code", of_all(lacking, unheard, purse(300, WhenSpent.REFUSE)))
    assert (short.value.purses, short.value.usd_micros) == ((lacking, unheard), 300)


def test_a_budget_that_may_have_more_does_not_refuse() -> None:
    """The dear model's own budget is spent, the catalog's is only low here: the next model is asked for."""
    own, low = purse(0, WhenSpent.REFUSE, BudgetOf.MODEL), purse(0, WhenSpent.REFUSE, more=None)
    accounts = Accounts(0.0, (low,), {}, {"dear": (own,)})
    with pytest.raises(Short) as short:
        afford(MODELS, COSTS, "code", accounts)
    assert (short.value.purses, short.value.usd_micros) == ((low,), 40)


def test_what_comes_next_may_still_be_asked_for() -> None:
    """A model is no less a fallback because its cost is not at hand just now."""
    paid = afford(("cheap", "dear"), COSTS, "code", of_all(purse(10, WhenSpent.REFUSE, more=None)))
    assert paid.models == ("cheap", "dear")
    paid = afford(("cheap", "dear"), COSTS, "code", of_all(purse(10, WhenSpent.REFUSE)))
    assert paid.models == ("cheap",)


def test_more_in_a_purse_does_not_refuse() -> None:
    """With 5 the cheapest is wanted at once; with 6 the first model's own budget is in the way, and it still is."""
    costs = {"first": 6, "second": 8, "third": 5}
    own = purse(0, WhenSpent.REFUSE, BudgetOf.MODEL)
    for left in (5, 6, 7, 8):
        common = (purse(left, WhenSpent.CHEAPEST), purse(6, WhenSpent.REFUSE))
        paid = afford(tuple(costs), costs, "code", Accounts(0.0, common, {}, {"first": (own,)}))
        assert paid.models[0] == "third"


def test_an_account_that_cannot_be_asked_is_told_apart() -> None:
    """It can be retried at once, and names the budget."""
    error = refused(MODELS, of_all(purse(0, WhenSpent.REFUSE), purse(0, WhenSpent.CHEAPEST, away=True)))
    assert (error.reason, error.retry_after_ms) == (ErrorReason.BUDGET_LEASE_UNAVAILABLE, 1_000)
    assert error.metadata == {"budget": "catalog cheapest", "cause": "budget"}


def test_route_and_model_pay_beside_the_catalog() -> None:
    """Each budget that a request is for pays the whole; those of other routes and models nothing."""
    common, route, model, other = (purse(300, WhenSpent.REFUSE) for _ in range(4))
    accounts = Accounts(0.0, (common,), {"code": (route,), "maths": (other,)}, {"dear": (model,), "fair": (other,)})
    assert afford(MODELS, COSTS, "code", accounts).purses == (common, route, model)
    assert afford(MODELS, COSTS, None, accounts).purses == (common, model)


def test_costs_are_rounded_up() -> None:
    """A fraction of a micro-dollar is one; what is not known stays unknown."""
    assert [whole_cost(cost) for cost in (0.0, 0.001, 1.0, 1.5, float("nan"))] == [0, 1, 1, 2, None]
