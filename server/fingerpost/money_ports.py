"""Money ports: what keeps budgets, reports and settings by hand, as Protocols; the ledger behind them is a database.

Every method blocks and may be called from any thread. Each is one transaction: done and kept, or nothing.

Raises, in each method:
    Unavailable: STORE_UNAVAILABLE. StorageFull. DataLoss: STORE_CORRUPT.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fingerpost.types import Alert, Recorded, ReportRow, Slice, Standing, Want


class Treasury(Protocol):
    """Accounts of budgets. What all slices together take out of a hard account never passes its limit."""

    def lease(self, owner: str, wants: Sequence[Want]) -> Sequence[Slice]:
        """A slice for each want, in their order; accounts are opened as they are first asked for.

        Of a hard account as much as is wished and left, or nothing when that is less than the least. A slice that was
        given under that id before is given again.
        """

    def tell(self, owner: str, left: Mapping[str, int]) -> None:
        """Note how much of slices, by id, is unspent just now: what alerts and people are told rests on it."""

    def give_back(self, owner: str, left: Mapping[str, int]) -> None:
        """Put what is unspent of slices, by id, back into their accounts, once; they are closed then."""

    def standings(self, catalog: str = "", *, since_s: int = 0) -> Sequence[Standing]:
        """Accounts whose window ends after `since_s`, of one catalog or all, by catalog, budget, holder and start."""

    def spent(self, numbers: Sequence[int]) -> None:
        """Note that hard accounts, by the ledger's numbers, are spent: what is left of them pays for no request."""

    def notice(self, percents: Sequence[int], now_us: int) -> Sequence[Alert]:
        """Alerts for shares of limits that accounts of running windows have reached and nobody has told before.

        What is spent has reached the whole.
        """

    def due_alerts(self, now_us: int, most: int, again_us: int) -> Sequence[Alert]:
        """Alerts that are to be delivered now; each is nobody else's before `again_us`, and has one attempt more."""

    def alert_delivered(self, id: str, now_us: int) -> None:
        """Never give it out again."""

    def alert_put_off(self, id: str, again_us: int) -> None:
        """It could not be delivered: give it out again, but not before `again_us`."""

    def alert_given_up(self, id: str, now_us: int) -> None:
        """Likewise, although it could not be delivered."""


class ReportStore(Protocol):
    """Reports of what happened."""

    def record(self, rows: Sequence[ReportRow]) -> Sequence[Recorded]:
        """Keep reports, the first of a decision and caller, and settle what their decisions reserved, once a decision.

        Settling puts the cost in the place of what was reserved, on each account of the row's debits.
        """

    def reports(self, *, catalog: str = "", arms: Sequence[str] = (), since_us: int = 0) -> Sequence[ReportRow]:
        """Reports of a catalog, and of arms where some are named, since a time, oldest first."""

    def forget(self, before_us: int, most: int) -> int:
        """Remove at most so many reports that came before, with their settlements; how many were, in the last attempt.

        No report of so old a decision may be accepted any more: it would be settled again.
        """
