"""What every importer gives: texts by label, each with its place, and what the file says about the label."""

from dataclasses import dataclass

from fingerpost.build.findings import Place
from fingerpost.types import Text


@dataclass(frozen=True, slots=True)
class ImportedRoute:
    """A label that becomes a route; several with one label become one route, and what the first says counts."""

    label: str
    place: Place
    texts: tuple[Text, ...] = ()
    description: str = ""
    model: str | None = None  # None: the route's name
    min_confidence: float | None = None  # [0, 1]
    target_precision: float | None = None  # (0, 1)


@dataclass(frozen=True, slots=True)
class Imported:
    """A file as routes, and the texts that it holds for no route."""

    routes: tuple[ImportedRoute, ...] = ()
    out_of_scope: tuple[Text, ...] = ()

    @property
    def texts_count(self) -> int:
        """Texts of routes; without any there is nothing to route by."""
        return sum(len(route.texts) for route in self.routes)
