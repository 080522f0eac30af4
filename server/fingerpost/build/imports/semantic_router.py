"""semantic-router's router files, 0.x and 1.x; also LiteLLM's `router.json`, which is a 0.x file.

A file without `router_type` is 0.x. Nothing that a file names is imported, evaluated or connected to: what has no
equal here is reported at its line.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import quoted
from fingerpost.build.imports.codes import (
    IMPORT_CODE,
    IMPORT_MIXED,
    IMPORT_NOT_TEXT,
    IMPORT_PART,
    IMPORT_SETTING,
    IMPORT_THRESHOLD,
    IMPORT_TWICE,
    IMPORT_VERSION,
)
from fingerpost.build.imports.cursor import Cursor
from fingerpost.build.imports.encoders import SEMANTIC_ROUTER, note_encoder
from fingerpost.build.imports.imported import Imported, ImportedRoute
from fingerpost.build.imports.metadata import named, read_metadata
from fingerpost.types import Text

_KEYS_0 = {"encoder_type", "encoder_name", "routes"}
_ROUTE_KEYS = {"name", "utterances", "description", "metadata"}
_CODE = {
    "function_schemas": "function schemas are not called",
    "function_schema": "function schemas are not called",
    "llm": "code that a file names is never imported",
}
_ROUTE_KEYS_0 = {*_ROUTE_KEYS, *_CODE, "score_threshold"}

_LOCAL_INDEXES = {"local", "hybrid_local"}
_MAX_SCORE = 1e9  # a threshold is reported, not used: any finite number will do


def read_semantic_router(root: Cursor) -> Imported:
    """The routes of a 0.x or 1.x file."""
    version = _version(root)
    if version == 0:
        return Imported(tuple(_zero(root)))
    return Imported(tuple(_router(root))) if version == 1 else Imported()


def read_litellm(root: Cursor) -> Imported:
    """The routes of LiteLLM's auto-router file: a 0.x file in which a route's name is its model."""
    version = _version(root)
    if version == 1:
        root.note(IMPORT_VERSION, "LiteLLM reads 0.x files and this is one of 1.x: use --format semantic-router")
    if version != 0:
        return Imported()
    return Imported(tuple(replace(route, model=route.label) for route in _zero(root, with_model=False)))


def _version(root: Cursor) -> int | None:
    if isinstance(root.value, list):
        message = "a bare list of routes is of the first versions: put it under routes: and add encoder_type:"
        root.note(IMPORT_VERSION, message)
        return None
    if not root.is_mapping():
        return None
    has_old, has_new = not {"encoder_type", "encoder_name"}.isdisjoint(root.keys), "router_type" in root.keys
    if has_old and has_new:
        root.note(IMPORT_MIXED, "router_type is of 1.x, encoder_type and encoder_name are of 0.x: remove one of both")
        return None
    if not has_old and not has_new:
        root.note(IMPORT_VERSION, "there is neither router_type, as in 1.x, nor encoder_type, as in 0.x")
        return None
    return 1 if has_new else 0


def _note_left_out(holder: Cursor, kind: Kind, reasons: Mapping[str, str]) -> None:
    for key, why in reasons.items():
        if found := holder.get(key):
            found.note(kind, f"{key} is left out: {why}")


# --- 0.x ----------------------------------------------------------------------------------------------------------


def _zero(root: Cursor, *, with_model: bool = True) -> Iterator[ImportedRoute]:
    root.note_unknown_keys(_KEYS_0)
    if encoder := root.required("encoder_type"):
        name = root.get("encoder_name")
        kind, model = encoder.string(), name.string() if name else None
        note_encoder(kind, model, SEMANTIC_ROUTER, encoder.place, root.findings)
    for entry in _entries(root):
        entry.note_unknown_keys(_ROUTE_KEYS_0)
        _note_left_out(entry, IMPORT_CODE, _CODE)
        if threshold := entry.get("score_threshold"):
            _note_raw(threshold)
        if route := _route(entry, with_model=with_model):
            yield route


def _note_raw(threshold: Cursor) -> None:
    value = threshold.number(-_MAX_SCORE, _MAX_SCORE)
    if value is not None:
        message = f"{threshold.name} {value:g} is a raw score and no confidence: reindex chooses a threshold instead"
        threshold.note(IMPORT_THRESHOLD, message)


# --- Routes of both -----------------------------------------------------------------------------------------------


def _entries(holder: Cursor) -> Iterator[Cursor]:
    """The routes of one router; one that stands there twice is reported, and read twice."""
    listed = holder.required("routes")
    first: dict[str, Cursor] = {}
    for entry in listed.entries() if listed else ():
        if entry.is_mapping():
            _note_twice(entry, first)
            yield entry


def _note_twice(entry: Cursor, first: dict[str, Cursor]) -> None:
    name = entry.get("name")
    if name is None or not isinstance(name.value, str):
        return
    earlier = first.setdefault(name.value, entry)
    if earlier is not entry:
        place = earlier.place
        entry.note(IMPORT_TWICE, f"the route {quoted(name.value)} stands already at {place}: both are read as one")


def _route(entry: Cursor, *, with_model: bool = True) -> ImportedRoute | None:
    name = entry.required("name")
    label = name.label() if name else None
    description = entry.get("description")
    settings = read_metadata(entry, with_model=with_model)
    texts = tuple(_texts(entry))
    if label is None:
        return None
    return ImportedRoute(
        label=label,
        place=entry.place,
        texts=texts,
        description=description.prose() if description else "",
        model=settings.model,
        min_confidence=settings.min_confidence,
        target_precision=settings.target_precision,
    )


def _texts(entry: Cursor) -> Iterator[Text]:
    utterances = entry.get("utterances")
    for utterance in utterances.entries() if utterances else ():
        if isinstance(utterance.value, dict | list):
            utterance.note(IMPORT_NOT_TEXT, "an utterance that is no text, such as a picture, is left out")
        elif text := utterance.text():
            yield text


# --- 1.x ----------------------------------------------------------------------------------------------------------

_SEARCH = "Fingerpost searches and scores in its own way"
_SETTINGS = {
    "sparse_encoder": "there is one encoder, a dense one",
    "alpha": "it weighs a sparse encoder, and there is none",
    "top_k": _SEARCH,
    "aggregation": _SEARCH,
    "calibrator": "reindex fits a calibration of its own",
    "refresh_interval": "a server follows what is published by itself",
}
_COMPOSED = {
    "calibrator": "reindex fits a calibration of its own",
    "weights": "all routers are read as one",
}


def _router(router: Cursor) -> Iterator[ImportedRoute]:
    """The routes of a router of 1.x, or of all the routers in it."""
    if not router.is_mapping():
        return
    kind = router.required("router_type")
    name = kind.string() if kind else None
    if kind is None or name is None:
        return
    if name in {"chain", "merge"}:
        yield from _composed(router, name)
    elif name == "indexed":
        yield from _indexed(router)
    elif name == "decision":
        yield from _decision(router)
    else:
        kind.note(IMPORT_VERSION, f"the router_type {quoted(name)} is none of indexed, decision, chain and merge")


def _composed(router: Cursor, name: str) -> Iterator[ImportedRoute]:
    router.note_unknown_keys({"router_type", "routers", "confidence_threshold", *_COMPOSED})
    router.note(IMPORT_PART, f"this {name} is read as one router that has the routes of all in it")
    _note_left_out(router, IMPORT_SETTING, _COMPOSED)
    if threshold := router.get("confidence_threshold"):
        _note_raw(threshold)
    members = router.required("routers")
    for member in members.entries() if members else ():
        yield from _router(member)


def _indexed(router: Cursor) -> Iterator[ImportedRoute]:
    router.note_unknown_keys({"router_type", "encoder", "index", "confidence_threshold", "routes", *_SETTINGS})
    encoder = router.required("encoder")
    if encoder and encoder.is_mapping():
        encoder.note_unknown_keys({"type", "name"})
        kind, name = encoder.required("type"), encoder.get("name")
        if kind:
            model = name.string() if name else None
            note_encoder(kind.string(), model, SEMANTIC_ROUTER, kind.place, router.findings)
    _note_left_out(router, IMPORT_SETTING, _SETTINGS)
    if _note_index(router):
        yield from _routes(router, _Bar.of(router))


def _note_index(router: Cursor) -> bool:
    """Say what is lost with the index; False when the index and not the file holds the routes."""
    index = router.get("index")
    if index is None or not index.is_mapping():
        return True
    kind = index.get("type")
    name = kind.string() if kind else "local"
    if name in _LOCAL_INDEXES:
        return True
    parameters = [key for key in index.keys if key != "type"]
    lost = f" with its parameters {named(parameters)}" if parameters else ""
    index.note(IMPORT_SETTING, f"the index {quoted(str(name))}{lost} is left out: the index is made at reindex")
    if router.get("routes") is None:
        index.note(
            IMPORT_PART, f"the routes are in the index {quoted(str(name))}, which is not asked: save them from there"
        )
        return False
    return True


def _decision(router: Cursor) -> Iterator[ImportedRoute]:
    router.note_unknown_keys({"router_type", "model", "instructions", "confidence_threshold", "calibrator", "routes"})
    router.note(IMPORT_PART, "this router asks a model; its routes are read by their utterances and descriptions")
    _note_left_out(router, IMPORT_CODE, {"model": "a model that a file names is never loaded or asked"})
    _note_left_out(
        router,
        IMPORT_SETTING,
        {"instructions": "there is no model to instruct", "calibrator": "reindex fits a calibration of its own"},
    )
    yield from _routes(router, _Bar.of(router))


@dataclass(frozen=True, slots=True)
class _Bar:
    """The confidence that a router's routes need, which is a probability only behind a calibrator."""

    is_calibrated: bool
    min_confidence: float | None = None  # of routes without one of their own

    @classmethod
    def of(cls, router: Cursor) -> "_Bar":
        calibrated = cls(router.get("calibrator") is not None)
        return cls(calibrated.is_calibrated, calibrated.read(router))

    def read(self, holder: Cursor) -> float | None:
        """The holder's threshold as a confidence; None, and a note, when it is a raw score."""
        threshold = holder.get("confidence_threshold")
        if threshold is None:
            return None
        if not self.is_calibrated:
            _note_raw(threshold)
            return None
        value = threshold.number(0, 1)
        if value is not None:
            threshold.note(
                IMPORT_THRESHOLD, f"confidence_threshold {value:g}, behind a calibrator, becomes min_confidence"
            )
        return value


def _routes(router: Cursor, bar: _Bar) -> Iterator[ImportedRoute]:
    for entry in _entries(router):
        entry.note_unknown_keys({*_ROUTE_KEYS, "confidence_threshold"})
        own = bar.read(entry)
        if route := _route(entry):
            first = next(
                (value for value in (own, route.min_confidence, bar.min_confidence) if value is not None), None
            )
            yield replace(route, min_confidence=first)
