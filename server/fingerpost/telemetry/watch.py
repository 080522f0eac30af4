"""Watch: the metrics endpoint, the event loop's lag, traces and the decision log, as long as a server runs."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

import structlog

from fingerpost.errors import ErrorReason, FailedPrecondition, InvalidRequest
from fingerpost.rpc.call import Observer
from fingerpost.settings import Settings
from fingerpost.telemetry.decision_log import DecisionLog, Rules, read_key
from fingerpost.telemetry.lag import watch_lag
from fingerpost.telemetry.metrics import Metrics, Read, ReadPid

if TYPE_CHECKING:
    from fingerpost.telemetry.traces import Traces

_log = structlog.get_logger(__name__)


class Watch:
    """Hears of calls and tells whoever asks; nothing listens, sends or runs until `start`."""

    def __init__(self, settings: Settings, read_state: Read, engine_pid: ReadPid) -> None:
        self.metrics = Metrics(read_state, engine_pid)
        self._settings = settings
        self._endpoint: WSGIServer | None = None
        self._lag: asyncio.Task[None] | None = None
        self._traces = _traces(settings.traces_endpoint) if settings.traces_endpoint else None
        self._decisions = _decision_log(settings, self.metrics) if settings.decision_log else None

    @property
    def address(self) -> str:
        """HOST:PORT of the metrics, empty where they are not served."""
        return "" if self._endpoint is None else "{}:{}".format(*self._endpoint.server_address[:2])

    @property
    def observers(self) -> tuple[Observer, ...]:
        wanted: tuple[Observer | None, ...] = (self.metrics, self._traces, self._decisions)
        return tuple(one for one in wanted if one is not None)

    def start(self) -> None:
        """Listen and watch; on the event loop.

        Raises:
            FailedPrecondition: ADDRESS_UNAVAILABLE; or the decision log cannot be written.
        """
        if self._decisions is not None:
            self._decisions.start()
        self._endpoint = self._listen()
        self._lag = asyncio.create_task(watch_lag(self.metrics.lagged))

    async def close(self) -> None:
        """Listen no more, and send what traces are left."""
        if self._lag is not None:
            self._lag.cancel()
        if self._endpoint is not None:
            await asyncio.to_thread(self._endpoint.shutdown)
            self._endpoint.server_close()
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)
        if self._decisions is not None:
            await asyncio.to_thread(self._decisions.close)

    def _listen(self) -> WSGIServer | None:
        listen = self._settings.metrics_listen
        if not listen:
            return None
        host, _, port = listen.rpartition(":")
        try:
            endpoint = self.metrics.listen(host.strip("[]"), int(port))
        except (OSError, ValueError, OverflowError) as error:
            raise FailedPrecondition(
                f"metrics cannot be served on {listen}: the address is taken or not of this machine: "
                "choose another with FINGERPOST_METRICS_LISTEN=HOST:PORT",
                ErrorReason.ADDRESS_UNAVAILABLE,
            ) from error
        _log.info("metrics_served", address=f"http://{host}:{endpoint.server_port}/metrics")
        return endpoint


def _decision_log(settings: Settings, metrics: Metrics) -> DecisionLog:
    texts = settings.decision_log_text_days
    rules = Rules(
        folder=Path(settings.decision_log),
        share=settings.decision_log_share,
        keep_text=texts > 0,
        days=min(settings.decision_log_days, texts or settings.decision_log_days),
        room_bytes=settings.decision_log_bytes,
    )
    return DecisionLog(rules, read_key(settings.data), metrics.logged)


def _traces(endpoint: str) -> "Traces":
    """Imported only when wanted: OpenTelemetry is heavy."""
    try:
        from fingerpost.telemetry.traces import Traces
    except ModuleNotFoundError as error:
        raise InvalidRequest("traces need an extra: install fingerpost[server,traces]") from error
    return Traces(endpoint)
