"""Alerting: what tells of budgets' alerts, and whom, as the settings say."""

import time
from pathlib import Path

import structlog

from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.money_ports import Treasury
from fingerpost.serve.alerts import Alerts, Counts, Sender
from fingerpost.settings import Settings
from fingerpost.telemetry.decision_log import KEY_FILE, read_key

_log = structlog.get_logger(__name__)


def alerts_of(settings: Settings, treasury: Treasury, counts: Counts, key: bytes) -> Alerts:
    """What tells of alerts as long as it runs; nothing is asked or sent yet.

    Args:
        settings: All of them.
        treasury: Of the ledger; it is asked from threads until its last answer, so close it after the alerts.
        counts: The metrics.
        key: A secret that hides names in logs where there is no decision log.

    Raises:
        InvalidRequest: the webhook's URL or the file of its secret is wrong, or only one of them is set.
        FailedPrecondition: the key of the decision log cannot be read.
    """
    return Alerts(treasury, _key(settings.data, key), counts, _sender(settings))


def _key(data: Path, otherwise: bytes) -> bytes:
    """The decision log's where there is one, so that both call a tenant the same."""
    return read_key(data) if (data / KEY_FILE).exists() else otherwise


def _sender(settings: Settings) -> Sender | None:
    url, secret_file = settings.alert_webhook, settings.alert_secret_file
    if not url and not secret_file:
        return None
    if not url or not secret_file:
        missing = "alert_secret_file" if url else "alert_webhook"
        why = "FINGERPOST_ALERT_WEBHOOK and FINGERPOST_ALERT_SECRET_FILE belong together: set both"
        raise InvalidRequest(why, fields=[FieldViolation(missing, why)])
    from fingerpost.access.signing import SecretsOnFile  # these two only where somebody wants them
    from fingerpost.backends.webhook import Webhook, target_of

    target = target_of(url)
    webhook = Webhook(target, SecretsOnFile(Path(secret_file), time.monotonic))
    _log.info("alerts_by_webhook", webhook=target.name)
    return webhook
