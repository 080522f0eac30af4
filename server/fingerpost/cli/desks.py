"""Desks: things are looked after on a data folder here, or through a server; the commands see no difference."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fingerpost.client import catalog_types as seen, control_types as running


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


class Controls(Protocol):
    """See `client.controls.ControlClient`, which is one."""

    def budgets(self, catalog: str = "") -> "list[running.Budget]": ...
    def set_budget(
        self, name: str, limit_usd_micros: int, holder: str = "", catalog: str = ""
    ) -> "seen.AuditEntry": ...
    def reset_budget(self, name: str, holder: str = "", catalog: str = "") -> "seen.AuditEntry": ...
    def clear_budget(self, name: str, holder: str = "", catalog: str = "") -> "running.Cleared": ...
    def breakers(self, catalog: str = "") -> "list[running.Breaker]": ...
    def set_breaker(
        self, model: str, *, open: bool, seconds: int | None = None, catalog: str = ""
    ) -> "seen.AuditEntry": ...
    def reset_breaker(self, model: str, catalog: str = "") -> "seen.AuditEntry": ...
    def experiments(self, catalog: str = "") -> "list[running.RunningExperiment]": ...
    def set_experiment(
        self, name: str, *, running: bool | None = None, weights: Mapping[str, float] | None = None, catalog: str = ""
    ) -> "seen.AuditEntry": ...
    def reset_experiment(self, name: str, catalog: str = "") -> "seen.AuditEntry": ...
    def report(self, name: str, catalog: str = "") -> "running.ExperimentReport": ...


@dataclass(frozen=True, slots=True)
class Way:
    """How the options say that things are reached: through `target`, or here."""

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


@contextmanager
def open_controls(way: Way) -> Iterator[Controls]:
    """The controls of budgets and experiments that the options mean.

    Raises:
        InvalidRequest: they do not fit together.
    """
    if way.target:
        from fingerpost.cli.connecting import credentials_of
        from fingerpost.client.controls import ControlClient

        credentials = credentials_of(way.ca, way.certificate, way.key)
        with ControlClient(way.target, credentials=credentials, token=way.token or None) as client:
            yield client
        return
    from fingerpost.bootstrap.controls import FolderControls
    from fingerpost.bootstrap.folder import DataFolder
    from fingerpost.cli.local_controls import LocalControls

    yield LocalControls(FolderControls(DataFolder(way.data, way.store, way.shared)))


@contextmanager
def open_breakers(way: Way) -> Iterator[Controls]:
    """The controls of a server, since breakers are in its memory: by default that of the data folder, if it runs.

    Raises:
        InvalidRequest: the options do not fit together.
    """
    door = way.data / "admin.sock"
    with open_controls(way if way.target or not door.exists() else replace(way, target=f"unix:{door}")) as controls:
        yield controls
