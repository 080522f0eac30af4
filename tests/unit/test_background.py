"""What a server does beside answering: it follows what is set by hand, and shares the key of decisions."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from fingerpost.backends.overrides_file import OverridesFile
from fingerpost.durable import put_unlocked
from fingerpost.serve.background import follow_by_hand, share_key, when
from fingerpost.serve.decision_id import SECRET_BYTES, DecisionIds
from fingerpost.serve.guards import Guards
from fingerpost.serve.spending import Spending
from fingerpost.types import Override
from tests.integration.test_tls import on_loop
from tests.money import budget, spending
from tests.spending import Clock, until
from tests.treasury import MemoryTreasury

KEY = b"k" * SECRET_BYTES


def limit(usd_micros: int | str) -> Override:
    value = {"budget": "all", "holder": "", "limit_usd_micros": str(usd_micros)}
    return Override("default", "budget", "all/", value, "os:ann", 1)


@on_loop
async def test_what_is_set_by_hand_is_followed(tmp_path: Path) -> None:
    """As the file changes; one that cannot be read leaves all as it was, is told once, and the next one is followed."""
    file, guards = OverridesFile(tmp_path / "overrides.json"), Guards(Spending(MemoryTreasury(), Clock()))
    [purse] = guards.spending.accounts("default", spending(budget(limit=1_000)).decider, "acme").common
    following = asyncio.create_task(follow_by_hand(file, guards, 0.001))
    with capture_logs() as logs:
        await asyncio.to_thread(file.follow, lambda: [limit(2_000)])
        await until(lambda: purse.limit_usd_micros == 2_000)
        await asyncio.to_thread(file.follow, lambda: [limit("much")])
        await until(lambda: _said(logs, "set_by_hand_not_followed") == 1)
        await asyncio.to_thread(put_unlocked, tmp_path / "overrides.json", b"{")
        await until(lambda: _said(logs, "set_by_hand_not_followed") == 2)
        assert purse.limit_usd_micros == 2_000
        await asyncio.to_thread(file.follow, lambda: [limit(3_000)])
        await until(lambda: purse.limit_usd_micros == 3_000)
        await asyncio.to_thread((tmp_path / "overrides.json").unlink)
        await until(lambda: purse.limit_usd_micros == 1_000)
    assert (_said(logs, "set_by_hand_followed"), _said(logs, "set_by_hand_not_followed")) == (3, 2)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


def _said(logs: Iterable[Mapping[str, Any]], event: str) -> int:
    return sum(line["event"] == event for line in logs)


@on_loop
async def test_a_shared_key_is_adopted_and_kept() -> None:
    """Ids of before stay known; where it cannot be kept, it is used all the same."""
    ids, kept = DecisionIds(), list[bytes]()
    await share_key(ids, lambda: KEY, kept.append)
    assert (ids.key, kept) == (KEY, [KEY])

    def cannot(key: bytes) -> None:
        raise OSError(13, "permission denied")

    other = DecisionIds()
    with capture_logs() as logs:
        await share_key(other, lambda: KEY, cannot)
    assert other.key == KEY
    assert [line["event"] for line in logs] == ["decision_key_not_kept"]


@on_loop
async def test_what_nobody_needs_is_not_begun() -> None:
    """From the first time on that there is need of it, it runs."""
    begun = asyncio.Event()

    async def run() -> None:
        begun.set()

    waiting = asyncio.create_task(when(lambda: False, run))
    await asyncio.sleep(0)
    assert not begun.is_set()
    waiting.cancel()
    await when(lambda: True, run)
    assert begun.is_set()
