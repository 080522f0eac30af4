"""Alerts of budgets: told once, delivered once, tried again, given up, and never in anybody's way."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, strategies as st
from structlog.testing import capture_logs

from fingerpost.errors import ErrorReason, FailedPrecondition, Unavailable
from fingerpost.serve.alert_body import body_of, rfc_3339, usd
from fingerpost.serve.alerts import Alerts, Sender, World, wait_seconds
from fingerpost.serve.record import keyed
from fingerpost.types import AccountKey, Alert
from tests.treasury import HOUR_S, MemoryTreasury

KEY = b"k" * 32
SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "budget-alert.schema.json"
AWAY = Unavailable("the ledger cannot be reached", ErrorReason.STORE_UNAVAILABLE)
LATER = Unavailable("the webhook at https://alerts.example.com answers with status 500")
NEVER = FailedPrecondition("the webhook at https://alerts.example.com answers with status 410")


class Clock:
    """A time that a test moves; seconds since the epoch, within the accounts' window at first."""

    def __init__(self) -> None:
        self.now = 600.0

    def __call__(self) -> float:
        return self.now


class Counts:
    def __init__(self) -> None:
        self.alerts: Counter[tuple[str, str, int]] = Counter()
        self.results: Counter[str] = Counter()

    def alerted(self, catalog: str, budget: str, percent: int) -> None:
        self.alerts[catalog, budget, percent] += 1

    def alert_sent(self, result: str) -> None:
        self.results[result] += 1


