"""Catalogs with budgets, prices and experiments, for tests that spend, report and try."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fingerpost.serve.plan import Plan
from fingerpost.serve.runtime import Snapshot
from fingerpost.types import Budget, BudgetOf, BudgetPer, Model, WhenSpent
from tests.fakes import snapshot

PRICES = {"code": (1_000_000, 2_000_000), "maths": (1_000_000, 2_000_000), "big": (10_000_000, 20_000_000)}
"""Micro-dollars per million tokens, input and output: dearest `big`, cheapest `middle`."""

CALL: Mapping[str, Any] = {"input_tokens": 100, "output_tokens": 100}
COST = 300
"""What such a call costs with `code`, micro-dollars."""


def priced(name: str) -> Model:
    input_price, output_price = PRICES.get(name, (100_000, 200_000))
    return Model(name, f"upstream-{name}", input_price_usd_micros=input_price, output_price_usd_micros=output_price)


def budget(name: str = "all", limit: int = 100 * COST, **given: Any) -> Budget:
    usual = {"of": BudgetOf.CATALOG, "per": BudgetPer.MONTH, "when_spent": WhenSpent.REFUSE}
    return Budget(name, limit_usd_micros=limit, **{**usual, **given})


def with_policy(shown: Snapshot, others: Mapping[str, Snapshot] = {}, **policy: Any) -> Snapshot:
    """The catalog with prices, and with these things in its policy."""
    decider = shown.decider
    models = {name: priced(name) for name in decider.models}
    changed = replace(decider, models=models, policy=replace(decider.policy, **policy))
    return replace(shown, plan=Plan.of(changed), others=others)


def spending(*budgets: Budget, **policy: Any) -> Snapshot:
    """A catalog with budgets."""
    return with_policy(snapshot(), budgets=tuple(budgets), **policy)


def texts(count: int) -> Sequence[str]:
    """Requests that go to the route `code`."""
    return [f"fix this bug {number}" for number in range(count)]
