"""The request path, in order. The only file that knows every stage."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from fingerpost.serve.cache import Lookup, ResultCache, key_of
from fingerpost.serve.decide import decide, margin
from fingerpost.serve.deciding import Case, Decided, Deciding, Scored, asked_of, demands_of
from fingerpost.serve.decision_id import DecisionIds
from fingerpost.serve.embed import EmbedQueue, Job
from fingerpost.serve.flights import Flights
from fingerpost.serve.guards import Guards
from fingerpost.serve.result import Result, result_of
from fingerpost.serve.retrieve import Degraded
from fingerpost.serve.rules import NO_RULING, Ruling, Sitting, facts_of, scores_of
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.search import unit_vector
from fingerpost.serve.shadow import Shadows
from fingerpost.serve.share import ShareEstimate, share_now
from fingerpost.serve.situation import Situation
from fingerpost.types import Decision, Found, Judgement, Retrieval, RouteQuery, Timing, Vector

_SHADOW_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision and what it rests on."""

    query: RouteQuery
    snapshot: Snapshot
    decided: Decided
    timing: Timing
    scored: Scored
    lookup: Lookup | None = None  # of the pure result in the cache; None: it was not looked up

    @property
    def decision_id(self) -> str:
        return self.decided.id

    @property
    def decision(self) -> Decision:
        return self.decided.decision

    @property
    def situation(self) -> Situation:
        return self.decided.situation

    @property
    def retrieval(self) -> Retrieval | None:
        """None where the encoder gave nothing, or was not asked."""
        return self.scored.retrieval

    @property
    def found(self) -> Found | None:
        """The part of the retrieval that decided."""
        return self.scored.found

    @property
    def judgement(self) -> Judgement | None:
        return self.scored.judgement

    @property
    def share(self) -> ShareEstimate | None:
        """Of out-of-scope texts, that was judged with; None: the revision's own."""
        return self.scored.share


class Pipeline:
    """Decides one request after the other on the event loop; the encoder runs elsewhere."""

    def __init__(
        self,
        runtime: Runtime,
        queue: EmbedQueue,
        cache: ResultCache,
        guards: Guards,
        ids: DecisionIds,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Wire it up; `now` is the time that rules read."""
        self._runtime = runtime
        self._queue = queue
        self._cache = cache
        self._guards = guards
        self._deciding = Deciding(guards, ids)
        self._now = now
        self._flights = Flights()
        self._shadows = Shadows(lambda: len(queue) > 0)
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
        guards = self._guards.of(self._runtime.get(query.catalog))
        entered = guards.lab.enter(query, guards.snapshot)
        snapshot = entered.snapshot
        sitting = _sitting(query, snapshot, self._now())
        ruling = sitting.before() if sitting else NO_RULING
        scored, lookup = Scored(), None
        if sitting is None or not sitting.settles(ruling) or query.wants_scores:
            scored, lookup = await self._scored(query, snapshot, deadline, admitted)
        ready = time.monotonic()
        if sitting:
            ruling = sitting.after(_scores(scored, snapshot, ruling))
        case = Case(query, snapshot, guards, entered.offers, ruling, scored)
        decided = await self._deciding.decide(case, deadline)
        timing = _timing(None if lookup is Lookup.HIT else scored.retrieval, started, ready)
        self._remember(case)
        for shadow in entered.shadows:
            self._shadows.start(decided.decision, shadow.tally, partial(self._shadow, query, shadow.snapshot))
        return Answer(query, snapshot, decided, timing, scored, lookup)

    def close(self) -> None:
        """Let nothing go on beside requests."""
        self._shadows.close()

    async def _scored(
        self, query: RouteQuery, snapshot: Snapshot, deadline: float, admitted: bool
    ) -> tuple[Scored, Lookup | None]:
        """What similarity says, at the share of out-of-scope texts that the traffic seems to have."""
        try:
            result, lookup = await self._result(query, snapshot, deadline, admitted)
        except Degraded as cause:
            return Scored(degraded=cause.reason), None
        share = share_now(snapshot.decider, self._shares.get(query.catalog))
        found, judgement = result.found, result.judgement
        if share is not None:
            found, judgement = result.judged_at(share.value, snapshot.decider)
        return Scored(result.retrieval, found, judgement, share), lookup

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

    def _remember(self, case: Case) -> None:
        """What later calls may rest on: how much of the traffic seems to be out of scope."""
        share, judgement = case.scored.share, case.scored.judgement
        if share is not None and judgement is not None and judgement.in_scope is not None:
            self._shares[case.query.catalog] = share.after(judgement.in_scope)

    async def _shadow(self, query: RouteQuery, snapshot: Snapshot) -> Decision:
        """What another revision decides, as if nobody had spent or failed anything."""
        sitting = _sitting(query, snapshot, self._now())
        ruling = sitting.before() if sitting else NO_RULING
        deadline = time.monotonic() + _SHADOW_SECONDS
        scored, _ = await self._scored(query, snapshot, deadline, admitted=False)
        if sitting:
            ruling = sitting.after(_scores(scored, snapshot, ruling))
        situation = Situation(demands_of(query, snapshot), asked_of(query, None, time.monotonic()), ruling)
        return decide(scored.judgement, snapshot.plan, situation)


def _sitting(query: RouteQuery, snapshot: Snapshot, now: datetime) -> Sitting | None:
    """The rules of the catalog, about to be judged; None where it has none."""
    book = snapshot.plan.rulebook
    if book.is_empty:
        return None
    return book.sitting(
        facts_of(
            query.wanted if isinstance(query.wanted, str) else None,
            metadata=query.metadata,
            tenant=query.tenant,
            tokens=query.demands.input_tokens,
            turns=query.turns_count,
            time=now,
            detector=book.detector,
        )
    )


def _scores(scored: Scored, snapshot: Snapshot, ruling: Ruling) -> dict[str, object]:
    """What rules may read of the scores: the route that a rule named, else the best one."""
    judgement = scored.judgement
    facts: dict[str, object] = {}
    if judgement is not None:
        gap = margin(judgement.candidates) if judgement.candidates else None
        facts = scores_of(judgement, snapshot.decider, gap)
    return facts if ruling.route is None else {**facts, "route": ruling.route}


def _wanted(query: RouteQuery, snapshot: Snapshot) -> str | Vector:
    """The text to embed, or the caller's vector, checked against the snapshot's encoder."""
    if isinstance(query.wanted, str):
        return query.wanted
    return unit_vector(query.wanted, snapshot.encoder.digest, snapshot.encoder.dim)


def _timing(retrieval: Retrieval | None, started: float, found: float) -> Timing:
    now = time.monotonic()
    decide_us, total_us = round((now - found) * 1e6), round((now - started) * 1e6)
    if retrieval is None:
        return Timing(total_us=total_us)
    queue_us = max(0, round((retrieval.start_time - started) * 1e6))  # a shared text may have begun before
    return Timing(queue_us, retrieval.embed_us, retrieval.search_us, decide_us, total_us)
