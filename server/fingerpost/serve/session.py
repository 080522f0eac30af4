"""Session: which route did this session take last? Bounded, in memory, each replica for itself."""

from collections import OrderedDict
from dataclasses import dataclass

from fingerpost.types import Decision, RouteQuery

MAX_SESSIONS = 10_000
"""The longest unused one is forgotten first; about 3 MB."""


@dataclass(frozen=True, slots=True)
class _Taken:
    route: str
    time: float  # seconds of the caller's clock


class Sessions:
    """The last route of each session; one thread, the event loop's."""

    def __init__(self, size: int = MAX_SESSIONS) -> None:
        self._size = size
        self._taken: OrderedDict[tuple[str, str, str], _Taken] = OrderedDict()

    def last_route(self, query: RouteQuery, within_seconds: float, now: float) -> str | None:
        """The route that the session took not longer than that ago; None for a query without a session."""
        taken = self._taken.get(_key(query))
        return taken.route if taken is not None and now - taken.time <= within_seconds else None

    def remember(self, query: RouteQuery, decision: Decision, now: float) -> None:
        """Note the route that was taken, if one was and the query names a session."""
        if not query.session_id or decision.route is None:
            return
        self._taken[_key(query)] = _Taken(decision.route, now)
        self._taken.move_to_end(_key(query))
        if len(self._taken) > self._size:
            self._taken.popitem(last=False)


def _key(query: RouteQuery) -> tuple[str, str, str]:
    return query.catalog, query.tenant, query.session_id
