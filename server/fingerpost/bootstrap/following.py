"""Following: what a server asks of a ledger that several machines share, and where it keeps what it was told."""

import json
import threading
import time

import structlog

from fingerpost.backends.file_store import FileActivationStore
from fingerpost.backends.ledger.database import Database
from fingerpost.backends.ledger.ledger import SqlLedger
from fingerpost.backends.ledger.opening import open_database, open_news
from fingerpost.backends.overrides_file import OverridesFile
from fingerpost.backends.shared.artefacts import DIGEST
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.durable import put_unlocked, storing
from fingerpost.errors import DataLoss
from fingerpost.release.audit import sealed
from fingerpost.serve.runtime import CATALOG_NAME
from fingerpost.types import Activation

_log = structlog.get_logger(__name__)


class LedgerSource:
    """See `ports.PointerSource`; safe to use from several threads."""

    def __init__(self, data: DataFolder) -> None:
        """Nothing is reached until it is asked.

        Raises:
            InvalidRequest: the store is no URL of a PostgreSQL database.
            FailedPrecondition: STORE_INCOMPATIBLE, the packages for PostgreSQL are missing.
        """
        self._data = data
        self._files = FileActivationStore(data.catalogs)
        self._stamp = data.catalogs / ".ledger.json"  # hidden: it is no catalog's
        self._database: Database | None = None
        self._opening, self._waiting = threading.Lock(), threading.Lock()
        self._news = open_news(data.store)
        self._odd: set[Activation] = set()  # told once each

    def look(self) -> None:
        began = time.time()
        with self._opening:
            if self._database is None:
                self._database = open_database(self._data.ledger, self._data.store)
        ledger = SqlLedger(self._database, lambda: time.time_ns() // 1000, sealed)
        told = ledger.pointers()
        OverridesFile(self._data.overrides).follow(ledger.overrides)
        for activation in told:
            if CATALOG_NAME.match(activation.catalog) and DIGEST.match(activation.revision):
                self._follow(activation)
            else:
                self._tell_once(activation, "pointer_unusable")
        with storing("the pointers"):
            self._data.catalogs.mkdir(parents=True, exist_ok=True)
            if not self._data.elsewhere.exists():
                self._data.elsewhere.touch()  # else a command without --store would begin a ledger of its own here
            put_unlocked(self._stamp, json.dumps({"time": began}).encode() + b"\n")

    def seen_seconds_ago(self) -> float | None:
        try:
            # Either way: a clock that was set back must not make what is old look new.
            return abs(time.time() - float(json.loads(self._stamp.read_bytes())["time"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def wait(self, timeout_seconds: float) -> None:
        if self._waiting.acquire(timeout=timeout_seconds):  # one that was given up may still be on its way back
            try:
                self._news.wait(timeout_seconds)
            finally:
                self._waiting.release()

    def close(self) -> None:
        self._news.close()
        if self._database is not None:
            self._database.close()

    def _follow(self, activation: Activation) -> None:
        self._files.follow(activation)
        try:
            kept = self._files.read(activation.catalog)
        except DataLoss:
            return
        if kept is not None and kept.generation >= activation.generation and kept != activation:
            self._tell_once(activation, "ledger_behind")

    def _tell_once(self, activation: Activation, event: str) -> None:
        if activation not in self._odd:
            self._odd.add(activation)
            _log.error(
                event, catalog=activation.catalog, revision=activation.revision, generation=activation.generation
            )
