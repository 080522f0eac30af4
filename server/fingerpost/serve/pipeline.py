"""The request path, in order. The only file that knows every stage."""

import secrets
import time
from dataclasses import dataclass

from fingerpost.serve.cache import Lookup, ResultCache, key_of
from fingerpost.serve.decide import decide, fall_back
from fingerpost.serve.embed import EmbedQueue, Job
from fingerpost.serve.flights import Flights
from fingerpost.serve.result import Result, result_of
from fingerpost.serve.retrieve import Degraded
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.search import unit_vector
from fingerpost.serve.session import Sessions
from fingerpost.serve.share import ShareEstimate, share_now
from fingerpost.types import Decision, Found, Judgement, Retrieval, RouteQuery, Timing, Vector


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision and what it rests on; the last four are None when the encoder gave nothing."""

    decision_id: str
    query: RouteQuery
    snapshot: Snapshot
    decision: Decision
    timing: Timing
    retrieval: Retrieval | None
    found: Found | None  # the part of the retrieval that decided
    judgement: Judgement | None
    share: ShareEstimate | None  # of out-of-scope texts, that was judged with; None: the revision's own
    lookup: Lookup | None = None  # of the pure result in the cache; None: it was not looked up


class Pipeline:
    """Decides one request after the other on the event loop; the encoder runs elsewhere."""

    def __init__(self, runtime: Runtime, queue: EmbedQueue, cache: ResultCache) -> None:
        self._runtime = runtime
        self._queue = queue
        self._cache = cache
        self._flights = Flights()
        self._sessions = Sessions()
        self._shares: dict[str, ShareEstimate] = {}  # by catalog

    def check(self, tenant: str, deadline: float) -> None:
        """Whether a batch of the tenant may come in now, whose items are `admitted` then.

        Raises:
            Overloaded
        """
        self._queue.check(tenant, deadline)

    async def route(self, query: RouteQuery, deadline: float, *, admitted: bool = False) -> Answer:
        """Decide one request before `deadline` (`time.monotonic` seconds); `admitted`: its batch was let in already.

        Raises:
            NotFound, FailedPrecondition, InvalidRequest, Overloaded, DeadlineExceeded, Unavailable, InternalError
        """
        started = time.monotonic()
        snapshot = self._runtime.get(query.catalog)
        try:
            result, lookup = await self._result(query, snapshot, deadline, admitted)
        except Degraded as cause:
            decision = fall_back(snapshot.decider, [cause.reason], degraded=True)
            timing = _timing(None, started, started)
            return Answer(_decision_id(), query, snapshot, decision, timing, None, None, None, None)
        ready = time.monotonic()
        share = share_now(snapshot.decider, self._shares.get(query.catalog))
        found, judgement = result.found, result.judgement
        if share is not None:
            found, judgement = result.judged_at(share.value, snapshot.decider)
        decision = decide(judgement, snapshot.decider, self._session_route(query, snapshot, ready))
        timing = _timing(None if lookup is Lookup.HIT else result.retrieval, started, ready)
        answer = Answer(
            _decision_id(), query, snapshot, decision, timing, result.retrieval, found, judgement, share, lookup
        )
        self._remember(answer, ready)
        return answer

    async def _result(
        self, query: RouteQuery, snapshot: Snapshot, deadline: float, admitted: bool
    ) -> tuple[Result, Lookup | None]:
        wanted = _wanted(query, snapshot)

        def start() -> Job:
            return self._queue.submit(snapshot, wanted, query.tenant, deadline, admitted=admitted)

        if not self._cache.enabled or not isinstance(wanted, str):
            return result_of(await start().future, snapshot), None
        key = key_of(snapshot.activation, wanted)
        kept = self._cache.get(key)
        if kept is not None:
            return kept, Lookup.HIT
        lookup = Lookup.SHARED if key in self._flights else Lookup.MISS
        retrieval = await self._flights.join(key, deadline, start)
        result = self._cache.get(key) or result_of(retrieval, snapshot)  # the first that waited has put it there
        self._cache.put(key, result)
        return result, lookup

    def _session_route(self, query: RouteQuery, snapshot: Snapshot, now: float) -> str | None:
        seconds = snapshot.decider.policy.sticky_session_seconds
        return self._sessions.last_route(query, seconds, now) if seconds else None

    def _remember(self, answer: Answer, now: float) -> None:
        """What later calls may rest on, where the policy wants it: the session's route and the traffic's share."""
        if answer.snapshot.decider.policy.sticky_session_seconds:
            self._sessions.remember(answer.query, answer.decision, now)
        if answer.share is not None and answer.judgement is not None and answer.judgement.in_scope is not None:
            self._shares[answer.query.catalog] = answer.share.after(answer.judgement.in_scope)


def _wanted(query: RouteQuery, snapshot: Snapshot) -> str | Vector:
    """The text to embed, or the caller's vector, checked against the snapshot's encoder."""
    if isinstance(query.wanted, str):
        return query.wanted
    return unit_vector(query.wanted, snapshot.encoder.digest, snapshot.encoder.dim)


def _decision_id() -> str:
    return secrets.token_hex(16)


def _timing(retrieval: Retrieval | None, started: float, found: float) -> Timing:
    now = time.monotonic()
    decide_us, total_us = round((now - found) * 1e6), round((now - started) * 1e6)
    if retrieval is None:
        return Timing(total_us=total_us)
    queue_us = max(0, round((retrieval.start_time - started) * 1e6))  # a shared text may have begun before
    return Timing(queue_us, retrieval.embed_us, retrieval.search_us, decide_us, total_us)
