"""Budget: may this much be spent? What one process may spend of an account, slice by slice. Pure: no clock, no store.

A process takes money out of an account of the ledger a slice at a time and spends it here, so that no request waits
for a store. What is reserved for a decision is spent at once; the report of what it cost settles the account in the
ledger, with whichever process it comes to. So nothing here need remember a decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fingerpost.types import AccountKey, Budget, Slice, Want

SHARE_OF_REST = 16
"""A slice is at most this part of what is left of the account, so that slices shrink towards its limit."""

SHARE_OF_LIMIT = 64
"""Of a soft account it is at least this part of the limit: beyond that, too, not each request needs one of its own."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Purse:
    """One account of a budget as this process spends it."""

    budget: Budget
    key: AccountKey
    end_s: int  # of its window, seconds since the epoch
    limit_usd_micros: int  # in force
    account: int | None = None  # the ledger's number; None: it was never asked
    slices: dict[str, int] = field(default_factory=dict)  # unspent of each, by id
    left: int = 0  # of all slices
    debt: int = 0  # spent of a soft budget without a slice, to be taken out of its account yet
    used: int = 0  # by all processes, when the ledger was asked last
    used_since: int = 0  # here, from then on
    more: int | None = None  # that the ledger has for a hard one at most, beside the slices here; None: not known
    away: bool = False  # the ledger could not be asked
    last: int = 0  # that was spent at a time
    touched: bool = False  # something was spent since the ledger was told

    @property
    def hard(self) -> bool:
        return self.budget.hard

    @property
    def spent(self) -> bool:
        """Whether the account has reached its limit, as far as this process knows."""
        return self.used + self.used_since >= self.limit_usd_micros

    @property
    def is_over(self) -> bool:
        """Whether what is left of a hard one would not pay again for a request like the last, as far as is known."""
        return self.hard and self.more is not None and self.left + self.more < self.last

    @property
    def rest(self) -> int:
        """What is left of the account for all processes, as far as this one knows; at least 0."""
        return max(0, self.limit_usd_micros - self.used - self.used_since)

    def allows(self, usd_micros: int) -> bool:
        """Whether as much may be reserved now; of a soft budget always, but on an account that is known if possible."""
        if self.hard:
            return usd_micros <= self.left
        return self.account is not None or self.away

    def may_get(self, usd_micros: int | None) -> bool:
        """Whether the ledger may have what is missing for as much; None: nobody knows how much, and it is all too much.

        Of a soft budget it is but the account that is missing.
        """
        if self.away or not self.hard:
            return not self.away
        return usd_micros is not None and (self.more is None or usd_micros - self.left <= self.more)

    def take(self, usd_micros: int) -> None:
        """Spend what `allows` allowed.

        Raises:
            ValueError: it is a hard budget and that much is not left.
        """
        if not self.allows(usd_micros):
            raise ValueError(f"{usd_micros} micro-dollars are more than the {self.left} that are left")
        self.used_since += usd_micros
        self.last = usd_micros
        self.touched = True
        open_ = usd_micros
        for id_, left in self.slices.items():
            part = min(left, open_)
            self.slices[id_] = left - part
            open_ -= part
            if not open_:
                break
        self.left -= usd_micros - open_
        self.debt += open_

    def add(self, slice_: Slice, want: Want) -> None:
        """Put in what was given for a want, less what was spent without it; less than was wished was all there is."""
        self.account = slice_.account
        self.away = False
        if slice_.usd_micros < want.usd_micros:
            self.more = 0 if slice_.usd_micros else want.least_usd_micros - 1
        elif self.more is not None:
            self.more = max(0, self.more - slice_.usd_micros)
        if not slice_.usd_micros:
            return
        paid = min(self.debt, slice_.usd_micros)
        self.debt -= paid
        self.slices[slice_.id] = slice_.usd_micros - paid
        self.left += slice_.usd_micros - paid
        self.touched = self.touched or paid > 0

    def emptied(self) -> dict[str, int]:
        """All slices, taken out, to be given back: what is unspent of each."""
        taken, self.slices, self.left = self.slices, {}, 0
        return taken

    def used_up(self) -> list[str]:
        """Slices of which nothing is left, taken out: the ledger may close them."""
        ids = [id_ for id_, left in self.slices.items() if not left]
        for id_ in ids:
            del self.slices[id_]
        return ids

    def wish(self, needed: int) -> int:
        """How much to ask the ledger for, so that `needed` can be spent, micro-dollars."""
        return max(needed - self.left, self._usual) + self.debt

    def least(self, needed: int) -> int:
        """With how much less than that it would not be enough for `needed`."""
        return max(needed - self.left, 1) + self.debt

    @property
    def low(self) -> bool:
        """Whether to ask for more before it is short."""
        return self.debt > 0 or (self.more != 0 and not self.away and self.left < self._usual // 2)

    @property
    def _usual(self) -> int:
        return max(1, self.rest // SHARE_OF_REST, 0 if self.hard else self.limit_usd_micros // SHARE_OF_LIMIT)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Purses that a request may be paid from: each that is for it pays the whole."""

    now_s: float = 0.0  # seconds since the epoch
    common: tuple[Purse, ...] = ()  # of the catalog and the tenant
    by_route: Mapping[str, tuple[Purse, ...]] = field(default_factory=dict)
    by_model: Mapping[str, tuple[Purse, ...]] = field(default_factory=dict)

    def of(self, route: str | None, model: str) -> tuple[Purse, ...]:
        """Those of a request that goes that way."""
        own = self.by_route.get(route, ()) if route is not None else ()
        return (*self.common, *own, *self.by_model.get(model, ()))

    @property
    def are_none(self) -> bool:
        return not (self.common or self.by_route or self.by_model)


NO_ACCOUNTS = Accounts()
