"""The request path, in order. The only file that knows every stage."""

import secrets
import time
from dataclasses import dataclass

from fingerpost.serve.calibrate import judge, surest
from fingerpost.serve.decide import decide, fall_back
from fingerpost.serve.embed import EmbedQueue, EncoderFailure, Retrieval
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.serve.score import score
from fingerpost.serve.search import unit_vector
from fingerpost.serve.session import Sessions
from fingerpost.serve.share import ShareEstimate, share_now
from fingerpost.types import Decision, Found, Judgement, Reason, RouteQuery, Timing, Vector


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


class Pipeline:
    """Decides one request after the other on the event loop; the encoder runs elsewhere."""

    def __init__(self, runtime: Runtime, queue: EmbedQueue) -> None:
        self._runtime = runtime
        self._queue = queue
        self._sessions = Sessions()
        self._shares: dict[str, ShareEstimate] = {}  # by catalog

    async def route(self, query: RouteQuery, deadline: float) -> Answer:
        """Decide one request before `deadline` (`time.monotonic` seconds).

        Raises:
            NotFound, FailedPrecondition, InvalidRequest, DeadlineExceeded, Unavailable, InternalError
        """
        started = time.monotonic()
        snapshot = self._runtime.get(query.catalog)
        try:
            retrieval = await self._queue.retrieve(snapshot, _wanted(query, snapshot), deadline)
        except EncoderFailure:
            decision = fall_back(snapshot.decider, [Reason.ENCODER_UNAVAILABLE], degraded=True)
            timing = _timing(None, started, started)
            return Answer(_decision_id(), query, snapshot, decision, timing, None, None, None, None)
        retrieved = time.monotonic()
        share = share_now(snapshot.decider, self._shares.get(query.catalog))
        found, judgement = surest([(found, _judge(found, snapshot, retrieval, share)) for found in retrieval.found])
        decision = decide(judgement, snapshot.decider, self._session_route(query, snapshot, retrieved))
        timing = _timing(retrieval, started, retrieved)
        answer = Answer(_decision_id(), query, snapshot, decision, timing, retrieval, found, judgement, share)
        self._remember(answer, retrieved)
        return answer

    def _session_route(self, query: RouteQuery, snapshot: Snapshot, now: float) -> str | None:
        seconds = snapshot.decider.policy.sticky_session_seconds
        return self._sessions.last_route(query, seconds, now) if seconds else None

    def _remember(self, answer: Answer, now: float) -> None:
        """What later calls may rest on, where the policy wants it: the session's route and the traffic's share."""
        if answer.snapshot.decider.policy.sticky_session_seconds:
            self._sessions.remember(answer.query, answer.decision, now)
        if answer.share is not None and answer.judgement is not None and answer.judgement.in_scope is not None:
            self._shares[answer.query.catalog] = answer.share.after(answer.judgement.in_scope)


def _judge(found: Found, snapshot: Snapshot, retrieval: Retrieval, share: ShareEstimate | None) -> Judgement:
    decider = snapshot.decider
    scores = score(found, snapshot.exemplars, decider.vote, decider.blend)
    return judge(scores, decider, share.value if share else None, foreign=retrieval.foreign)


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
    return Timing(retrieval.queue_us, retrieval.embed_us, retrieval.search_us, decide_us, total_us)
