"""Leasing: slices for purses that are short, asked of the ledger together: one call at a time for all that wait."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from fingerpost.errors import FingerpostError
from fingerpost.guard.budget import Purse
from fingerpost.money_ports import Treasury
from fingerpost.serve.aside import Aside
from fingerpost.types import Want

_log = structlog.get_logger(__name__)

ASK_SECONDS = 2.0

_AT_A_TIME = 200  # purses
_AWAY_SECONDS = 1.0


class Leases:
    """What is asked of the treasury for the purses of one process; of the event loop."""

    def __init__(self, treasury: Treasury, owner: str, aside: Aside, on_answer: Callable[[Purse], None]) -> None:
        """Nothing is asked yet.

        Args:
            treasury: Of the ledger.
            owner: This process, as the treasury knows it.
            aside: Runs what is asked.
            on_answer: Told each purse that was filled, or could not be.
        """
        self._treasury = treasury
        self._owner = owner
        self._aside = aside
        self._on_answer = on_answer
        self._line: list[Purse] = []
        self._asking: dict[Purse, asyncio.Future[None]] = {}  # those in line, and those under way
        self._asker: asyncio.Task[None] | None = None
        self._waiting: dict[Purse, Counter[int]] = {}  # micro-dollars that requests wait for: how many for as much
        self._unanswered: dict[Purse, Want] = {}  # perhaps given, although no answer came: asked again, it is the same
        self._away_until = 0.0  # time.monotonic seconds

    @property
    def are_away(self) -> bool:
        """Whether it is too soon to ask a treasury that has not answered."""
        return time.monotonic() < self._away_until

    def note(self, error: Exception | None) -> None:
        """Whether the treasury answers: why not, or that it does."""
        if error is not None and not self.are_away:
            _log.error("treasury_away", error=str(error) or "it does not answer", effect="what is at hand is spent")
        self._away_until = 0.0 if error is None else time.monotonic() + _AWAY_SECONDS

    async def ask(self, purses: Sequence[Purse], usd_micros: int) -> None:
        """Have purses filled for a request that needs as much of each, and wait until they are, or cannot be."""
        for purse in purses:
            self._waiting.setdefault(purse, Counter())[usd_micros] += 1
        try:
            await asyncio.gather(*(asyncio.shield(self.begin(purse)) for purse in purses))
        finally:
            for purse in purses:
                self._waiting[purse] -= Counter((usd_micros,))
                if not self._waiting[purse]:
                    del self._waiting[purse]

    def begin(self, purse: Purse) -> "asyncio.Future[None]":
        """Ask for a purse, unless that is under way; done when it is filled, or cannot be."""
        answered = self._asking.get(purse)
        if answered is None:
            answered = self._asking[purse] = asyncio.get_running_loop().create_future()
            self._line.append(purse)
            if self._asker is None or self._asker.done():
                self._asker = asyncio.create_task(self._ask_all())
        return answered

    async def end(self) -> None:
        """Wait until all is answered."""
        if self._asker is not None:
            await asyncio.wait({self._asker}, timeout=ASK_SECONDS)

    def forget(self, purse: Purse) -> Mapping[str, int]:
        """The slice, by its id, that was perhaps given for a purse although no answer came; it is asked for no more."""
        want = self._unanswered.pop(purse, None)
        return {} if want is None else {want.id: want.usd_micros}

    async def _ask_all(self) -> None:
        """Until nobody waits; those that come meanwhile are asked for in the next call."""
        await asyncio.sleep(0)  # so that all that came at once are counted
        while self._line:
            purses, self._line = self._line[:_AT_A_TIME], self._line[_AT_A_TIME:]
            try:
                await self._fill(purses)
            except Exception as error:  # noqa: BLE001  whoever waits is told, whatever it is
                for purse in purses:
                    self._asking.pop(purse).set_exception(error)
                continue
            for purse in purses:
                self._asking.pop(purse).set_result(None)

    async def _fill(self, purses: Sequence[Purse]) -> None:
        if self.are_away:
            for purse in purses:
                purse.away = True
            return
        again = [purse for purse in purses if purse in self._unanswered]
        wants = {purse: self._want(purse) for purse in purses}
        try:
            given = await self._aside.run(lambda: self._treasury.lease(self._owner, [*wants.values()]), ASK_SECONDS)
        except (FingerpostError, TimeoutError) as error:
            self.note(error)
            self._unanswered |= wants
            for purse in purses:
                purse.away = True
                self._on_answer(purse)
            return
        for (purse, want), slice_ in zip(wants.items(), given, strict=True):
            purse.add(slice_, want)
            self._on_answer(purse)
        grown = [purse for purse in again if purse.debt]  # since they were asked for first
        if grown:
            await self._fill(grown)

    def _want(self, purse: Purse) -> Want:
        """What those need that wait; where the last answer was lost the same again, so that it is given once."""
        again = self._unanswered.pop(purse, None)
        if again is not None:
            return replace(again, limit_usd_micros=purse.limit_usd_micros)
        waiting = self._waiting.get(purse, Counter())
        return Want(
            id=uuid.uuid4().hex,
            key=purse.key,
            end_s=purse.end_s,
            limit_usd_micros=purse.limit_usd_micros,
            hard=purse.hard,
            usd_micros=purse.wish(sum(amount * count for amount, count in waiting.items())),
            least_usd_micros=purse.least(min(waiting, default=0)),
        )