class Post:
    """A sender that keeps what it sent, fails as told, and holds back the alerts of a budget as told."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.bodies: list[bytes] = []
        self.errors: list[Exception | None] = []
        self.held_budget = ""
        self.holding = threading.Semaphore(0)  # one released for each that is held
        self.go_on = threading.Event()

    def send(self, body: bytes, id: str, now_s: float) -> None:
        if self.held_budget and json.loads(body)["budget"] == self.held_budget:
            self.holding.release()
            self.go_on.wait()
        self.sent.append(id)
        self.bodies.append(body)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error


class Stage:
    """Alerts over a treasury, a clock and a sender of the test."""

    def __init__(
        self, sender: Sender | None, treasury: MemoryTreasury | None = None, clock: Clock | None = None
    ) -> None:
        self.treasury = treasury or MemoryTreasury()
        self.clock = clock or Clock()
        self.counts = Counts()
        world = World(self.clock, lambda: 0.5)
        self.alerts = Alerts(self.treasury, KEY, self.counts, sender, interval_seconds=0.005, world=world)

    async def look(self, results: int = 0) -> None:
        """One look, and a wait for so many attempts in all to be over."""
        await self.alerts.look()
        await until(lambda: sum(self.counts.results.values()) >= results)
        await until(lambda: not self.alerts.under_way)


def on_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.002)


# --- Telling ----------------------------------------------------------------------------------------------------------


def test_each_share_is_told_once() -> None:
    """In the log and the metric, whatever is looked at again; without a webhook that is all, and it is on record."""

    async def test() -> None:
        stage = Stage(None)
        stage.treasury.use(500_000)
        with capture_logs() as logs:
            await stage.look()
            await stage.look()
            stage.treasury.use(1_200_000)
            await stage.look()
            stage.clock.now += 3_000
            await stage.look()
        assert [log["percent"] for log in logs if log["event"] == "budget_alert"] == [50, 80, 100]
        assert stage.counts.alerts == {("default", "monthly", percent): 1 for percent in (50, 80, 100)}
        assert set(stage.treasury.ends.values()) == {"delivered"}
        assert not stage.counts.results

    on_loop(test)


def test_the_log_names_no_tenant() -> None:
    """Whose account it is stands there as in the decision log: by a keyed hash."""

    async def test() -> None:
        stage = Stage(Post())
        stage.treasury.use(799_999, holder="acme")
        with capture_logs() as logs:
            await stage.look(results=1)
        told = next(log for log in logs if log["event"] == "budget_alert")
        assert told == {
            "event": "budget_alert",
            "log_level": "warning",
            "id": "a0-50",
            "catalog": "default",
            "budget": "monthly",
            "holder_hash": keyed("acme", KEY),
            "percent": 50,
            "used_usd": "0.799999",
            "limit_usd": "1.00",
            "hard": True,
            "window_start": "1970-01-01T00:00:00Z",
            "attempts": 0,
        }
        assert "acme" not in str(logs)

    on_loop(test)


def test_what_nobody_told_is_told_late() -> None:
    """A process that ended between noticing and telling: another one tells it, after a minute and once."""

    async def test() -> None:
        stage = Stage(None)
        stage.treasury.use(500_000)
        stage.treasury.notice((50,), round(stage.clock() * 1e6))
        await stage.look()
        assert not stage.counts.alerts
        stage.clock.now += 61
        await stage.look()
        await stage.look()
        assert stage.counts.alerts == {("default", "monthly", 50): 1}
        assert stage.treasury.ends == {"a0-50": "delivered"}

    on_loop(test)


def test_what_is_told_and_not_on_record_is_not_told_again() -> None:
    """Without a webhook, a treasury that cannot put it on record at first is asked again for that alone."""

    async def test() -> None:
        stage = Stage(None)
        stage.treasury.use(500_000)
        stage.treasury.cannot_mark = AWAY
        await stage.look()
        stage.clock.now += 300
        await stage.look()
        stage.treasury.cannot_mark = None
        await stage.look()
        assert stage.counts.alerts == {("default", "monthly", 50): 1}
        assert stage.treasury.ends == {"a0-50": "delivered"}

    on_loop(test)


# --- Delivering -------------------------------------------------------------------------------------------------------


def test_each_alert_is_delivered_once() -> None:
    """The body is what the schema says; what is delivered is never sent again."""

    async def test() -> None:
        post = Post()
        stage = Stage(post)
        stage.treasury.use(1_000_000, holder="acme")
        with capture_logs() as logs:
            await stage.look(results=3)
            stage.clock.now += 2_000
            await stage.look()
        assert sorted(post.sent) == ["a0-100", "a0-50", "a0-80"]
        assert stage.counts.results == {"delivered": 3}
        assert [log["event"] for log in logs].count("budget_alert_delivered") == 3
        assert {json.loads(body)["holder"] for body in post.bodies} == {"acme"}

    on_loop(test)


def test_a_failure_is_tried_again_later_and_later() -> None:
    """Twice as long each time up to a quarter of an hour, within a day; then it is given up, and all of it is told."""

    async def test() -> None:
        post = Post()
        stage = Stage(post)
        stage.treasury.use(500_000)
        waits: list[float] = []
        with capture_logs() as logs:
            while not stage.treasury.ends.get("a0-50"):
                post.errors.append(LATER)
                await stage.look(results=len(waits) + 1)
                due = stage.treasury.due_us("a0-50") / 1e6
                waits.append(due - stage.clock.now)
                stage.clock.now = due - 0.001
                await stage.look()  # not yet
                assert len(post.sent) == len(waits)
                stage.clock.now = due
        assert waits[:9] == pytest.approx([7.5, 15, 30, 60, 120, 240, 480, 675, 675], abs=1e-5)
        assert stage.treasury.ends == {"a0-50": "given up"}
        assert 86_400 < stage.clock.now - 600 < 86_400 + 1_400
        assert stage.counts.results == {"failed": len(waits) - 1, "given_up": 1}
        failures = [log for log in logs if log["event"] == "budget_alert_not_delivered"]
        assert len(failures) == len(waits) - 1
        assert failures[0]["error"] == LATER.message
        assert failures[0]["again_in_seconds"] == 8
        assert [log["log_level"] for log in logs if log["event"] == "budget_alert_given_up"] == ["error"]

    on_loop(test)


def test_then_it_arrives() -> None:
    """After two failures the third attempt counts, under the same id and with the same body."""

    async def test() -> None:
        post = Post()
        post.errors = [LATER, TimeoutError("something of its own"), None]
        stage = Stage(post)
        stage.treasury.use(500_000)
        for attempt in (1, 2, 3):
            await stage.look(results=attempt)
            stage.clock.now += 120
        assert post.sent == ["a0-50"] * 3
        assert len(set(post.bodies)) == 1
        assert stage.treasury.ends == {"a0-50": "delivered"}

    on_loop(test)


def test_a_receiver_may_ask_for_time() -> None:
    """Longer than one would wait anyway, but no longer than an hour; never shorter."""

    async def test() -> None:
        for asked_ms, wanted in ((600_000, 600.0), (1, 7.5), (86_400_000, 3_600.0)):
            post = Post()
            post.errors = [Unavailable("busy", retry_after_ms=asked_ms)]
            stage = Stage(post)
            stage.treasury.use(500_000)
            await stage.look(results=1)
            assert stage.treasury.due_us("a0-50") / 1e6 - stage.clock.now == wanted

    on_loop(test)


def test_what_never_works_is_given_up_at_once() -> None:
    """A permanent error ends it, and is told."""

    async def test() -> None:
        post = Post()
        post.errors = [NEVER]
        stage = Stage(post)
        stage.treasury.use(500_000)
        with capture_logs() as logs:
            await stage.look(results=1)
        assert stage.treasury.ends == {"a0-50": "given up"}
        assert [log["error"] for log in logs if log["event"] == "budget_alert_given_up"] == [NEVER.message]

    on_loop(test)


def test_errors_of_others_are_named_only() -> None:
    """A message that is not ours may quote a URL; its kind is told."""

    async def test() -> None:
        post = Post()
        post.errors = [ValueError("https://user:secret@alerts.example.com")]
        stage = Stage(post)
        stage.treasury.use(500_000)
        with capture_logs() as logs:
            await stage.look(results=1)
        assert "secret" not in str(logs)
        assert [log["error"] for log in logs if log["event"] == "budget_alert_not_delivered"] == ["ValueError"]

    on_loop(test)


# --- In nobody's way --------------------------------------------------------------------------------------------------


@pytest.mark.fault("W1")
def test_a_webhook_that_hangs_delays_nothing() -> None:
    """Not noticing, not other alerts, not the stop; and what hung is neither sent twice nor lost."""

    async def test() -> None:
        post = Post()
        post.held_budget = "slow"
        stage = Stage(post)
        stage.treasury.use(500_000, budget="slow")
        running = asyncio.create_task(stage.alerts.run())
        await asyncio.to_thread(post.holding.acquire)
        stage.treasury.use(1_000_000, budget="quick")
        await until(lambda: len(post.sent) == 3)
        assert stage.counts.alerts["default", "quick", 100] == 1
        assert stage.treasury.ends["a0-50"] == ""
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        post.go_on.set()  # the server drains yet: what is under way arrives and is put on record
        await until(lambda: stage.treasury.ends["a0-50"] == "delivered")
        assert post.sent.count("a0-50") == 1

    on_loop(test)


@pytest.mark.fault("W1")
def test_no_more_hang_than_there_are_ways() -> None:
    """When every way is taken, noticing goes on, and nothing is taken that cannot be sent now."""

    async def test() -> None:
        post = Post()
        post.held_budget = "slow"
        stage = Stage(post)
        for holder in map(str, range(10)):
            stage.treasury.use(500_000, budget="slow", holder=holder)
        await stage.alerts.look()
        for _ in range(8):
            await asyncio.to_thread(post.holding.acquire)
        stage.treasury.use(500_000, budget="quick")
        await stage.alerts.look()
        assert stage.counts.alerts["default", "quick", 50] == 1
        assert len(stage.alerts.under_way) == 8
        post.go_on.set()
        await until(lambda: not stage.alerts.under_way)
        await stage.look(results=11)
        assert stage.counts.results == {"delivered": 11}
        assert len(set(post.sent)) == 11

    on_loop(test)


def test_two_processes_deliver_each_alert_once() -> None:
    """Side by side on one treasury, both looking all the time."""

    async def test() -> None:
        treasury, clock, posts = MemoryTreasury(), Clock(), (Post(), Post())
        stages = [Stage(post, treasury, clock) for post in posts]
        for holder in map(str, range(40)):
            treasury.use(1_000_000, holder=holder)
        tasks = [asyncio.create_task(stage.alerts.run()) for stage in stages]
        await until(lambda: len(treasury.ends) == 120 and set(treasury.ends.values()) == {"delivered"})
        for task in tasks:
            task.cancel()
        assert Counter(posts[0].sent + posts[1].sent) == dict.fromkeys(treasury.ends, 1)
        assert sum((stages[0].counts.alerts + stages[1].counts.alerts).values()) == 120

    on_loop(test)


def test_what_a_process_left_is_delivered_by_another() -> None:
    """One that ended after it had taken an alert: two minutes later it is anybody's again, under the same id."""

    async def test() -> None:
        post = Post()
        stage = Stage(post)
        stage.treasury.use(500_000)
        now_us = round(stage.clock() * 1e6)
        stage.treasury.notice((50,), now_us)
        stage.treasury.due_alerts(now_us, 1, now_us + 120_000_000)
        await stage.look()
        assert post.sent == []
        stage.clock.now += 120
        await stage.look(results=1)
        assert post.sent == ["a0-50"]

    on_loop(test)


