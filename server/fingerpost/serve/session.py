"""Session: which route and model did this session take last? Bounded, in memory, each replica for itself."""

from collections import OrderedDict
from dataclasses import dataclass

from fingerpost.types import Decision, RouteQuery

MAX_SESSIONS = 10_000
"""The longest unused one is forgotten first; about 3 MB."""

CACHE_SECONDS = 300.0
"""How long a provider is taken to keep a prompt in its cache after it was last read."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a session took last."""

    route: str | None  # the last one that was taken at all
    route_time: float  # seconds of the caller's clock
    model: str
    input_tokens: int  # that this model has read
    time: float


class Sessions:
    """What each session took last; one thread, the event loop's."""

    def __init__(self, size: int = MAX_SESSIONS) -> None:
        self._size = size
        self._taken: OrderedDict[tuple[str, str, str], Taken] = OrderedDict()

    def last(self, query: RouteQuery) -> Taken | None:
        """None for a query without a session, or one that has taken nothing yet."""
        return self._taken.get(_key(query)) if query.session_id else None

    def remember(self, query: RouteQuery, decision: Decision, now: float) -> None:
        """Note what was taken, if the query names a session."""
        if not query.session_id:
            return
        key = _key(query)
        before = self._taken.get(key)
        kept = decision.route is None and before is not None
        route, route_time = (before.route, before.route_time) if kept and before else (decision.route, now)
        self._taken[key] = Taken(route, route_time, decision.model, query.demands.input_tokens, now)
        self._taken.move_to_end(key)
        if len(self._taken) > self._size:
            self._taken.popitem(last=False)


def route_within(taken: Taken | None, seconds: float, now: float) -> str | None:
    """The route that the session took not longer than that ago."""
    return taken.route if taken is not None and seconds and now - taken.route_time <= seconds else None


def model_cached(taken: Taken | None, now: float) -> tuple[str | None, int]:
    """The session's model, and the tokens of input that its provider may still have in its prompt cache."""
    if taken is None:
        return None, 0
    return taken.model, taken.input_tokens if now - taken.time <= CACHE_SECONDS else 0


def _key(query: RouteQuery) -> tuple[str, str, str]:
    return query.catalog, query.tenant, query.session_id
