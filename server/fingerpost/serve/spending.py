"""Spending: the purses of this process, filled from the ledger beside the requests.

A request finds what it may spend at hand. Only where that is too little, and the ledger may have more, does it wait for
a slice, and all that wait for the same wait for one.
"""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from fingerpost.errors import FingerpostError
from fingerpost.guard.budget import NO_ACCOUNTS, Accounts, Purse
from fingerpost.guard.windows import CalendarClock, window_of
from fingerpost.money_ports import Treasury
from fingerpost.serve.afford import Short
from fingerpost.serve.aside import Aside
from fingerpost.types import AccountKey, Budget, BudgetOf, Decider, Slice, Standing, Want

_log = structlog.get_logger(__name__)

MAX_TENANTS = 20_000
"""Purses of tenants at a time; what is left in the longest unused goes back to its account."""

_ASK_SECONDS = 2.0
_ASK_PURSES = 256  # in one question
_AWAY_SECONDS = 1.0
_ROUND_SECONDS = 2.0
_IDLE_ROUNDS = 15  # after which slices nobody spends go back

_Name = tuple[str, str, str]
"""Catalog, budget and holder."""

_Purses = MutableMapping[_Name, Purse]

Limits = Mapping[tuple[str, str], int]
"""Limits that were set by hand, micro-dollars, by budget and holder; of the holder "" those of all."""