def test_a_process_that_stood_still_sends_nothing_that_may_be_anothers() -> None:
    """Between taking an alert and sending it more than a minute went by: it is left to whoever takes it next."""

    async def test() -> None:
        post = Post()
        stage = Stage(post)
        stage.treasury.use(500_000)
        alert = stage.treasury.notice((50,), round(stage.clock() * 1e6))[0]
        began = stage.clock.now
        stage.clock.now += 61
        stage.alerts.deliver(alert, began + 60)
        assert post.sent == []
        assert stage.treasury.ends == {"a0-50": ""}

    on_loop(test)


@pytest.mark.fault("W3")
def test_a_treasury_that_is_away_is_noted_once() -> None:
    """However often it is asked; when it is back that is told, and nothing was lost."""

    async def test() -> None:
        post = Post()
        stage = Stage(post)
        stage.treasury.use(500_000)
        stage.treasury.away = AWAY
        with capture_logs() as logs:
            for _ in range(3):
                await stage.look()
            assert [log["event"] for log in logs] == ["alerts_not_looked_for"]
            assert logs[0]["reason"] == "STORE_UNAVAILABLE"
            stage.treasury.away = None
            await stage.look(results=1)
        assert [log["event"] for log in logs[1:]].count("alerts_looked_for") == 1
        assert post.sent == ["a0-50"]

    on_loop(test)


