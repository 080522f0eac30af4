"""The request path, in order. The only file that knows every stage."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fingerpost.guard.escalation import EscalationWindow
from fingerpost.serve.cache import Lookup, ResultCache, key_of
from fingerpost.serve.decide import Situation, decide, margin
from fingerpost.serve.embed import EmbedQueue, Job
from fingerpost.serve.flights import Flights
from fingerpost.serve.inventory import both
from fingerpost.serve.result import Result, result_of
from fingerpost.serve.retrieve import Degraded
from fingerpost.serve.rules import NO_RULING, Ruling, Sitting, facts_of, scores_of
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.search import unit_vector
from fingerpost.serve.select import Asked
from fingerpost.serve.session import Sessions, Taken, model_cached, route_within
from fingerpost.serve.share import ShareEstimate, share_now
from fingerpost.types import Decision, Demands, Found, Judgement, Reason, Retrieval, RouteQuery, Timing, Vector


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision and what it rests on."""

    decision_id: str
    query: RouteQuery
    snapshot: Snapshot
    decision: Decision
    situation: Situation
    timing: Timing
    scored: "Scored"
    lookup: Lookup | None = None  # of the pure result in the cache; None: it was not looked up

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


@dataclass(frozen=True, slots=True)
class Scored:
    """What similarity says of a request; nothing where the encoder gave nothing, or was not asked."""

    retrieval: Retrieval | None = None
    found: Found | None = None
    judgement: Judgement | None = None
    share: ShareEstimate | None = None
    degraded: Reason | None = None  # why there is nothing where there should be something


class Pipeline:
    """Decides one request after the other on the event loop; the encoder runs elsewhere."""

    def __init__(
        self,
        runtime: Runtime,
        queue: EmbedQueue,
        cache: ResultCache,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Wire it up; `now` is the time that rules read."""
        self._runtime = runtime
        self._queue = queue
        self._cache = cache
        self._now = now
        self._flights = Flights()
        self._sessions = Sessions()
        self._shares: dict[str, ShareEstimate] = {}  # by catalog
        self._escalations: dict[str, EscalationWindow] = {}  # by catalog

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
        sitting = _sitting(query, snapshot, self._now())
        ruling = sitting.before() if sitting else NO_RULING
        scored, lookup = Scored(), None
        if sitting is None or not sitting.settles(ruling) or query.wants_scores:
            scored, lookup = await self._scored(query, snapshot, deadline, admitted)
        ready = time.monotonic()
        if sitting:
            ruling = sitting.after(_scores(scored, snapshot, ruling))
        situation = self._situation(query, snapshot, ruling, scored, ready)
        decision = decide(scored.judgement, snapshot.plan, situation)
        timing = _timing(None if lookup is Lookup.HIT else scored.retrieval, started, ready)
        answer = Answer(_decision_id(), query, snapshot, decision, situation, timing, scored, lookup)
        self._remember(answer, ready)
        return answer

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

    def _situation(
        self, query: RouteQuery, snapshot: Snapshot, ruling: Ruling, scored: Scored, now: float
    ) -> Situation:
        """What the decision rests on beside the scores."""
        taken = self._sessions.last(query)
        spent = self._escalation(snapshot)
        return Situation(
            demands=_demands(query, snapshot),
            asked=_asked(query, taken, now),
            ruling=ruling,
            session_route=route_within(taken, snapshot.decider.policy.sticky_session_seconds, now),
            escalation_spent=spent is not None and spent.is_spent(now),
            degraded=scored.degraded,
        )

    def _escalation(self, snapshot: Snapshot) -> EscalationWindow | None:
        """The catalog's window, a new one where its limit is another than before; None where there is no limit."""
        limit, known = snapshot.decider.policy.escalation, self._escalations.get(snapshot.catalog)
        if limit is None:
            return None
        if known is None or known.limit != limit:
            known = self._escalations[snapshot.catalog] = EscalationWindow(limit)
        return known

    def _remember(self, answer: Answer, now: float) -> None:
        """What later calls may rest on: the session's route and model, the traffic's share, the strong tier's."""
        snapshot, judgement = answer.snapshot, answer.judgement
        self._sessions.remember(answer.query, answer.decision, now)
        if answer.share is not None and judgement is not None and judgement.in_scope is not None:
            self._shares[answer.query.catalog] = answer.share.after(judgement.in_scope)
        window = self._escalation(snapshot)
        if window is not None:
            strong = snapshot.decider.models[answer.decision.model].tier == window.limit.tier
            window.count(strong=strong, now=now)


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


def _demands(query: RouteQuery, snapshot: Snapshot) -> Demands:
    """The caller's own, and what the parts of its conversation need."""
    if not query.parts:
        return query.demands
    return both(query.demands, Demands(capabilities=snapshot.plan.inventory.needed_for(query.parts)))


def _asked(query: RouteQuery, taken: Taken | None, now: float) -> Asked:
    model, cached_tokens = model_cached(taken, now)
    demands = query.demands
    key = query.session_id or query.request_id
    return Asked(key, demands.input_tokens, demands.output_tokens, model, cached_tokens)


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
