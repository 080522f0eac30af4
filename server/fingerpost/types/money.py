"""What budgets are kept with: accounts of the ledger, slices of them that a process may spend, alerts.

An account is a budget's in one window of time for one catalog, route, model or tenant. All money is micro-dollars,
whole.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccountKey:
    """Which account."""

    catalog: str
    budget: str
    holder: str  # name of the route, model or tenant; of the catalog itself empty
    start_s: int  # of the window, seconds since the epoch


@dataclass(frozen=True, slots=True)
class Want:
    """A slice that a process asks for."""

    id: str  # of its own: asking again with it gives the same slice
    key: AccountKey
    end_s: int  # of the window, seconds since the epoch
    limit_usd_micros: int  # of the account just now
    hard: bool  # never more than the limit is given
    usd_micros: int  # as much is wished, at least 1
    least_usd_micros: int = 1  # less than that helps nobody: then nothing is given


@dataclass(frozen=True, slots=True)
class Slice:
    """Money that was taken out of an account for one process to spend."""

    id: str
    account: int
    usd_micros: int  # 0: nothing is left


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands."""

    account: int
    key: AccountKey
    end_s: int
    limit_usd_micros: int
    hard: bool
    reported_usd_micros: int  # cost of the decisions of which a report came
    reserved_usd_micros: int  # for decisions of which none came yet, or ever
    sliced_usd_micros: int  # with processes that have not spent it, as far as they told
    cleared_usd_micros: int  # that a person has put out of the count

    @property
    def used_usd_micros(self) -> int:
        """What counts against the limit; slices count only where they are spent."""
        return self.reported_usd_micros + self.reserved_usd_micros - self.cleared_usd_micros


@dataclass(frozen=True, slots=True)
class Alert:
    """That an account has reached a share of its limit; told once for each share and account."""

    id: str
    key: AccountKey
    end_s: int
    percent: int  # 50, 80 or 100
    used_usd_micros: int
    limit_usd_micros: int
    hard: bool
    time_us: int
    attempts: int = 0  # to deliver it
