"""Background: what a server does beside answering, as long as it runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

import structlog

from fingerpost.errors import FingerpostError
from fingerpost.money_ports import ReportStore
from fingerpost.serve.aside import Aside
from fingerpost.serve.by_hand import by_hand_of
from fingerpost.serve.decision_id import DecisionIds
from fingerpost.serve.guards import ByHand, Guards
from fingerpost.types import Override

_log = structlog.get_logger(__name__)

_FORGET_SECONDS = 60.0
_FORGET_ROWS = 200_000  # a minute at most: more than can come
_LOOK_SECONDS = 1.0
_OPEN_SECONDS = 10.0
_KEY_RETRY_SECONDS = 5.0


class OverridesReader(Protocol):
    """What is set by hand, as a file says it; blocks for no longer than a small file takes."""

    def mark(self) -> tuple[int, int]:
        """Another one each time it is written; zeros: it is not there."""

    def read(self) -> Sequence[Override]:
        """What is set.

        Raises:
            DataLoss: it cannot be read.
        """


async def follow_by_hand(reader: OverridesReader, guards: Guards, interval_seconds: float) -> None:
    """For ever: have the guards do what is set by hand; what cannot be read leaves them as they are."""
    seen = (0, 0)
    while True:
        mark = reader.mark()
        if mark != seen:
            seen = mark
            try:
                guards.set_by_hand(_read(reader))
                _log.info("set_by_hand_followed")
            except (FingerpostError, ValueError, KeyError) as error:
                _log.error("set_by_hand_not_followed", error=str(error), effect="what was followed before stays")
        await asyncio.sleep(interval_seconds)


async def share_key(ids: DecisionIds, fetch: Callable[[], bytes], keep: Callable[[bytes], None]) -> None:
    """Sign with the key of all servers of a ledger, as soon as it can be had; `keep` remembers it on this machine."""
    aside = Aside("decision-key")
    while True:
        try:
            key = await aside.run(fetch, 2 * _KEY_RETRY_SECONDS)
        except (FingerpostError, TimeoutError):
            await asyncio.sleep(_KEY_RETRY_SECONDS)
            continue
        ids.adopt(key)
        try:
            keep(key)
        except OSError as error:
            _log.warning("decision_key_not_kept", error=type(error).__name__, effect="fetched anew at the next start")
        return


async def forget_reports(store: ReportStore, seconds: int) -> None:
    """For ever: remove reports that are older than so much, some each minute."""
    aside = Aside("forget")
    while True:
        await asyncio.sleep(_FORGET_SECONDS)
        before_us = time.time_ns() // 1000 - seconds * 1_000_000
        try:
            await aside.run(partial(store.forget, before_us, _FORGET_ROWS), _FORGET_SECONDS)
        except (FingerpostError, TimeoutError):
            continue  # whoever needs the store says that it is away


async def opened(open_store: Callable[[], object]) -> None:
    """Open what requests will ask, so that the first of them need not wait so long; whoever needs it tries again."""
    with suppress(FingerpostError, TimeoutError):
        await Aside("opening").run(open_store, _OPEN_SECONDS)


async def when(is_time: Callable[[], bool], run: Callable[[], Awaitable[None]]) -> None:
    """Run something for ever, from the first time on that there is need of it."""
    while not is_time():  # noqa: ASYNC110  nobody could say so but by looking
        await asyncio.sleep(_LOOK_SECONDS)
    await run()


def _read(reader: OverridesReader) -> Mapping[str, ByHand]:
    return by_hand_of(reader.read())
