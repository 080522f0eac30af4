"""Follow: has the ledger moved a pointer? Looks when told that one moved, and now and then whether told or not."""

import asyncio
import random
import time
from dataclasses import dataclass

import structlog

from fingerpost.errors import FingerpostError
from fingerpost.ports import PointerSource
from fingerpost.serve.aside import Aside

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 10.0
_FIRST_RETRY_SECONDS = 0.5
_NEWS_SHARE = 0.9  # of the time between looks: a wait for news ends by itself before the next look
_LATE_POLLS = 3
"""Without a look for so many polls, what is served may have been replaced."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what."""

    poll_seconds: float  # between looks, at most
    stale_after_seconds: float  # since the last look, until what is served counts as overdue
    strict: bool  # whether an overdue server says that it does not serve


class Follower:
    """Keeps the pointer files at what the ledger says. On the event loop, which it never blocks."""

    def __init__(self, source: PointerSource, patience: Patience) -> None:
        """Nothing is asked yet."""
        self._source = source
        self._patience = patience
        self._looks, self._news = Aside("ledger"), Aside("pointer-news")
        self._seen: float | None = None  # by time.monotonic
        self._trouble: str | None = "not looked yet"
        self.failures = 0  # in all
        self._failed = 0  # in a row

    @property
    def age_seconds(self) -> float | None:
        """Since the last look at the ledger, before this start too; None when there never was one."""
        return None if self._seen is None else max(0.0, time.monotonic() - self._seen)

    @property
    def stale(self) -> bool:
        """Whether what is served may have been replaced: the ledger cannot be looked at."""
        age = self.age_seconds
        return self._trouble is not None or age is None or age > _LATE_POLLS * self._patience.poll_seconds

    @property
    def overdue(self) -> bool:
        """Whether the last look is longer ago than is allowed."""
        age = self.age_seconds
        return age is None or age > self._patience.stale_after_seconds

    @property
    def holds_back(self) -> bool:
        """Whether health should say NOT_SERVING for that."""
        return self._patience.strict and self.overdue

    async def start(self, within_seconds: float) -> None:
        """Look once, without waiting longer for it."""
        age = await self._looks.run(self._source.seen_seconds_ago, _LOOK_SECONDS)
        if age is not None:
            self._seen = time.monotonic() - age
        await self.look(within_seconds)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._pause()
            await self.look()

    def close(self) -> None:
        """Ask no more."""
        self._source.close()

    async def look(self, within_seconds: float = _LOOK_SECONDS) -> None:
        """Look once; a failure is noted."""
        began = time.monotonic()
        try:
            await self._looks.run(self._source.look, within_seconds)
        except Exception as error:  # noqa: BLE001  whatever it is, what is served goes on
            self._note_failure(error)
            return
        self._seen, self._failed = began, 0
        if self._trouble is not None:
            self._trouble = None
            _log.info("ledger_followed")

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        self._failed += 1
        trouble = str(error.reason) if isinstance(error, FingerpostError) else type(error).__name__
        if trouble != self._trouble:  # once for each change of state, not for each try
            self._trouble = trouble
            words = str(error) or "it does not answer"
            _log.error("ledger_not_followed", reason=trouble, error=words, age_seconds=self.age_seconds)

    async def _pause(self) -> None:
        poll = self._patience.poll_seconds
        if self._failed:
            longest = min(poll, _FIRST_RETRY_SECONDS * 2 ** min(self._failed - 1, 10))
            await asyncio.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  so that replicas do not come at once
            return
        until = time.monotonic() + poll
        try:
            await self._news.run(lambda: self._source.wait(_NEWS_SHARE * poll), poll)
        except Exception:  # noqa: BLE001  news only make it quicker: what is wrong the next look tells
            await asyncio.sleep(max(0.0, until - time.monotonic()))
