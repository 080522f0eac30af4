"""Alerts: which budgets have reached a share of their limit, and was everybody told? Asked now and then, for ever."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from fingerpost.errors import FailedPrecondition, FingerpostError
from fingerpost.money_ports import Treasury
from fingerpost.serve.alert_body import body_of, rfc_3339, usd
from fingerpost.serve.aside import Aside
from fingerpost.serve.record import keyed
from fingerpost.types import Alert

_log = structlog.get_logger(__name__)

PERCENTS = (50, 80, 100)

_ASK_SECONDS = 10.0
_SENDS = 8
"""As many alerts are on their way at a time: one that hangs leaves the way free for others."""

_OURS_SECONDS = 120.0
"""For so long an alert that is to be delivered is this process's alone: many times what sending takes."""

_SEND_WITHIN_SECONDS = 60.0
"""So long after it was given out sending may begin; clocks of two machines may differ by what is left, without what
sending takes."""

_BURST_SECONDS = 0.1
_ORPHAN_SECONDS = 60.0
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 5.0, 900.0
_LONGEST_ASKED_SECONDS = 3_600.0
_TRY_SECONDS = 86_400.0
_MOST_DOUBLINGS = 20


class Sender(Protocol):
    """Sends an alert to whoever wants it; blocks, from any thread, and comes back within seconds."""

    def send(self, body: bytes, id: str, now_s: float) -> None:
        """Return when it has arrived.

        Raises:
            Unavailable: it may later, perhaps after `retry_after_ms`.
            FailedPrecondition: it never will.
        """


class Counts(Protocol):
    """Counts what alerts do; from any thread."""

    def alerted(self, catalog: str, budget: str, percent: int) -> None:
        """Count that a budget reached a share of its limit."""

    def alert_sent(self, result: str) -> None:
        """Count an attempt to deliver it: delivered, failed or given_up."""


@dataclass(frozen=True, slots=True)
class World:
    """What is not always the same."""

    clock: Callable[[], float] = time.time  # seconds since the epoch
    chance: Callable[[], float] = random.random  # [0, 1)


