"""RedisVL's semantic router as YAML or JSON: routes with references; its thresholds are distances."""

from collections.abc import Iterator

from fingerpost.build.findings import quoted
from fingerpost.build.imports.codes import IMPORT_FORM, IMPORT_SETTING, IMPORT_THRESHOLD
from fingerpost.build.imports.cursor import Cursor
from fingerpost.build.imports.encoders import REDISVL, note_encoder
from fingerpost.build.imports.imported import Imported, ImportedRoute
from fingerpost.build.imports.metadata import read_metadata

_MAX_DISTANCE = 2.0  # of two unit vectors: 1 - cosine
_MIN_DISTANCE = 1e-12  # more than 0
_SEARCH = "Fingerpost searches and scores in its own way"


def read_redisvl(root: Cursor) -> Imported:
    """The routes of a router that `to_yaml` wrote."""
    if not root.is_mapping():
        return Imported()
    if root.get("routes") is None:
        root.note(IMPORT_FORM, "a router of RedisVL has the key routes, and here is none")
        return Imported()
    root.note_unknown_keys({"name", "vectorizer", "routing_config", "routes"})
    if name := root.get("name"):
        message = f"the router's name {quoted(str(name.string()))} is left out: reindex --catalog gives a name"
        name.note(IMPORT_SETTING, message)
    _note_vectorizer(root)
    _note_routing(root)
    return Imported(tuple(_routes(root)))


def _note_vectorizer(root: Cursor) -> None:
    vectorizer = root.get("vectorizer")
    if vectorizer is None or not vectorizer.is_mapping():
        return
    vectorizer.note_unknown_keys({"type", "model"})
    kind, model = vectorizer.required("type"), vectorizer.get("model")
    if kind:
        note_encoder(kind.string(), model.string() if model else None, REDISVL, kind.place, root.findings)


def _note_routing(root: Cursor) -> None:
    routing = root.get("routing_config")
    if routing is None or not routing.is_mapping():
        return
    for key in routing.keys:
        if found := routing.get(key):
            found.note(IMPORT_SETTING, f"{key} is left out: {_SEARCH}")


def _routes(root: Cursor) -> Iterator[ImportedRoute]:
    listed = root.get("routes")
    for entry in listed.entries() if listed else ():
        if entry.is_mapping() and (route := _route(entry)):
            yield route


def _route(entry: Cursor) -> ImportedRoute | None:
    entry.note_unknown_keys({"name", "references", "metadata", "distance_threshold"})
    name, references = entry.required("name"), entry.required("references")
    label = name.label() if name else None
    texts = [reference.text() for reference in references.entries()] if references else []
    if threshold := entry.get("distance_threshold"):
        _note_distance(threshold)
    settings = read_metadata(entry)
    if label is None:
        return None
    return ImportedRoute(
        label=label,
        place=entry.place,
        texts=tuple(text for text in texts if text is not None),
        model=settings.model,
        min_confidence=settings.min_confidence,
        target_precision=settings.target_precision,
    )


def _note_distance(threshold: Cursor) -> None:
    value = threshold.number(_MIN_DISTANCE, _MAX_DISTANCE)
    if value is not None:
        message = (
            f"distance_threshold {value:g} is a distance, that is a cosine of at least {1 - value:g}, and no "
            "confidence: reindex chooses a threshold instead"
        )
        threshold.note(IMPORT_THRESHOLD, message)
