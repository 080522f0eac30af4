"""Denials: who asked on the admin listener for what they may not do stands in the audit too."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from fingerpost.errors import FingerpostError
from fingerpost.guard.attempts import Attempts
from fingerpost.types import Author, Principal

_log = structlog.get_logger(__name__)

_SECONDS_EACH = 60.0  # of one principal and method: a loop that asks for ever must not fill the audit


class Denials:
    """Writes them down, off the event loop."""

    def __init__(self, deny: Callable[[Author, str], None]) -> None:
        """Nothing runs until the first.

        Args:
            deny: See `ports.CatalogDesk`.
        """
        self._deny = deny
        self._recent = Attempts(1, _SECONDS_EACH)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="denials")

    def note(self, method: str, principal: Principal) -> None:
        """On the event loop."""
        if not self._recent.take(f"{principal.name} {method}", time.monotonic()):
            self._thread.submit(self._write, Author(principal.name, uuid.uuid4().hex), method)

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()

    def _write(self, by: Author, method: str) -> None:
        try:
            self._deny(by, method)
        except (FingerpostError, OSError) as error:  # they were refused all the same
            _log.error("denial_not_written", principal=by.actor, method=method, error=str(error))
