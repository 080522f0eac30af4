"""Processes that spend from one treasury, as `serve.deciding` does, and times that a test sets."""

import asyncio
import time
from collections.abc import Callable

from fingerpost.guard.budget import Purse
from fingerpost.money_ports import Treasury
from fingerpost.serve.afford import Paid, Short, afford
from fingerpost.serve.spending import Spending
from fingerpost.types import Budget
from tests.money import spending

_SECONDS = 20.0

START_S = 1_700_000_000.0  # 14 November 2023, 22:13:20


class Clock:
    """Seconds since the epoch that a test sets."""

    def __init__(self, now: float = START_S) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Payer:
    """One process with budgets."""

    def __init__(self, treasury: Treasury, *budgets: Budget, clock: Callable[[], float] | None = None) -> None:
        self.spending = Spending(treasury, clock or Clock())
        self.decider = spending(*budgets).decider

    def purses(self, *, route: str = "code", model: str = "code", tenant: str = "acme") -> tuple[Purse, ...]:
        return self.spending.accounts("default", self.decider, tenant).of(route, model)

    async def pay(
        self,
        usd_micros: int,
        *,
        route: str = "code",
        model: str = "code",
        tenant: str = "acme",
        seconds: float = _SECONDS,
    ) -> Paid:
        """Spend on one call.

        Raises:
            Overloaded: some budget refuses.
            TimeoutError: the time was over before the treasury answered.
        """
        deadline = time.monotonic() + seconds
        while True:
            accounts = self.spending.accounts("default", self.decider, tenant)
            try:
                paid = afford((model,), {model: usd_micros}, route, accounts)
            except Short as short:
                await self.spending.ask(short, deadline)
                continue
            for purse in paid.purses:
                purse.take(usd_micros)
            self.spending.fill_ahead(paid.purses)
            return paid


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what comes from a thread."""
    async with asyncio.timeout(_SECONDS):
        while not holds():
            await asyncio.sleep(0.001)
