"""Cache: was this very text asked before? The pure result, embed to calibrate, by revision, catalog and text.

The key is exact: nothing near a text ever gets its result. What is decided is never kept, since the decision also rests
on what may change between two calls.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from cachetools import TTLCache

from fingerpost.serve.result import Result
from fingerpost.types import Activation

_KEPT_CHARS = 512
"""A longer text is known by its digest, so that keys stay small."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a result depends on; the revision names the encoder."""

    catalog: str
    revision: str
    text: str | bytes


class Lookup(StrEnum):
    """What came of looking a text up."""

    HIT = "hit"
    MISS = "miss"
    SHARED = "shared"  # the same text was on its way already


def key_of(activation: Activation, text: str) -> Key:
    """The key of a text under a revision."""
    known = text if len(text) <= _KEPT_CHARS else hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return Key(activation.catalog, activation.revision, known)


class ResultCache:
    """Least recently used results go first; one thread, the event loop's."""

    def __init__(self, max_bytes: int, ttl_seconds: float, clock: Callable[[], float]) -> None:
        """Nothing kept yet.

        Args:
            max_bytes: Of all results together, about; 0: nothing is ever kept.
            ttl_seconds: After it a result is made anew.
            clock: Seconds of a clock that never goes back.
        """
        self._kept: TTLCache[Key, Result] = TTLCache(max_bytes, ttl_seconds, clock, getsizeof=_size)
        self._revisions: dict[str, frozenset[str]] = {}  # that decide, by catalog

    @property
    def enabled(self) -> bool:
        return self._kept.maxsize > 0

    @property
    def size_bytes(self) -> int:
        return int(self._kept.currsize)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Result | None:
        return self._kept.get(key)

    def put(self, key: Key, result: Result) -> None:
        """Keep a result, unless other revisions decide meanwhile or it is larger than the whole cache."""
        if key.revision in self._revisions.get(key.catalog, frozenset()) and result.size_bytes <= self._kept.maxsize:
            self._kept[key] = result

    def activate(self, catalog: str, revisions: Iterable[str]) -> None:
        """Forget what the catalog's revisions gave; these decide from now on."""
        self._revisions[catalog] = frozenset(revisions)
        for key in [key for key in self._kept if key.catalog == catalog]:
            self._kept.pop(key, None)


def _size(result: Result) -> int:
    return result.size_bytes
