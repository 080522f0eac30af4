"""Runtime: which revision is active? References swapped whole; a call keeps the snapshot that it began with."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fingerpost.engine_ports import Loaded
from fingerpost.errors import ErrorReason, FailedPrecondition, FieldViolation, InvalidRequest, NotFound
from fingerpost.serve.plan import Plan
from fingerpost.types import Activation, Decider, EncoderId, Exemplar

DEFAULT_CATALOG = "default"

CATALOG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
CATALOG_NAME_RULE = "1 to 64 letters, digits, - and _, beginning with a letter or digit"


def check_catalog_name(name: str) -> None:
    """Refuse a name that cannot be a catalog's; it becomes a file name and a health service.

    Raises:
        InvalidRequest
    """
    if not CATALOG_NAME.match(name):
        description = f"a catalog's name is {CATALOG_NAME_RULE}"
        raise InvalidRequest(description, fields=[FieldViolation("catalog", description)])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An active revision, opened and checked: all that a call needs."""

    activation: Activation
    loaded: Loaded  # what embedding threads know it by
    exemplars: tuple[Exemplar, ...]  # by id
    plan: Plan
    load_time: float  # seconds since the epoch
    others: Mapping[str, "Snapshot"] = field(default_factory=dict)  # revisions of its experiments, by digest

    @property
    def decider(self) -> Decider:
        return self.plan.decider

    @property
    def catalog(self) -> str:
        return self.activation.catalog

    @property
    def encoder(self) -> EncoderId:
        return self.loaded.encoder

    @property
    def precision(self) -> str:
        return self.loaded.precision

    @property
    def revision(self) -> str:
        return self.activation.revision


class Runtime:
    """The snapshots in force, by catalog. Written by the event loop alone."""

    def __init__(self, on_swap: "Callable[[Snapshot], None]" = lambda _: None) -> None:
        """Nothing in force yet; `on_swap` is told each snapshot as it comes into force."""
        self._on_swap = on_swap
        self._snapshots: Mapping[str, Snapshot] = MappingProxyType({})
        self.refused_reloads: dict[str, int] = {}

    @property
    def snapshots(self) -> Mapping[str, Snapshot]:
        return self._snapshots

    def get(self, catalog: str) -> Snapshot:
        """The snapshot that a call begins with.

        Raises:
            NotFound: no such catalog.
            FailedPrecondition: nothing has been published at all.
        """
        snapshot = self._snapshots.get(catalog)
        if snapshot is not None:
            return snapshot
        if not self._snapshots:
            raise FailedPrecondition(
                "nothing is published yet: run `fingerpost reindex`", ErrorReason.NO_ACTIVE_REVISION
            )
        raise NotFound("no such catalog is served: GetServerInfo lists those that are", ErrorReason.CATALOG_NOT_FOUND)

    def swap(self, snapshot: Snapshot) -> None:
        """Put a snapshot in force; calls that began with the old one finish with it."""
        self._snapshots = MappingProxyType({**self._snapshots, snapshot.catalog: snapshot})
        self._on_swap(snapshot)

    def refuse(self, catalog: str) -> None:
        """Count an activation that could not be served; the last good revision stays."""
        self.refused_reloads[catalog] = self.refused_reloads.get(catalog, 0) + 1
