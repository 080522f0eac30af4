"""Alerts all the way over real sockets: from the treasury to receivers, also the one of the guide."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from fingerpost.backends.webhook import Bounds, Webhook, target_of
from fingerpost.bootstrap.alerting import alerts_of
from fingerpost.errors import ErrorReason, FailedPrecondition, InvalidRequest
from fingerpost.serve.alert_body import body_of
from fingerpost.serve.alerts import Alerts, Sender, World
from fingerpost.settings import Settings
from fingerpost.telemetry.decision_log import KEY_FILE
from fingerpost.telemetry.metrics import Metrics
from fingerpost.types import AccountKey, Alert
from tests.contract.test_docs import blocks
from tests.receiver import Receiver, endless, hanging, receiving, replying
from tests.treasury import MemoryTreasury

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "budget-alerts.md"
SECRET = b"0123456789abcdefghijklmnopqrstuv"
LONG = 3_000_000_000  # the accounts of these tests are open until then


class Clock:
    now = 600.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """Alerts, and metrics that count them, over a real webhook."""

    def __init__(self, sender: Sender) -> None:
        self.treasury = MemoryTreasury()
        self.clock = Clock()
        self.metrics = Metrics(list, lambda: None)
        world = World(self.clock, lambda: 0.0)
        self.alerts = Alerts(self.treasury, b"k" * 32, self.metrics, sender, interval_seconds=0.01, world=world)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def results(self) -> dict[str, float]:
        return {
            result: count
            for result in ("delivered", "failed", "given_up")
            if (count := self.count("fingerpost_alert_deliveries_total", result=result))
        }

    async def look(self) -> None:
        """One look, and what it began to its end."""
        await self.alerts.look()
        if self.alerts.under_way:
            await asyncio.wait(self.alerts.under_way)


def sender_to(receiver: Receiver) -> Webhook:
    return Webhook(target_of(f"http://127.0.0.1:{receiver.port}"), lambda: [SECRET])


def on_loop(test: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


@pytest.mark.fault("W1")
def test_an_overloaded_receiver_gets_it_when_it_asked_to() -> None:
    """500, then 429 with a time, then 200: three attempts of one message, not before their time."""

    async def test() -> None:
        with receiving(replying(500), replying(429, "Retry-After: 100"), replying(200)) as receiver:
            stage = Stage(sender_to(receiver))
            stage.treasury.use(800_000)
            await stage.look()
            assert stage.results() == {"failed": 2}  # 50 and 80 percent, one answered 500 and one 429
            stage.clock.now += 99
            await stage.look()
            stage.clock.now += 1
            await stage.look()
            assert stage.results() == {"failed": 2, "delivered": 2}
            assert set(stage.treasury.ends.values()) == {"delivered"}
            ids = [request.headers["webhook-id"] for request in receiver.requests]
            assert sorted(ids) == ["a0-50", "a0-50", "a0-80", "a0-80"]
            assert [json.loads(request.body)["id"] for request in receiver.requests] == ids
            told = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
            assert sorted(told) == [600, 600, 699, 700]

    on_loop(test)


@pytest.mark.fault("W2")
def test_a_receiver_that_moved_is_given_up() -> None:
    """A redirect ends it at once."""

    async def test() -> None:
        with receiving(replying(301, "Location: http://127.0.0.1:1/")) as receiver:
            stage = Stage(sender_to(receiver))
            stage.treasury.use(500_000)
            await stage.look()
            assert stage.results() == {"given_up": 1}
            assert stage.treasury.ends == {"a0-50": "given up"}

    on_loop(test)


def test_a_body_without_end_is_as_good_as_none() -> None:
    """Accepted is accepted."""

    async def test() -> None:
        with receiving(endless) as receiver:
            stage = Stage(sender_to(receiver))
            stage.treasury.use(500_000)
            await stage.look()
            assert stage.results() == {"delivered": 1}
            assert stage.count("fingerpost_budget_alerts_total", catalog="default", budget="monthly", percent="50") == 1

    on_loop(test)


@pytest.mark.fault("W1")
def test_a_receiver_that_hangs_holds_nobody_up() -> None:
    """While one connection hangs, other alerts are told and delivered, and the end comes at once."""

    async def test() -> None:
        with receiving(hanging, replying(200)) as receiver:
            stage = Stage(Webhook(target_of(f"http://127.0.0.1:{receiver.port}"), lambda: [SECRET], bounds=PATIENT))
            stage.treasury.use(500_000)
            running = asyncio.create_task(stage.alerts.run())
            await until(lambda: len(receiver.requests) == 1)
            stage.treasury.use(1_000_000)
            await until(lambda: stage.results() == {"delivered": 2})
            assert stage.treasury.ends == {"a0-50": "", "a0-80": "delivered", "a0-100": "delivered"}
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    on_loop(test)


PATIENT = Bounds(connect=60, read=60, total=60)
"""Longer than the test may take: it passes only if nobody waits for the one that hangs."""


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.002)


# --- The receiver of the guide ----------------------------------------------------------------------------------------


@contextmanager
def guide_receiver(secret_file: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Its URL, and a reader of its next line."""
    [program] = blocks(GUIDE, "python")
    command = [sys.executable, "-c", program, str(secret_file), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process.stdout.readline
        finally:
            process.kill()


def test_the_receiver_of_the_guide(tmp_path: Path) -> None:
    """It takes what we sign, once, by an old secret and a new one, and nothing else."""
    ours, both = tmp_path / "ours", tmp_path / "both"
    for path, text in ((ours, SECRET), (both, b"n" * 32 + b"\n" + SECRET)):
        path.write_bytes(text)
        path.chmod(0o600)
    treasury = MemoryTreasury()
    treasury.use(500_000, holder="acme", end_s=LONG)
    treasury.use(800_000, budget="second", end_s=LONG)

    async def delivered(settings: Settings) -> None:
        alerts = alerts_of(settings, treasury, Metrics(list, lambda: None), bytes(32))
        await alerts.look()
        await asyncio.wait(alerts.under_way)

    with guide_receiver(ours) as (url, read_line):
        settings = settings_of(tmp_path, alert_webhook=f"{url}/budgets", alert_secret_file=str(both))
        asyncio.run(delivered(settings))
        assert sorted(read_line() for _ in range(3)) == [
            "monthly acme: 50 %, $0.50 of $1.00\n",
            "second : 50 %, $0.80 of $1.00\n",
            "second : 80 %, $0.80 of $1.00\n",
        ]
        now = time.time()
        body = body_of(Alert("a", AccountKey("default", "b", "", 0), 9, 50, 1_000_000, 2_000_000, False, 1))
        good = Webhook(target_of(url), lambda: [SECRET])
        good.send(body, "again", now)
        good.send(body, "again", now)
        good.send(body, "other", now)
        assert [read_line() for _ in range(2)] == ["b : 50 %, $1.00 of $2.00\n"] * 2
        for sender, at in (
            (Webhook(target_of(url), lambda: [b"x" * 32]), now),
            (good, now - 301),
            (good, now + 310),
        ):
            with pytest.raises(FailedPrecondition, match="401"):
                sender.send(body, "third", at)


# --- As the settings say ----------------------------------------------------------------------------------------------


def settings_of(folder: Path, **given: str) -> Settings:
    secret = folder / "secret"
    if not secret.exists():
        secret.write_bytes(SECRET)
        secret.chmod(0o600)
    return Settings(data=folder / "data", **given)  # type: ignore[arg-type]


def built(settings: Settings) -> Alerts:
    return alerts_of(settings, MemoryTreasury(), Metrics(list, lambda: None), bytes(32))


@pytest.mark.parametrize(
    ("given", "why", "field"),
    [
        ({"alert_webhook": "https://a.example"}, "set both", "alert_secret_file"),
        ({"alert_secret_file": "secret"}, "set both", "alert_webhook"),
        ({"alert_webhook": "a.example", "alert_secret_file": "secret"}, "whole URL", "alert_webhook"),
        ({"alert_webhook": "http://a.example", "alert_secret_file": "secret"}, "https", "alert_webhook"),
        ({"alert_webhook": "https://a.example", "alert_secret_file": "none"}, "No such file", "alert_secret_file"),
    ],
)
def test_wrong_settings_are_refused_at_the_start(tmp_path: Path, given: dict[str, str], why: str, field: str) -> None:
    """With the setting and what to do."""
    if "alert_secret_file" in given:
        given = {**given, "alert_secret_file": str(tmp_path / given["alert_secret_file"])}
    with pytest.raises(InvalidRequest, match=why) as caught:
        built(settings_of(tmp_path, **given))
    assert [one.field for one in caught.value.fields] == [field]


def test_no_secret_of_the_url_is_shown(tmp_path: Path) -> None:
    """Neither in the log nor where settings are printed."""
    url = "https://user:hidden@a.example:8443/hidden?key=hidden"
    settings = settings_of(tmp_path, alert_webhook=url, alert_secret_file=str(tmp_path / "secret"))
    with capture_logs() as logs:
        built(settings)
    assert logs == [{"event": "alerts_by_webhook", "log_level": "info", "webhook": "https://a.example:8443"}]
    assert "hidden" not in repr(settings)


def test_without_settings_log_and_metric_are_all(tmp_path: Path) -> None:
    """Nothing is imported for a webhook that nobody wants, and each alert is on record once told."""
    program = (
        "import sys; from pathlib import Path; from fingerpost.bootstrap.alerting import alerts_of; "
        "from fingerpost.settings import Settings; "
        f"alerts_of(Settings(data=Path({str(tmp_path)!r})), None, None, bytes(32)); "
        "sys.exit('urllib3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_the_key_that_hides_names(tmp_path: Path) -> None:
    """The decision log's where it has one, which must be whole; else none is made for it."""
    settings = settings_of(tmp_path)
    built(settings)
    assert not (settings.data / KEY_FILE).exists()
    settings.data.mkdir(exist_ok=True)
    (settings.data / KEY_FILE).write_text("")
    with pytest.raises(FailedPrecondition, match="none of ours") as caught:
        built(settings)
    assert caught.value.reason == ErrorReason.INVALID_FIELD


def test_the_metrics_are_those_of_the_table() -> None:
    """Names and labels as the reference says."""
    metrics = Metrics(list, lambda: None)
    metrics.alerted("default", "monthly", 80)
    metrics.alert_sent("failed")
    registry: CollectorRegistry = metrics.registry
    labels = {"catalog": "default", "budget": "monthly", "percent": "80"}
    assert registry.get_sample_value("fingerpost_budget_alerts_total", labels) == 1
    assert registry.get_sample_value("fingerpost_alert_deliveries_total", {"result": "failed"}) == 1
