"""News: a connection that PostgreSQL tells when a pointer has moved or something was set by hand, by whomever."""

import os
import select
import threading

import psycopg
import structlog

from fingerpost.backends.ledger.address import parse

_log = structlog.get_logger(__name__)

_CHANNELS = ("fingerpost_pointers", "fingerpost_overrides")  # see migrations/announcing.py
_PAUSE_SECONDS = 1.0
"""Between a connection that broke and the next one."""


class PostgresNews:
    """See `ports.PointerNews`; one thread waits, another one may close."""

    def __init__(self, url: str) -> None:
        """Connects when somebody waits, and again whenever it must.

        Raises:
            InvalidRequest: that is no URL of a PostgreSQL database.
        """
        self._address = parse(url)
        self._connection: psycopg.Connection | None = None
        self._closed = threading.Event()
        self._waiting = threading.Lock()
        self._woken, self._wake = os.pipe()

    def wait(self, timeout_seconds: float) -> None:
        with self._waiting:
            if not self._closed.is_set():
                self._wait(timeout_seconds)

    def close(self) -> None:
        """End every wait and let go of the connection; one that is just being made is waited for."""
        self._closed.set()
        os.close(self._wake)
        with self._waiting:
            os.close(self._woken)
            self._drop()

    def _wait(self, timeout_seconds: float) -> None:
        try:
            if self._connection is None:
                # What happened before is not told, so this is no time to wait.
                self._connection = self._listening()
                return
            self._sleep(timeout_seconds, self._connection.fileno())
            self._connection.pgconn.consume_input()
            while self._connection.pgconn.notifies():
                pass
        except psycopg.Error as error:
            _log.warning("notifications_lost", error=type(error).__name__, effect="changes are only polled meanwhile")
            self._drop()
            self._sleep(min(timeout_seconds, _PAUSE_SECONDS))

    def _listening(self) -> psycopg.Connection:
        connection = psycopg.connect(self._address.conninfo(), autocommit=True)
        try:
            for channel in _CHANNELS:
                connection.execute(f"LISTEN {channel}")
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def _sleep(self, seconds: float, *files: int) -> None:
        """Until the time is over, a file can be read, or `close`."""
        poller = select.poll()  # which knows no highest number, unlike `select`: servers have many files open
        for file in (self._woken, *files):
            poller.register(file, select.POLLIN)
        poller.poll(1_000 * seconds)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
