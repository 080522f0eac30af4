"""Desks: catalogs are looked after on a data folder here, or through a server; the commands see no difference."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fingerpost.client import catalog_types as seen


class Desk(Protocol):
    """See `client.catalogs.CatalogClient`, which is one."""

    def catalogs(self) -> "list[seen.CatalogPointer]": ...
    def routes(self, catalog: str = "", revision: str = "") -> "list[seen.RouteEntry]": ...
    def models(self, catalog: str = "", revision: str = "") -> "list[seen.ModelEntry]": ...
    def revisions(self) -> "list[seen.StoredRevision]": ...
    def compare(self, before: str, after: str, catalog: str = "") -> "list[seen.Change]": ...
    def proposals(self, catalog: str = "") -> "list[seen.Proposal]": ...
    def propose(self, revision: str, catalog: str = "", comment: str = "") -> "seen.Proposal": ...
    def approve(self, revision: str, catalog: str = "", comment: str = "") -> "seen.Proposal": ...
    def reject(self, revision: str, catalog: str = "", comment: str = "") -> "seen.Proposal": ...
    def activate(self, revision: str, catalog: str = "", expected_generation: int | None = None) -> "seen.Moved": ...
    def roll_back(self, catalog: str = "", revision: str = "") -> "seen.Moved": ...
    def audit(self, catalog: str = "", last: int | None = None) -> "list[seen.AuditEntry]": ...
    def verify(self, known_hash: str = "") -> "seen.AuditHead": ...
    def collect(self, keep_last: int, *, dry_run: bool = False) -> "seen.Collected": ...


@dataclass(frozen=True, slots=True)
class Way:
    """How the options say that the catalogs are reached: through `target`, or here."""

    data: Path
    store: str
    shared: str
    target: str | None
    ca: Path | None
    certificate: Path | None
    key: Path | None
    token: str


@contextmanager
def open_desk(way: Way) -> Iterator[Desk]:
    """The desk that the options mean.

    Raises:
        InvalidRequest: they do not fit together.
    """
    if way.target:
        from fingerpost.cli.connecting import credentials_of
        from fingerpost.client.catalogs import CatalogClient

        credentials = credentials_of(way.ca, way.certificate, way.key)
        with CatalogClient(way.target, credentials=credentials, token=way.token or None) as client:
            yield client
        return
    from fingerpost.bootstrap.desk import FolderDesk
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.cli.local_desk import LocalDesk

    yield LocalDesk(FolderDesk(DataFolder(way.data, way.store, way.shared)))
