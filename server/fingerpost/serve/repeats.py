"""Repeats: was this very request decided a moment ago? A caller that sends it again is not charged again."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from fingerpost.types import RouteQuery

REMEMBERED = 20_000
_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Before:
    """What became of a request before."""

    decision_id: str
    route: str | None
    model: str
    reserved_usd_micros: int | None


class Repeats:
    """Requests whose caller gave them an id, by tenant, id and text; bounded, and gone with the process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Nothing remembered; `clock` gives seconds and never goes back."""
        self._before: TTLCache[bytes, Before] = TTLCache(REMEMBERED, _SECONDS, clock)

    def find(self, query: RouteQuery) -> Before | None:
        return self._before.get(_key(query)) if query.repeatable else None

    def remember(self, query: RouteQuery, before: Before) -> None:
        if query.repeatable:
            self._before[_key(query)] = before


def _key(query: RouteQuery) -> bytes:
    wanted = query.wanted if isinstance(query.wanted, str) else query.wanted.values.tobytes().hex()
    parts = (query.catalog, query.tenant, query.session_id, query.request_id, wanted)
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
