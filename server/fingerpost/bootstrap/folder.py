"""Folder: where things lie in a data folder."""

from dataclasses import dataclass, field
from pathlib import Path

from fingerpost.backends.file_store import FileActivationStore
from fingerpost.errors import InvalidRequest, NotFound
from fingerpost.serve.runtime import check_catalog_name
from fingerpost.types import Activation

_SHORTEST_PREFIX = 6
"""Characters of a digest that must be given at least: fewer are too easily another revision's."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths of a data folder, and what its catalogs serve."""

    root: Path
    store: str = field(default="", repr=False)  # URL of the ledger's database, with its password; "": SQLite in here
    shared: str = field(default="", repr=False)  # URL or folder of artefacts that machines share; "": none

    @property
    def revisions(self) -> Path:
        return self.root / "revisions"

    @property
    def encoders(self) -> Path:
        return self.root / "encoders"

    @property
    def catalogs(self) -> Path:
        return self.root / "catalogs"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def elsewhere(self) -> Path:
        """A file that says that the ledger is in a database that machines share."""
        return self.root / "ledger.elsewhere"

    @property
    def overrides(self) -> Path:
        """What is set by hand, as the ledger says it."""
        return self.root / "overrides.json"

    @property
    def decision_key(self) -> Path:
        """The secret that ids of decisions are signed with."""
        return self.root / "decisions.key"

    @property
    def outbox(self) -> Path:
        """Reports that wait for the ledger."""
        return self.root / "outbox"

    @property
    def vectors(self) -> Path:
        return self.root / "vectors.sqlite"

    def active(self, catalog: str) -> Activation:
        """What the catalog serves.

        Raises:
            InvalidRequest: that is no name of a catalog.
            NotFound: it has no active revision.
            DataLoss: the pointer cannot be read.
        """
        check_catalog_name(catalog)
        activation = FileActivationStore(self.catalogs).read(catalog)
        if activation is None:
            raise NotFound(f"catalog {catalog} has no active revision in {self.root}: reindex first")
        return activation

    def named(self, name: str) -> str:
        """Digest of the stored revision that begins so.

        Raises:
            InvalidRequest: too little of a digest, or several revisions begin so.
            NotFound: none does.
        """
        if len(name) < _SHORTEST_PREFIX:
            raise InvalidRequest(f"give at least {_SHORTEST_PREFIX} characters of a revision's digest, not {name!r}")
        folder = self.revisions
        found = [path.name for path in folder.iterdir() if path.name.startswith(name)] if folder.is_dir() else []
        if len(found) > 1:
            raise InvalidRequest(f"{len(found)} revisions begin with {name}: give more characters")
        if not found:
            raise NotFound(f"no revision in {self.root} begins with {name}")
        return found[0]
