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

    models: tuple[str, ...]
    purses: tuple[Purse, ...]  # that pay for the first
    unpaid: frozenset[str] = frozenset()  # that came before it, and some budget has nothing left for them
    cheapest: bool = False  # a spent budget put the cheapest first


def afford(models: Sequence[str], costs: Mapping[str, int | None], route: str | None, accounts: Accounts) -> Paid:
    """The models for whose answer all budgets have enough.

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
        name = order[0]
        failing = [purse for purse in accounts.of(route, name) if not _pays(purse, costs[name])]
        if not failing:
            rest = (one for one in order[1:] if all(_pays(p, costs[one]) for p in accounts.of(route, one)))
            return Paid((name, *rest), accounts.of(route, name), frozenset(unpaid), cheapest)
        cost = costs[name]
        if cost is not None and all(purse.may_come_to(cost) for purse in failing):
            raise Short(tuple(failing), cost)
        of_all = [purse for purse in failing if purse.budget.of is not BudgetOf.MODEL]
        if any(purse.budget.when_spent is WhenSpent.REFUSE for purse in of_all):
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
    return not purse.hard if cost is None else purse.allows(cost)


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
