"""Afford: which of the models that may answer can be paid for? Pure; who spends is told, and spends nothing itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fingerpost.errors import ErrorReason, Overloaded
from fingerpost.guard.budget import Accounts, Purse
from fingerpost.types import BudgetOf, WhenSpent

_AWAY_RETRY_MS = 1_000


class Short(Exception):
    """Less is at hand than is needed, and the ledger may have more: ask it, then decide again."""

    def __init__(self, purses: tuple[Purse, ...], usd_micros: int) -> None:
        super().__init__()
        self.purses = purses
        self.usd_micros = usd_micros


@dataclass(frozen=True, slots=True)
class Paid:
    """The models that can be paid for, in the order in which they would be tried."""

    models: tuple[str, ...]  # the first one now, the others perhaps out of what the ledger has yet
    purses: tuple[Purse, ...]  # that pay for the first
    usd_micros: int = 0  # that each of them pays
    unpaid: frozenset[str] = frozenset()  # that came before it, and some budget has nothing left for them
    cheapest: bool = False  # a spent budget put the cheapest first


def afford(models: Sequence[str], costs: Mapping[str, int | None], route: str | None, accounts: Accounts) -> Paid:
    """The models for whose answer all budgets have enough.

    A budget that refuses does so where it cannot pay what would be tried first. Models that their own budgets cannot
    pay are passed over, and after them whatever some budget cannot pay. So more in a purse never turns an answer into a
    refusal. Where a budget covers fallbacks as much is paid as the dearest of the models costs, and those that are too
    dear for that are left out.

    Args:
        models: That may and can answer, at least one, in the order in which they would be tried.
        costs: What the answer may cost with each, micro-dollars; None: unknown, which no hard budget pays.
        route: That the request goes to; None: none.
        accounts: The purses.

    Raises:
        Short: see there.
        Overloaded: BUDGET_EXHAUSTED, or BUDGET_LEASE_UNAVAILABLE where the ledger cannot be asked.
    """
    cheapest = any(p.spent and p.budget.when_spent is WhenSpent.DOWNGRADE for p in accounts.of(route, models[0]))
    order, unpaid, failing = list(_by_cost(models, costs) if cheapest else models), list[str](), list[Purse]()
    while order:
        name, cost = order[0], costs[order[0]]
        purses = accounts.of(route, name)
        missing = [purse for purse in purses if not _pays(purse, cost)]
        if not missing:
            rest = [one for one in order[1:] if all(_may_pay(p, costs[one]) for p in accounts.of(route, one))]
            usd_micros = cost or 0
            if any(purse.budget.covers_fallbacks for purse in purses):
                rest = [one for one in rest if all(_pays(purse, costs[one]) for purse in purses)]
                usd_micros = max(usd_micros, *(costs[one] or 0 for one in rest), 0)
            return Paid((name, *rest), purses, usd_micros, frozenset(unpaid), cheapest)
        failing = [purse for purse in missing if not purse.may_get(cost)]
        if not failing:
            raise Short(tuple(missing), cost or 0)
        of_all = [purse for purse in failing if purse.budget.of is not BudgetOf.MODEL]
        if not unpaid and any(purse.budget.when_spent is WhenSpent.REFUSE for purse in of_all):
            break
        if of_all and not cheapest:
            cheapest, order = True, _by_cost(order, costs)
            if order[0] != name:
                continue
        unpaid.append(order.pop(0))
    raise _exhausted(failing, accounts.now_s)


def whole_cost(usd_micros: float) -> int | None:
    """Whole micro-dollars, rounded up; None for a cost that is not known."""
    return None if math.isnan(usd_micros) else math.ceil(usd_micros)


def _pays(purse: Purse, cost: int | None) -> bool:
    return not purse.hard and purse.allows(0) if cost is None else purse.allows(cost)


def _may_pay(purse: Purse, cost: int | None) -> bool:
    return _pays(purse, cost) or purse.may_get(cost)


def _by_cost(models: Sequence[str], costs: Mapping[str, int | None]) -> list[str]:
    """Cheapest first, unknown prices last; equal ones as they came."""
    known = {name: costs[name] for name in models}
    return sorted(models, key=lambda name: (known[name] is None, known[name] or 0))


def _exhausted(failing: Sequence[Purse], now_s: float) -> Overloaded:
    purse = next((one for one in failing if one.away), failing[0])
    told = {"budget": purse.budget.name, "cause": "budget"}
    if purse.away:
        return Overloaded(
            f"nothing is left here of the budget {purse.budget.name}, and the ledger cannot be asked for more: retry",
            ErrorReason.BUDGET_LEASE_UNAVAILABLE,
            metadata=told,
            retry_after_ms=_AWAY_RETRY_MS,
        )
    seconds = max(1, math.ceil(purse.end_s - now_s))
    return Overloaded(
        f"the budget {purse.budget.name} is spent for this {purse.budget.per}: it begins anew in {seconds} s, or "
        "somebody raises it (fingerpost budget set)",
        ErrorReason.BUDGET_EXHAUSTED,
        metadata={**told, "window_end_s": str(purse.end_s)},
        retry_after_ms=seconds * 1000,
    )
