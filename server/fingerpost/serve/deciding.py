"""Deciding: a decision made, paid for and given its name. Made again where a budget had to be asked for more first."""

from collections.abc import Mapping
from dataclasses import dataclass

from fingerpost.errors import DeadlineExceeded
from fingerpost.guard.budget import NO_ACCOUNTS
from fingerpost.serve.afford import Short
from fingerpost.serve.decide import decide
from fingerpost.serve.decision_id import MAX_DEBITS, MAX_USD_MICROS, Claims, DecisionIds, name_hash, new_key
from fingerpost.serve.guards import CatalogGuards, Guards
from fingerpost.serve.inventory import both
from fingerpost.serve.repeats import Before, Repeats
from fingerpost.serve.rules import Ruling
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.select import Asked
from fingerpost.serve.session import Sessions, Taken, model_cached, route_within
from fingerpost.serve.share import ShareEstimate
from fingerpost.serve.situation import Offer, Situation
from fingerpost.types import Debit, Decision, Demands, Found, Judgement, Outcome, Reason, Retrieval, RouteQuery


@dataclass(frozen=True, slots=True)
class Scored:
    """What similarity says of a request; nothing where the encoder gave nothing, or was not asked."""

    retrieval: Retrieval | None = None
    found: Found | None = None
    judgement: Judgement | None = None
    share: ShareEstimate | None = None
    degraded: Reason | None = None  # why there is nothing where there should be something


@dataclass(frozen=True, slots=True)
class Case:
    """A request that is about to be decided."""

    query: RouteQuery
    snapshot: Snapshot  # that decides
    guards: CatalogGuards
    offers: Mapping[str | None, Offer]
    ruling: Ruling
    scored: Scored


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that stands."""

    decision: Decision
    situation: Situation  # that it was made in
    id: str
    reserved_usd_micros: int | None  # on the accounts of budgets; None: on none


class Deciding:
    """Decides, reserves and names; of the event loop."""

    def __init__(self, guards: Guards, ids: DecisionIds) -> None:
        """Nothing decided yet."""
        self._guards = guards
        self._ids = ids
        self._sessions = Sessions()
        self._repeats = Repeats(guards.now)

    async def decide(self, case: Case, deadline: float) -> Decided:
        """Decide a request; waits for nothing but a budget that is short.

        Raises:
            DeadlineExceeded: a budget did not come before `deadline`, `time.monotonic` seconds.
            FailedPrecondition, Unavailable, Overloaded: see `serve.choose`.
        """
        over: Before | None = None
        while True:
            before = self._repeats.find(case.query)  # each time: its like may have been decided while this one waited
            if before is over:
                before = None
            situation = self._situation(case, before)
            try:
                decision = decide(case.scored.judgement, case.snapshot.plan, situation)
            except Short as short:
                await self._ask(short, deadline)
                continue
            if before is None:
                return self._taken(case, decision, situation)
            if (before.model, before.route) == (decision.model, decision.route):
                return Decided(decision, situation, before.decision_id, before.reserved_usd_micros)
            over = before  # what was decided before works no more: this is another decision

    async def _ask(self, short: Short, deadline: float) -> None:
        try:
            await self._guards.spending.ask(short, deadline)
        except TimeoutError as error:
            raise DeadlineExceeded("the time ran out while a budget was asked for more: allow more time") from error

    def _situation(self, case: Case, before: Before | None) -> Situation:
        """What the decision rests on beside the scores; what was paid for before needs no budget."""
        query, snapshot, guards, now = case.query, case.snapshot, case.guards, self._guards.now()
        taken = self._sessions.last(query)
        accounts = NO_ACCOUNTS
        if before is None:
            accounts = self._guards.spending.accounts(query.catalog, guards.snapshot.decider, query.tenant)
        return Situation(
            demands=demands_of(query, snapshot),
            asked=asked_of(query, taken, now),
            ruling=case.ruling,
            session_route=route_within(taken, snapshot.decider.policy.sticky_session_seconds, now),
            escalation_spent=guards.escalation_spent(now),
            degraded=case.scored.degraded,
            blocked=guards.blocked(now),
            accounts=accounts,
            offers=case.offers,
            paid=None if before is None else before.model,
        )

    def _taken(self, case: Case, decision: Decision, situation: Situation) -> Decided:
        """The decision with its id, and what it costs reserved; nothing may come between it and its situation."""
        reserved, debits = None, tuple[Debit, ...]()
        purses = situation.accounts.of(decision.route, decision.model)
        if purses:
            reserved = min(decision.reserve_usd_micros, MAX_USD_MICROS)
            for purse in purses:
                purse.take(reserved)
            debits = tuple(Debit(purse.account, reserved) for purse in purses if purse.account is not None)
            self._guards.spending.fill_ahead(purses)
        id_ = self._ids.name(self._claims(case, decision, debits[:MAX_DEBITS]), case.query.tenant)
        self._repeats.remember(case.query, Before(id_, decision.route, decision.model, reserved))
        now = self._guards.now()
        self._sessions.remember(case.query, decision, now)
        breach = case.guards.decided(decision, case.snapshot.decider.models[decision.model].tier, now)
        if breach is not None:
            self._guards.on_breach(case.query.catalog, breach)
        return Decided(decision, situation, id_, reserved)

    def _claims(self, case: Case, decision: Decision, debits: tuple[Debit, ...]) -> Claims:
        arm = decision.arm
        return Claims(
            key=new_key(),
            decided_s=int(self._guards.spending.now_s()),
            catalog=name_hash(case.query.catalog),
            route="" if decision.route is None else name_hash(decision.route),
            arm="" if arm is None else name_hash(arm.name),
            unit="" if arm is None else arm.unit,
            debits=debits,
            fell_back=decision.outcome is Outcome.FALLBACK,
        )


def demands_of(query: RouteQuery, snapshot: Snapshot) -> Demands:
    """The caller's own, and what the parts of its conversation need."""
    if not query.parts:
        return query.demands
    return both(query.demands, Demands(capabilities=snapshot.plan.inventory.needed_for(query.parts)))


def asked_of(query: RouteQuery, taken: Taken | None, now: float) -> Asked:
    model, cached_tokens = model_cached(taken, now)
    demands = query.demands
    key = query.session_id or query.request_id
    return Asked(key, demands.input_tokens, demands.output_tokens, model, cached_tokens)