class Spending:
    """All purses of one process; of the event loop."""

    def __init__(self, treasury: Treasury, clock: Callable[[], float] = time.time) -> None:
        """Nothing is asked yet.

        Args:
            treasury: Of the ledger.
            clock: Seconds since the epoch, which may go back.
        """
        self._treasury = treasury
        self._clock, self._calendar = clock, CalendarClock()
        self._owner = uuid.uuid4().hex
        self._shared: _Purses = {}  # of catalogs, routes and models
        self._tenants: OrderedDict[_Name, Purse] = OrderedDict()  # longest unused first
        self._tables: dict[str, _Table] = {}  # of each catalog, as long as no window ends
        self._limits: dict[str, Limits] = {}  # by catalog
        self._retired: dict[str, int] = {}  # slices to be given back: what is left of each
        self._asking: dict[Purse, asyncio.Task[None]] = {}
        self._wants: list[tuple[Want, asyncio.Future[Slice]]] = []  # that go with the next question
        self._leasing: asyncio.Task[None] | None = None
        self._waiting: dict[Purse, int] = {}  # micro-dollars that requests wait for
        self._away_until = 0.0  # time.monotonic seconds
        self._idle: dict[Purse, int] = {}  # rounds without spending
        self._aside = Aside("treasury")

    @property
    def purses(self) -> Sequence[Purse]:
        return (*self._shared.values(), *self._tenants.values())

    def now_s(self) -> float:
        """Seconds since the epoch; never goes back."""
        return self._calendar(self._clock())

    def set_limits(self, catalog: str, limits: Limits) -> None:
        """Take over what was set by hand for a catalog, in the place of what was set before."""
        self._limits[catalog] = limits
        self._tables.pop(catalog, None)
        for purse in self.purses:
            if purse.key.catalog == catalog:
                purse.limit_usd_micros = self._limit(catalog, purse.budget, purse.key.holder)
                purse.may_grow = True

    def accounts(self, catalog: str, decider: Decider, tenant: str) -> Accounts:
        """The purses that a request of the tenant may be paid from."""
        budgets = decider.policy.budgets
        if not budgets:
            return NO_ACCOUNTS
        now_s = self.now_s()
        table = self._tables.get(catalog)
        if table is None or table.decider is not decider or now_s >= table.end_s:
            table = self._tables[catalog] = self._table(catalog, decider, now_s)
        own = [
            self._purse(catalog, budget, tenant, now_s)
            for budget in table.of_tenants
            if not budget.only or tenant in budget.only
        ]
        return Accounts(now_s, (*table.common, *own), table.by_route, table.by_model)

    async def ask(self, short: Short, deadline: float) -> None:
        """Have purses filled, or learn that they cannot be: then they may not grow for a while.

        Raises:
            TimeoutError: the deadline (`time.monotonic` seconds) came first.
        """
        for purse in short.purses:
            self._waiting[purse] = self._waiting.get(purse, 0) + short.usd_micros
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(0.0, deadline - time.monotonic())):
                await asyncio.gather(*(asyncio.shield(self._filling(p, short.usd_micros)) for p in short.purses))
        finally:
            for purse in short.purses:
                self._waiting[purse] -= short.usd_micros
                if not self._waiting[purse]:
                    del self._waiting[purse]

    def fill_ahead(self, purses: Iterable[Purse]) -> None:
        """Have purses filled that run low, before a request must wait for them."""
        for purse in purses:
            if purse.low and purse not in self._asking and time.monotonic() >= self._away_until:
                self._filling(purse, 1)

    def refunded(self, debits: Iterable[int]) -> None:
        """A report has settled these accounts of the ledger: there may be more again."""
        accounts = set(debits)
        for purse in self.purses:
            if purse.account in accounts:
                purse.may_grow = True

    async def run(self) -> None:
        """For ever: tell the ledger what is left, hear how accounts stand, give back what is not needed."""
        while True:
            await asyncio.sleep(_ROUND_SECONDS)
            if self.purses or self._retired:
                await self.round()

    async def round(self) -> None:
        """Once; what goes wrong is noted, and tried again the next time."""
        self._retire_ended()
        self._retire_idle()
        before = {purse: purse.used_since for purse in self.purses}
        left = {id_: rest for purse in before if purse.touched for id_, rest in purse.slices.items()}
        back, self._retired = self._retired, {}
        try:
            standings = await self._aside.run(lambda: self._told(left, back), 2 * _ASK_SECONDS)
        except (FingerpostError, TimeoutError) as error:
            self._retired = {**back, **self._retired}
            self._note_away(error)
            return
        self._learn(standings, before)
        self.fill_ahead(before)

    async def close(self) -> None:
        """Give back everything that is unspent."""
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=_ASK_SECONDS)  # what comes now is given back too
        left = dict(self._retired)
        for purse in self.purses:
            left |= purse.emptied()
        if not left:
            return
        try:
            await self._aside.run(lambda: self._treasury.give_back(self._owner, left), _ASK_SECONDS)
        except (FingerpostError, TimeoutError) as error:
            _log.warning("slices_not_given_back", error=str(error), effect="they count as spent")

    def _table(self, catalog: str, decider: Decider, now_s: float) -> "_Table":
        budgets = decider.policy.budgets
        of_routes = {route.name for route in decider.routes}
        kept = {
            of: {
                holder: tuple(
                    self._purse(catalog, budget, holder, now_s)
                    for budget in budgets
                    if budget.of is of and (not budget.only or holder in budget.only)
                )
                for holder in holders
            }
            for of, holders in (
                (BudgetOf.CATALOG, {""}),
                (BudgetOf.ROUTE, of_routes),
                (BudgetOf.MODEL, set(decider.models)),
            )
        }
        return _Table(
            decider=decider,
            end_s=min(window_of(budget.per, now_s)[1] for budget in budgets),
            common=kept[BudgetOf.CATALOG][""],
            by_route=_filled(kept[BudgetOf.ROUTE]),
            by_model=_filled(kept[BudgetOf.MODEL]),
            of_tenants=tuple(budget for budget in budgets if budget.of is BudgetOf.TENANT),
        )

    def _purse(self, catalog: str, budget: Budget, holder: str, now_s: float) -> Purse:
        name, of_tenant = (catalog, budget.name, holder), budget.of is BudgetOf.TENANT
        purses: _Purses = self._tenants if of_tenant else self._shared
        purse = purses.get(name)
        if purse is None or now_s >= purse.end_s or purse.budget != budget:
            if purse is not None:
                self._retired |= purse.emptied()
            start_s, end_s = window_of(budget.per, now_s)
            limit = self._limit(catalog, budget, holder)
            purse = purses[name] = Purse(budget, AccountKey(catalog, budget.name, holder, start_s), end_s, limit)
        if of_tenant:
            self._tenants.move_to_end(name)
            if len(self._tenants) > MAX_TENANTS:
                self._retired |= self._tenants.popitem(last=False)[1].emptied()
        return purse

    def _limit(self, catalog: str, budget: Budget, holder: str) -> int:
        limits = self._limits.get(catalog, {})
        return limits.get((budget.name, holder), limits.get((budget.name, ""), budget.limit_usd_micros))

    def _filling(self, purse: Purse, least: int) -> "asyncio.Task[None]":
        """The one request to the ledger that is under way for a purse, begun now unless it is."""
        task = self._asking.get(purse)
        if task is None:
            task = self._asking[purse] = asyncio.create_task(self._fill(purse, least))
            task.add_done_callback(lambda _: self._asking.pop(purse, None))
        return task

    async def _fill(self, purse: Purse, least: int) -> None:
        if time.monotonic() < self._away_until:
            self._close_for_now(purse)
            return
        await asyncio.sleep(0)  # so that all that came at once are counted
        least = max(1, least - purse.left)  # what is at hand counts: the account may have no more than the difference
        wish = purse.wish(max(least, self._waiting.get(purse, 0) - purse.left))
        want = Want(
            uuid.uuid4().hex, purse.key, purse.end_s, purse.limit_usd_micros, purse.hard, wish, least + purse.debt
        )
        try:
            given = await self._leased(want)
        except (FingerpostError, TimeoutError) as error:
            self._note_away(error)
            self._close_for_now(purse)
            return
        purse.add(given)
        if not given.usd_micros:
            purse.beyond = least
        if purse not in self.purses:  # its window has ended meanwhile
            self._retired |= purse.emptied()

    async def _leased(self, want: Want) -> Slice:
        """The slice, asked for together with all that are wanted by the time the ledger is free."""
        slice_: asyncio.Future[Slice] = asyncio.get_running_loop().create_future()
        self._wants.append((want, slice_))
        if self._leasing is None or self._leasing.done():
            self._leasing = asyncio.create_task(self._lease())
        return await slice_

    async def _lease(self) -> None:
        """Ask until nothing is wanted, one question after the other."""
        while self._wants:
            asked, self._wants = self._wants[:_ASK_PURSES], self._wants[_ASK_PURSES:]
            wants = [want for want, _ in asked]
            try:
                given = await self._aside.run(partial(self._treasury.lease, self._owner, wants), _ASK_SECONDS)
            except Exception as error:  # noqa: BLE001  whoever waits is told, whatever it is
                for _, slice_ in asked:
                    if not slice_.done():
                        slice_.set_exception(error)
                continue
            for (_, slice_), one in zip(asked, given, strict=True):
                if not slice_.done():
                    slice_.set_result(one)

    def _close_for_now(self, purse: Purse) -> None:
        purse.may_grow, purse.away, purse.beyond = False, True, 0

    def _note_away(self, error: Exception) -> None:
        if time.monotonic() >= self._away_until:
            _log.error("treasury_away", error=str(error) or "it does not answer", effect="what is at hand is spent")
        self._away_until = time.monotonic() + _AWAY_SECONDS

    def _told(self, left: Mapping[str, int], back: Mapping[str, int]) -> Sequence[Standing]:
        if left:
            self._treasury.tell(self._owner, left)
        if back:
            self._treasury.give_back(self._owner, back)
        return self._treasury.standings(since_s=int(self.now_s()))

    def _learn(self, standings: Iterable[Standing], before: Mapping[Purse, int]) -> None:
        known = {standing.key: standing for standing in standings}
        for purse, spent in before.items():
            purse.touched = purse.used_since > spent
            purse.used_since = purse.used_since - spent + purse.debt
            standing = known.get(purse.key)
            if standing is None:
                purse.may_grow, purse.away = True, False
                continue
            purse.used = standing.used_usd_micros
            free = purse.limit_usd_micros - standing.used_usd_micros - standing.sliced_usd_micros
            purse.may_grow, purse.away = free > 0, False

    def _retire_ended(self) -> None:
        now_s = self.now_s()
        for purses in (self._shared, self._tenants):
            for name in [name for name, purse in purses.items() if now_s >= purse.end_s]:
                self._retired |= purses.pop(name).emptied()

    def _retire_idle(self) -> None:
        idle: dict[Purse, int] = {}
        for purse in self.purses:
            rounds = 0 if purse.touched or not purse.slices else self._idle.get(purse, 0) + 1
            if rounds >= _IDLE_ROUNDS:
                self._retired |= purse.emptied()
            elif rounds:
                idle[purse] = rounds
        self._idle = idle


@dataclass(frozen=True, slots=True)
class _Table:
    """The purses of a catalog that are the same for all tenants, until the first window ends."""

    decider: Decider
    end_s: int
    common: tuple[Purse, ...]
    by_route: Mapping[str, tuple[Purse, ...]]
    by_model: Mapping[str, tuple[Purse, ...]]
    of_tenants: tuple[Budget, ...]


def _filled(purses: Mapping[str, tuple[Purse, ...]]) -> dict[str, tuple[Purse, ...]]:
    return {holder: own for holder, own in purses.items() if own}