class Alerts:
    """Tells of each alert once: in the log, in a metric, and to the sender. On the event loop, which it never blocks.

    Of several processes one notices an alert and one at a time delivers it. A process that ends after an alert has
    arrived and before that is on record leaves it to be sent again, under the same id, by which receivers know it.
    """

    def __init__(
        self,
        treasury: Treasury,
        key: bytes,
        counts: Counts,
        sender: Sender | None = None,
        *,
        interval_seconds: float = 2.0,
        world: World | None = None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            treasury: Keeps what was told and delivered.
            key: Of `serve.record.keyed`: logs name no tenant.
            counts: What is counted.
            sender: None: log and metric are all.
            interval_seconds: Between looks.
            world: Clock and chance.
        """
        self._treasury = treasury
        self._key = key
        self._counts = counts
        self._sender = sender
        self._interval_seconds = interval_seconds
        self._world = world or World()
        self._looks, self._sends = Aside("alerts"), Aside("alert-webhook", _SENDS)
        self.under_way: set[asyncio.Task[None]] = set()  # what is being sent
        self._owed: dict[str, Callable[[], None]] = {}  # by alert: what is yet to be put on record
        self._trouble: str | None = None
        self._more = False  # there was more to send than could be sent at once

    async def run(self) -> None:
        """Look for ever. When cancelled it waits for nothing: what is being sent arrives and is put on record still."""
        try:
            while True:
                await self.look()
                await self._pause()
        finally:
            for task in self.under_way:
                task.cancel()

    async def look(self) -> None:
        """Look once, tell what is new, and begin to deliver what is due; a failure is noted, once until it is over."""
        free, began = _SENDS - len(self.under_way), self._world.clock()
        try:
            # Only as many as can be sent at once are taken: of the others another process may take care.
            due = await self._looks.run(partial(self._look, free), _ASK_SECONDS)
        except Exception as error:  # noqa: BLE001  whatever it is, the next look tries again
            self._note_failure(error)
            return
        if self._trouble is not None:
            self._trouble = None
            _log.info("alerts_looked_for")
        self._more = 0 < free == len(due)
        for alert in due:
            task = asyncio.create_task(self._sends.run(partial(self.deliver, alert, began + _SEND_WITHIN_SECONDS)))
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)

    async def _pause(self) -> None:
        """Until the next look; where more is due than could be sent at once, as soon as that is on its way."""
        if not self._more:
            await asyncio.sleep(self._interval_seconds)
            return
        await asyncio.sleep(min(_BURST_SECONDS, self._interval_seconds))
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=self._interval_seconds)

    def _note_failure(self, error: Exception) -> None:
        trouble = str(error.reason) if isinstance(error, FingerpostError) else type(error).__name__
        if trouble != self._trouble:
            self._trouble = trouble
            words = "the ledger does not answer" if isinstance(error, TimeoutError) else _why(error)
            _log.error("alerts_not_looked_for", reason=trouble, error=words)

    # --- In threads, which finish what they began even when nobody waits for them any more ---------------------------

    def _look(self, most: int) -> Sequence[Alert]:
        """What is to be sent now."""
        for alert in self._treasury.notice(PERCENTS, self._now_us()):
            self._tell(alert)
        for id, put_on_record in list(self._owed.items()):
            put_on_record()
            self._owed.pop(id, None)
        if self._sender is None:
            self._adopt()
            return ()
        now_us = self._now_us()
        due = self._treasury.due_alerts(now_us, most, now_us + _us(_OURS_SECONDS)) if most > 0 else ()
        return [alert for alert in due if alert.id not in self._owed]

    def _tell(self, alert: Alert) -> None:
        _log.warning("budget_alert", **self._words(alert))
        self._counts.alerted(alert.key.catalog, alert.key.budget, alert.percent)
        if self._sender is None:
            self._record(alert.id, partial(self._treasury.alert_delivered, alert.id, self._now_us()))

    def _adopt(self) -> None:
        """Tell what a process noticed that ended before it told anybody; whoever notices an alert tells it at once."""
        now_us = self._now_us()
        before_us = now_us - _us(_ORPHAN_SECONDS)
        for alert in self._treasury.due_alerts(before_us, _SENDS, now_us + _us(_OURS_SECONDS)):
            if alert.id not in self._owed:
                self._tell(alert)

    def deliver(self, alert: Alert, until: float) -> None:
        """Send it, unless that would begin after `until`, and put on record what became of it; blocks."""
        now = self._world.clock()
        if self._sender is None or now > until:  # this process stood still, and it may be another one's by now
            return
        try:
            self._sender.send(body_of(alert), alert.id, now)
        except FailedPrecondition as error:
            self._give_up(alert, error)
        except Exception as error:  # noqa: BLE001  whatever it is, the alert must not be lost for it
            if self._world.clock() - alert.time_us / 1e6 > _TRY_SECONDS:
                self._give_up(alert, error)
            else:
                self._put_off(alert, error)
        else:
            self._counts.alert_sent("delivered")
            self._record(alert.id, partial(self._treasury.alert_delivered, alert.id, self._now_us()))
            _log.info("budget_alert_delivered", **self._words(alert))

    def _give_up(self, alert: Alert, error: Exception) -> None:
        self._counts.alert_sent("given_up")
        self._record(alert.id, partial(self._treasury.alert_given_up, alert.id, self._now_us()))
        _log.error("budget_alert_given_up", error=_why(error), **self._words(alert))

    def _put_off(self, alert: Alert, error: Exception) -> None:
        asked_ms = error.retry_after_ms if isinstance(error, FingerpostError) else None
        seconds = wait_seconds(alert.attempts, self._world.chance(), asked_ms)
        self._counts.alert_sent("failed")
        _log.warning(
            "budget_alert_not_delivered", error=_why(error), again_in_seconds=round(seconds), **self._words(alert)
        )
        try:
            self._treasury.alert_put_off(alert.id, self._now_us() + _us(seconds))
        except Exception as failed:  # noqa: BLE001  it is given out again by itself when it is nobody's any more
            _log.warning("budget_alert_not_on_record", id=alert.id, error=_why(failed))

    def _record(self, id: str, put_on_record: Callable[[], None]) -> None:
        """Put on record that nothing is left to do, now or, where that fails, before more is asked of the treasury."""
        self._owed[id] = put_on_record
        try:
            put_on_record()
        except Exception as error:  # noqa: BLE001  the next look tries again, and tells of it when it fails too
            _log.warning("budget_alert_not_on_record", id=id, error=_why(error))
        else:
            self._owed.pop(id, None)

    def _words(self, alert: Alert) -> dict[str, object]:
        key = alert.key
        return {
            "id": alert.id,
            "catalog": key.catalog,
            "budget": key.budget,
            "holder_hash": keyed(key.holder, self._key) if key.holder else None,
            "percent": alert.percent,
            "used_usd": usd(alert.used_usd_micros),
            "limit_usd": usd(alert.limit_usd_micros),
            "hard": alert.hard,
            "window_start": rfc_3339(key.start_s * 1_000_000),
            "attempts": alert.attempts,
        }

    def _now_us(self) -> int:
        return _us(self._world.clock())


def wait_seconds(attempts: int, chance: float, asked_ms: int | None = None) -> float:
    """How long to wait after a failure: 5 to 10 s, twice as long each time, and from 7.5 to 15 min at last.

    Half of it is chance, so that what failed together does not come again together. Longer, up to an hour, where the
    receiver asked for it.

    Args:
        attempts: So many have failed, at least 1.
        chance: [0, 1).
        asked_ms: What the receiver asked for.
    """
    ceiling = min(2 * _FIRST_WAIT_SECONDS * 2.0 ** min(max(0, attempts - 1), _MOST_DOUBLINGS), _LONGEST_WAIT_SECONDS)
    asked = min((asked_ms or 0) / 1000, _LONGEST_ASKED_SECONDS)
    return max(ceiling / 2 * (1 + chance), asked)


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _why(error: Exception) -> str:
    """Only what is ours to say may stand in a log: other messages may quote a URL or a secret."""
    return error.message if isinstance(error, FingerpostError) else type(error).__name__
