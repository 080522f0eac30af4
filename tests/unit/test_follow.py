"""Following a ledger: looks, failures, silence and news, and how old what was seen is."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from fingerpost.errors import ErrorReason, Unavailable
from fingerpost.serve.aside import Aside
from fingerpost.serve.follow import Follower, Patience

AWAY = Unavailable("the ledger cannot be reached", ErrorReason.STORE_UNAVAILABLE)


class Source:
    """A ledger of the test's choice."""

    def __init__(self, seen: float | None = None) -> None:
        self.seen = seen
        self.looks = 0
        self.error: Exception | None = None
        self.silent = threading.Event()
        self.answer = threading.Event()
        self.news = threading.Semaphore(0)
        self.closed = False

    def look(self) -> None:
        self.looks += 1
        if self.silent.is_set():
            self.answer.wait()
        if self.error is not None:
            raise self.error

    def seen_seconds_ago(self) -> float | None:
        return self.seen

    def wait(self, timeout_seconds: float) -> None:
        self.news.acquire(timeout=timeout_seconds)

    def close(self) -> None:
        self.closed = True


def follower(source: Source, poll: float = 0.05, stale_after: float = 600.0, *, strict: bool = False) -> Follower:
    return Follower(source, Patience(poll, stale_after, strict))


def on_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.005)


@contextmanager
def running(one: Follower) -> Iterator[None]:
    task = asyncio.get_running_loop().create_task(one.run())
    try:
        yield
    finally:
        task.cancel()


def test_a_look_makes_it_fresh() -> None:
    """Before any look nothing is known; after one the age counts from it."""

    async def test() -> None:
        one = follower(Source(), strict=True)
        assert (one.age_seconds, one.stale, one.overdue, one.holds_back) == (None, True, True, True)
        began = time.monotonic()
        await one.start(20)
        assert one.age_seconds is not None
        assert 0 <= one.age_seconds <= time.monotonic() - began
        assert (one.stale, one.overdue, one.holds_back) == (False, False, False)

    on_loop(test)


@pytest.mark.parametrize(("seen", "overdue"), [(None, True), (30.0, False), (700.0, True)])
def test_the_age_outlives_a_restart(seen: float | None, overdue: bool) -> None:
    """A server that starts without the ledger knows how old what it has is, and strictness alone holds it back."""

    async def test() -> None:
        for strict in (False, True):
            source = Source(seen)
            source.error = AWAY
            one = follower(source, strict=strict)
            await one.start(20)
            assert one.stale
            assert one.overdue is overdue
            assert one.holds_back is (overdue and strict)
            assert (one.age_seconds is None) if seen is None else (one.age_seconds or 0) >= seen

    on_loop(test)


def test_trouble_is_told_once() -> None:
    """However often it fails, one line says that it began, one that it is another trouble, and one that it is over."""

    async def test() -> None:
        source = Source()
        one = follower(source, poll=0.01)
        await one.start(20)
        with running(one):
            source.error = AWAY
            await until(lambda: one.failures >= 3)
            assert one.stale
            source.error = OSError("the disk")
            await until(lambda: one.failures >= 6)
            source.error = None
            await until(lambda: not one.stale)

    with capture_logs() as logs:
        on_loop(test)
    told = [(line["event"], line.get("reason")) for line in logs]
    assert told == [
        ("ledger_followed", None),
        ("ledger_not_followed", "STORE_UNAVAILABLE"),
        ("ledger_not_followed", "OSError"),
        ("ledger_followed", None),
    ]


def test_silence_holds_nothing_up() -> None:
    """Looks that never come back are given up, are bounded in number, and when answers come again all is well."""

    async def test() -> None:
        source = Source()
        one = follower(source, poll=0.02)
        await one.start(20)
        source.silent.set()
        before = threading.active_count()
        for _ in range(10):
            await one.look(0.01)
        assert one.stale
        assert one.failures == 10
        assert source.looks == 1 + 4
        assert threading.active_count() <= before + 4
        source.silent.clear()
        source.answer.set()
        with running(one):
            await until(lambda: not one.stale)

    on_loop(test)


def test_news_are_looked_at_at_once() -> None:
    """Between two looks that are an hour apart, news make it look."""

    async def test() -> None:
        source = Source()
        one = follower(source, poll=3_600)
        await one.start(20)
        with running(one):
            source.news.release()
            await until(lambda: source.looks == 2)
            source.news.release()
            await until(lambda: source.looks == 3)
            source.news.release()  # so that its thread ends

    on_loop(test)


@pytest.mark.fault("D10")
def test_without_news_it_looks_all_the_same() -> None:
    """Looking needs no news: neither silent nor broken ones stop it."""

    class Broken(Source):
        def wait(self, timeout_seconds: float) -> None:
            raise OSError("no news")

    async def test() -> None:
        for source in (Source(), Broken()):
            one = follower(source, poll=0.02)
            await one.start(20)
            with running(one):
                await until(lambda source=source: source.looks >= 4)  # type: ignore[misc]
            one.close()
            assert source.closed

    on_loop(test)


def test_work_aside_gives_back_what_came_of_it() -> None:
    """Results and errors of the work reach whoever waits; an end of the loop meanwhile harms nobody."""
    go = threading.Event()

    async def test() -> None:
        aside = Aside("test")
        assert await aside.run(lambda: 7) == 7
        with pytest.raises(KeyError):
            await aside.run(lambda: dict[str, int]()["missing"])
        with pytest.raises(TimeoutError):
            await aside.run(go.wait, 0.01)

    on_loop(test)
    go.set()