@pytest.mark.fault("W3")
def test_a_treasury_that_goes_away_after_the_send() -> None:
    """What has arrived is put on record when it is back, and not sent again by this process."""

    async def test() -> None:
        post = Post()
        stage = Stage(post)
        stage.treasury.use(500_000)
        stage.treasury.cannot_mark = AWAY
        await stage.look(results=1)
        for _ in range(3):
            stage.clock.now += 150  # it would be due again
            await stage.look()
        assert post.sent == ["a0-50"]
        stage.treasury.cannot_mark = None
        await stage.look()
        assert stage.treasury.ends == {"a0-50": "delivered"}
        assert post.sent == ["a0-50"]

    on_loop(test)


@pytest.mark.fault("W3")
def test_what_cannot_be_put_off_comes_again_by_itself() -> None:
    """A failure that could not be put on record is tried again when the alert is nobody's any more."""

    async def test() -> None:
        post = Post()
        post.errors = [LATER]
        stage = Stage(post)
        stage.treasury.use(500_000)
        stage.treasury.cannot_mark = AWAY
        await stage.look(results=1)
        stage.treasury.cannot_mark = None
        await stage.look()
        assert post.sent == ["a0-50"]
        stage.clock.now += 120
        await stage.look(results=2)
        assert stage.treasury.ends == {"a0-50": "delivered"}

    on_loop(test)


