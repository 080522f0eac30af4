"""A fault to measure under: two revisions of a catalog take turns while calls go on."""

import itertools

from benchmarks.catalogs import CATALOG, Catalog
from benchmarks.load.every import Every
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import open_pointers


def two_revisions(catalog: Catalog) -> tuple[str, str]:
    """Digests of the active revision and of one with one more utterance; the second is active afterwards."""
    first = catalog.revision
    catalog.add_utterance("one more utterance")
    catalog.reindex()
    return first, catalog.revision


class Activating(Every):
    """Activates one revision after the other."""

    def __init__(self, catalog: Catalog, revisions: tuple[str, str], interval_seconds: float) -> None:
        super().__init__(interval_seconds, self._activate)
        self._data = catalog.data
        self._revisions = itertools.cycle(revisions)
        self.count = 0

    def _activate(self) -> None:
        with open_pointers(DataFolder(self._data)) as pointers:
            pointers.activate(CATALOG, next(self._revisions))
        self.count += 1
