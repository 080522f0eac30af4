"""A fault to measure under: two revisions of a catalog take turns while calls go on."""

import itertools
import threading
from types import TracebackType
from typing import Self

from benchmarks.catalogs import CATALOG, Catalog
from fingerpost.backends.file_store import FileActivationStore


def two_revisions(catalog: Catalog) -> tuple[str, str]:
    """Digests of the active revision and of one with one more utterance; the second is active afterwards."""
    first = catalog.revision
    catalog.add_utterance("one more utterance")
    catalog.reindex()
    return first, catalog.revision


class Activating:
    """A context manager; meanwhile a thread activates one revision after the other."""

    def __init__(self, catalog: Catalog, revisions: tuple[str, str], interval_seconds: float) -> None:
        self._store = FileActivationStore(catalog.data / "catalogs")
        self._revisions = itertools.cycle(revisions)
        self._interval = interval_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._activate, daemon=True)
        self.count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _activate(self) -> None:
        while not self._over.wait(self._interval):
            self._store.activate(CATALOG, next(self._revisions))
            self.count += 1
