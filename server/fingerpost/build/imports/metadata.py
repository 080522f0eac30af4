"""What a route's metadata says that has a place here; the rest is named by its keys alone, since it may be secret."""

from collections.abc import Iterable
from dataclasses import dataclass

from fingerpost.build.files import fits_name
from fingerpost.build.findings import quoted
from fingerpost.build.imports.codes import IMPORT_METADATA, IMPORT_METADATA_READ
from fingerpost.build.imports.cursor import Cursor
from fingerpost.build.texts import text_fault

MODEL = "model"
MIN_CONFIDENCE = "min_confidence"
TARGET_PRECISION = "target_precision"

_KEYS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """Settings of a route, None where the metadata has none that fits."""

    model: str | None = None
    min_confidence: float | None = None
    target_precision: float | None = None


def read_metadata(route: Cursor, *, with_model: bool = True) -> RouteSettings:
    """The settings in the metadata of a route; each key is reported once, as read or as left out."""
    metadata = route.get("metadata")
    if metadata is None or not metadata.is_mapping():
        return RouteSettings()
    settings = RouteSettings(
        model=_model(metadata) if with_model else None,
        min_confidence=_share(metadata, MIN_CONFIDENCE, whole=True),
        target_precision=_share(metadata, TARGET_PRECISION, whole=False),
    )
    values = {
        MODEL: settings.model,
        MIN_CONFIDENCE: settings.min_confidence,
        TARGET_PRECISION: settings.target_precision,
    }
    read = [f"{key} {_shown(value)}" for key, value in values.items() if value is not None]
    if read:
        metadata.note(IMPORT_METADATA_READ, f"read from the metadata: {', '.join(read)}")
    left_out = [key for key in metadata.keys if values.get(key) is None]
    if left_out:
        metadata.note(IMPORT_METADATA, f"metadata has no place here and is left out: {named(left_out)}")
    return settings


def named(keys: Iterable[str]) -> str:
    """The first of some keys, and how many more there are."""
    listed = list(keys)
    more = f" and {len(listed) - _KEYS_SHOWN} more" if len(listed) > _KEYS_SHOWN else ""
    return ", ".join(quoted(key) for key in listed[:_KEYS_SHOWN]) + more


def _shown(value: str | float) -> str:
    return quoted(value) if isinstance(value, str) else f"{value:g}"


def _model(metadata: Cursor) -> str | None:
    found = metadata.get(MODEL)
    name = found.value if found else None
    return name if isinstance(name, str) and fits_name(name) and not text_fault(name) else None


def _share(metadata: Cursor, key: str, *, whole: bool) -> float | None:
    """A number from 0 to 1; the ends count where `whole`."""
    found = metadata.get(key)
    if found is None or isinstance(found.value, bool) or not isinstance(found.value, int | float):
        return None
    fits = 0 <= found.value <= 1 if whole else 0 < found.value < 1
    return float(found.value) if fits else None
