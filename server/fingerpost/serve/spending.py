"""Spending: the purses of this process, filled from the ledger beside the requests.

A request finds what it may spend at hand. Only where that is too little, and the ledger may have more, does it wait for
a slice, and all that wait for the same wait for one.
"""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from weakref import WeakSet, WeakValueDictionary

import structlog

from fingerpost.errors import FingerpostError
from fingerpost.guard.budget import NO_ACCOUNTS, Accounts, Purse
from fingerpost.guard.windows import CalendarClock, window_of
from fingerpost.money_ports import Treasury
from fingerpost.serve.afford import Short
from fingerpost.serve.aside import Aside
from fingerpost.serve.leasing import ASK_SECONDS, Leases
from fingerpost.types import AccountKey, Budget, BudgetOf, Decider, Standing

_log = structlog.get_logger(__name__)

MAX_TENANTS = 20_000
"""Purses of tenants at a time; what is left in the longest unused goes back to its account."""

_ROUND_SECONDS = 2.0
_ROUND_SHARE = 0.1  # of the time at most is spent on rounds: of tens of thousands of purses each takes a while
_AT_A_TIME = 200  # purses that are looked through before calls have their turn: about a quarter of a millisecond
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
        self._owing: list[Purse] = []  # their windows are over, and they are in debt
        self._by_account: WeakValueDictionary[int, Purse] = WeakValueDictionary()
        self._known_over: WeakSet[Purse] = WeakSet()
        self._over: set[int] = set()  # accounts of which the ledger is to hear that they are spent
        self._idle: dict[Purse, int] = {}  # rounds without spending
        self._aside = Aside("treasury")
        self._leases = Leases(treasury, self._owner, self._aside, self._answered)

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
                purse.more = None

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
        """Have purses filled, or learn how little more there is: then nothing that needs as much is asked for a while.

        Raises:
            TimeoutError: the deadline (`time.monotonic` seconds) came first.
        """
        left = max(0.0, deadline - time.monotonic())
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + left):
            await self._leases.ask(short.purses, short.usd_micros)

    def fill_ahead(self, purses: Iterable[Purse]) -> None:
        """Have purses filled that run low, before a request must wait for them."""
        for purse in purses:
            if purse.low and not self._leases.are_away:
                self._leases.begin(purse)

    def refunded(self, debits: Iterable[int]) -> None:
        """A report has settled these accounts of the ledger: there may be more again."""
        for account in debits:
            purse = self._by_account.get(account)
            if purse is not None:
                purse.more = None

    async def run(self) -> None:
        """For ever: tell the ledger what is left, hear how accounts stand, give back what is not needed."""
        took = 0.0
        while True:
            await asyncio.sleep(max(_ROUND_SECONDS, took / _ROUND_SHARE))
            began = time.monotonic()
            if self.purses or self._retired:
                await self.round()
            took = 0.0 if self._leases.are_away else time.monotonic() - began  # a ledger that is back is soon heard

    async def round(self) -> None:
        """Once; what goes wrong is noted, and tried again the next time. Calls have their turn between purses."""
        told, left, touched = await self._looked_through()
        back, self._retired = self._retired, {}
        now_s, over = int(self.now_s()), sorted(self._over)
        try:
            standings = await self._aside.run(lambda: self._told(left, back, over, now_s), 2 * ASK_SECONDS)
        except (FingerpostError, TimeoutError) as error:
            self._retired = {**back, **self._retired}
            for purse in touched:
                purse.touched = True
            self._leases.note(error)
            return
        self._leases.note(None)
        self._over.clear()
        await self._learn(standings, told)
        self._owing = [purse for purse in self._owing if purse.debt]
        async for purse in _in_turns([*touched, *(purse for purse in told if purse.debt), *self._owing]):
            self.fill_ahead((purse,))

    async def close(self) -> None:
        """Pay debts, and give back everything that is unspent."""
        await self._leases.end()
        self._leases.note(None)  # or who knows: it is the last chance
        self.fill_ahead(purse for purse in (*self.purses, *self._owing) if purse.debt)
        await self._leases.end()
        for purse in self.purses:
            self._retire(purse)
        left = dict(self._retired)
        if not left:
            return
        try:
            await self._aside.run(lambda: self._treasury.give_back(self._owner, left), ASK_SECONDS)
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
            start_s, end_s = window_of(budget.per, now_s)
            limit = self._limit(catalog, budget, holder)
            if purse is not None and (purse.key.start_s, purse.end_s) == (start_s, end_s):
                purse.budget, purse.limit_usd_micros, purse.more = budget, limit, None  # as another revision says
            else:
                if purse is not None:
                    self._retire(purse)
                purse = purses[name] = Purse(budget, AccountKey(catalog, budget.name, holder, start_s), end_s, limit)
        if of_tenant:
            self._tenants.move_to_end(name)
            if len(self._tenants) > MAX_TENANTS:
                self._retire(self._tenants.popitem(last=False)[1])
        return purse

    def _limit(self, catalog: str, budget: Budget, holder: str) -> int:
        limits = self._limits.get(catalog, {})
        return limits.get((budget.name, holder), limits.get((budget.name, ""), budget.limit_usd_micros))

    def _answered(self, purse: Purse) -> None:
        if purse.account is not None:
            self._by_account[purse.account] = purse
        if not self._is_in_use(purse):  # its window has ended meanwhile
            self._retire(purse)

    def _is_in_use(self, purse: Purse) -> bool:
        return self._beside(purse).get(_name(purse)) is purse

    def _forget(self, purse: Purse) -> None:
        self._retire(self._beside(purse).pop(_name(purse)))

    def _beside(self, purse: Purse) -> _Purses:
        return self._tenants if purse.budget.of is BudgetOf.TENANT else self._shared

    def _retire(self, purse: Purse) -> None:
        """Have what it has given back, and what it owes paid."""
        self._retired |= purse.emptied()
        self._retired |= self._leases.forget(purse)
        if purse.debt and purse not in self._owing and len(self._owing) < MAX_TENANTS:
            self._owing.append(purse)

    async def _looked_through(self) -> tuple[Mapping[Purse, int], Mapping[str, int], Sequence[Purse]]:
        """What each purse spent that its account hears of now, what is unspent of slices, and whose they are.

        Purses whose window is over go, slices nobody spends are given back, and so are those of which nothing is left.
        """
        told: dict[Purse, int] = {}
        left: dict[str, int] = {}
        touched: list[Purse] = []
        idle, now_s = self._idle, self.now_s()
        self._idle = {}
        async for purse in _in_turns(self.purses):
            if not self._is_in_use(purse):  # any more
                continue
            if now_s >= purse.end_s:
                self._forget(purse)
                continue
            told[purse] = purse.used_since - purse.debt
            if purse.touched:
                touched.append(purse)
                purse.touched = False
                self._retired |= dict.fromkeys(purse.used_up(), 0)
                left |= purse.slices
            elif purse.slices:
                self._note_idle(purse, idle.get(purse, 0) + 1)
        return told, left, touched

    def _note_idle(self, purse: Purse, rounds: int) -> None:
        if rounds >= _IDLE_ROUNDS:
            self._retire(purse)
        else:
            self._idle[purse] = rounds

    def _told(
        self, left: Mapping[str, int], back: Mapping[str, int], over: Sequence[int], now_s: int
    ) -> Mapping[AccountKey, Standing]:
        if left:
            self._treasury.tell(self._owner, left)
        if back:
            self._treasury.give_back(self._owner, back)
        if over:
            self._treasury.spent(over)
        return {standing.key: standing for standing in self._treasury.standings(since_s=now_s)}

    async def _learn(self, standings: Mapping[AccountKey, Standing], told: Mapping[Purse, int]) -> None:
        """Take over how accounts stand, which includes what they were told that was spent."""
        async for purse in _in_turns(told):
            purse.away, purse.more = False, None
            standing = standings.get(purse.key)
            if standing is None:
                continue
            purse.account = standing.account
            self._by_account[standing.account] = purse
            purse.used = standing.used_usd_micros
            purse.used_since -= told[purse]
            purse.more = max(0, purse.limit_usd_micros - standing.used_usd_micros - standing.sliced_usd_micros)
            if purse.is_over and purse not in self._known_over:
                self._known_over.add(purse)
                self._over.add(standing.account)


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


def _name(purse: Purse) -> _Name:
    return purse.key.catalog, purse.key.budget, purse.key.holder


async def _in_turns(purses: Collection[Purse]) -> AsyncIterator[Purse]:
    """Each; between some and the next the loop has a turn for whatever else waits."""
    for number, purse in enumerate(purses, 1):
        yield purse
        if number % _AT_A_TIME == 0:
            await asyncio.sleep(0)
