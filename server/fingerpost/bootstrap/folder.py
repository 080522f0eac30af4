"""Folder: where things lie in a data folder."""

from dataclasses import dataclass
from pathlib import Path

from fingerpost.backends.file_store import FileActivationStore
from fingerpost.errors import NotFound
from fingerpost.serve.runtime import check_catalog_name
from fingerpost.types import Activation


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths of a data folder, and what its catalogs serve."""

    root: Path

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
