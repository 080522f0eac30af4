"""Accounting: what stands between decisions and models, wired: guards, purses, reports, and what runs beside them."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import structlog

from fingerpost.backends.outbox import FileOutbox
from fingerpost.backends.overrides_file import OverridesFile
from fingerpost.bootstrap.alerting import alerts_of
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.keeping import Keeping, KeptReports, KeptTreasury
from fingerpost.errors import FingerpostError
from fingerpost.key_file import key_in, replace_key
from fingerpost.serve.alerts import Alerts, Counts
from fingerpost.serve.aside import Aside
from fingerpost.serve.background import follow_by_hand, forget_reports, opened, share_key, when
from fingerpost.serve.decision_id import DecisionIds
from fingerpost.serve.guards import Guards
from fingerpost.serve.lab import Breach
from fingerpost.serve.live import Live
from fingerpost.serve.reports import OnRecorded, Recorder
from fingerpost.serve.runtime import Runtime
from fingerpost.serve.spending import Spending
from fingerpost.settings import Settings

_log = structlog.get_logger(__name__)

_DAY_SECONDS = 86_400


@dataclass(slots=True)
class Accounting:
    """Parts of one server."""

    guards: Guards
    ids: DecisionIds
    recorder: Recorder
    live: Live
    background: tuple[Callable[[], Awaitable[None]], ...]  # each runs for ever, or until it is done
    keeping: Keeping
    alerts: Alerts

    def start(self) -> None:
        """On the event loop."""
        self.live.start()

    async def close(self) -> None:
        """Write what is in line, give back what is unspent, and close the ledger."""
        await self.recorder.close()
        await self.guards.spending.close()
        self.keeping.close()


def accounting_of(
    settings: Settings, data: DataFolder, runtime: Runtime, counts: Counts, on_recorded: OnRecorded
) -> Accounting:
    """Wire the parts; nothing is opened or started yet.

    Args:
        settings: All of them.
        data: The server's folder.
        runtime: What is served.
        counts: The metrics.
        on_recorded: Told of each report that was kept.

    Raises:
        InvalidRequest: settings of alerts are wrong.
        FailedPrecondition: likewise.
    """
    keeping = Keeping(data)
    treasury, reports = KeptTreasury(keeping), KeptReports(keeping)
    ids = _ids(data)
    stopping = _Stopping(data)
    guards = Guards(Spending(treasury), stopping.stop)
    alerts = alerts_of(settings, treasury, counts, ids.key)
    outbox = FileOutbox(data.outbox) if data.store else None
    recorder = Recorder(runtime, guards, ids, reports, outbox, settings.report_window_s, stopping.stop, on_recorded)

    def has_budgets() -> bool:
        return any(snapshot.decider.policy.budgets for snapshot in runtime.snapshots.values())

    def background() -> Iterator[Callable[[], Awaitable[None]]]:
        yield lambda: when(has_budgets, lambda: opened(keeping.open))
        yield guards.spending.run
        yield lambda: follow_by_hand(OverridesFile(data.overrides), guards, settings.reload_poll_ms / 1000)
        yield lambda: when(has_budgets, alerts.run)
        yield lambda: when(lambda: recorder.recorded > 0, lambda: forget_reports(reports, _kept_seconds(settings)))
        if outbox is not None:
            yield recorder.run
            yield lambda: share_key(
                ids, lambda: keeping.secret("decisions", ids.key), lambda key: replace_key(data.decision_key, key)
            )

    return Accounting(guards, ids, recorder, Live(runtime, guards), tuple(background()), keeping, alerts)


def _kept_seconds(settings: Settings) -> int:
    """How long reports are kept: longer than others may come of their decisions, or those would be settled again."""
    return max(settings.report_days * _DAY_SECONDS, settings.report_window_s + _DAY_SECONDS)


def _ids(data: DataFolder) -> DecisionIds:
    try:
        return DecisionIds(key_in(data.decision_key))
    except (OSError, ValueError) as error:
        _log.warning(
            "decision_key_missing",
            error=type(error).__name__,
            effect="after a restart nobody can report on earlier decisions: let the server's user write in its folder",
        )
        return DecisionIds()


class _Stopping:
    """Has what a guardrail stopped written down, so that every server stops it and people see why."""

    def __init__(self, data: DataFolder) -> None:
        self._data = data
        self._aside = Aside("guardrail")
        self._tasks: set[object] = set()

    def stop(self, catalog: str, breach: Breach) -> None:
        _log.warning("arm_stopped", catalog=catalog, experiment=breach.experiment, arm=breach.arm, why=breach.why)
        task = asyncio.create_task(self._written(catalog, breach))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _written(self, catalog: str, breach: Breach) -> None:
        from fingerpost.bootstrap.controls import FolderControls

        whole = "\0".join((catalog, breach.experiment, breach.arm, str(int(time.time()))))
        key = hashlib.sha256(whole.encode()).hexdigest()
        controls = FolderControls(self._data)
        try:
            await self._aside.run(lambda: controls.stop_arm(catalog, breach.experiment, breach.arm, breach.why, key))
        except (FingerpostError, TimeoutError) as error:
            _log.error("arm_stop_not_written", error=str(error), effect="the arm is stopped on this server alone")