@pytest.mark.fault("W3")
def test_a_treasury_that_is_silent_keeps_nothing_up() -> None:
    """The loop goes on and stops at once; what the silent one answers at last is told still."""

    async def test() -> None:
        stage = Stage(Post())
        stage.treasury.use(500_000)
        stage.treasury.silent.set()
        running = asyncio.create_task(stage.alerts.run())
        await until(lambda: stage.treasury.asked == 1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        stage.treasury.answer.set()
        await until(lambda: stage.counts.alerts["default", "monthly", 50] == 1)

    on_loop(test)


# --- Times and words --------------------------------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.none() | st.integers(0, 10**12))
def test_waits_are_within_bounds(attempts: int, chance: float, asked_ms: int | None) -> None:
    """From 5 s to 15 min, up to an hour where the receiver asks; never shorter for one failure more."""
    wait = wait_seconds(attempts, chance, asked_ms)
    assert 5 <= wait <= (900 if asked_ms is None else 3_600)
    assert wait <= wait_seconds(attempts + 1, chance, asked_ms)
    assert wait >= min((asked_ms or 0) / 1000, 3_600)


@given(st.integers(-(10**18), 10**18))
def test_dollars_are_exact(micros: int) -> None:
    """The text is the amount, with cents at least and without zeros beyond."""
    text = usd(micros)
    assert Decimal(text) * 1_000_000 == micros
    digits = text.partition(".")[2]
    assert len(digits) == 2 or (2 < len(digits) <= 6 and digits[-1] != "0")


@given(st.integers(0, 253_402_300_799_999_999))
def test_times_are_exact(time_us: int) -> None:
    """Until the year 9999, to the microsecond."""
    text = rfc_3339(time_us)
    assert text.endswith("Z")
    parsed = datetime.fromisoformat(text)
    assert (parsed - datetime.fromisoformat("1970-01-01T00:00:00Z")) // (parsed.resolution) == time_us


@given(st.builds(AccountKey, st.text(), st.text(), st.text(), st.integers(0, 10**10)), st.sampled_from([50, 80, 100]))
def test_any_body_is_as_the_schema_says(key: AccountKey, percent: int) -> None:
    """Names in any script, and no key that the schema does not tell of."""
    alert = Alert("a1", key, key.start_s + HOUR_S, percent, 12_340_000, 15_000_000, False, key.start_s * 1_000_000 + 1)
    body = body_of(alert)
    content = json.loads(body)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(content)
    assert set(content) == set(schema["properties"]) == set(schema["required"])
    assert (content["holder"], content["used_usd"], content["limit_usd"]) == (key.holder, "12.34", "15.00")
    assert b"\n" not in body


def test_a_body() -> None:
    """As the reference shows it."""
    alert = Alert("a1", AccountKey("default", "team", "acme", 1_767_225_600), 1_769_904_000, 80, 12_340_001,
                  15_000_000, True, 1_768_000_000_250_000)  # fmt: skip
    assert json.loads(body_of(alert)) == {
        "type": "budget.alert",
        "version": 1,
        "id": "a1",
        "catalog": "default",
        "budget": "team",
        "holder": "acme",
        "percent": 80,
        "used_usd": "12.340001",
        "limit_usd": "15.00",
        "hard": True,
        "window_start": "2026-01-01T00:00:00Z",
        "window_end": "2026-02-01T00:00:00Z",
        "time": "2026-01-09T23:06:40.250000Z",
    }


def test_the_treasury_of_these_tests_keeps_the_contract() -> None:
    """Noticed once; given out to one until its time is over; nothing after its end."""
    treasury = MemoryTreasury()
    treasury.use(850_000)
    assert [alert.percent for alert in treasury.notice((50, 80, 100), 5)] == [50, 80]
    assert treasury.notice((50, 80, 100), 6) == []
    assert [one.attempts for one in treasury.due_alerts(6, 1, 20)] == [1]
    assert [one.percent for one in treasury.due_alerts(6, 9, 20)] == [80]
    assert treasury.due_alerts(19, 9, 30) == []
    treasury.alert_delivered("a0-50", 19)
    treasury.alert_put_off("a0-80", 25)
    assert treasury.due_alerts(24, 9, 30) == []
    assert [one.attempts for one in treasury.due_alerts(25, 9, 30)] == [2]
    treasury.alert_given_up("a0-80", 26)
    assert treasury.due_alerts(99, 9, 100) == []
