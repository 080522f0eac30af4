"""Choose: which model answers? Of those named for a request the first that may, can, works and is paid for. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from fingerpost.errors import ErrorReason, FailedPrecondition, FingerpostError, Overloaded, Unavailable
from fingerpost.serve.afford import Paid, afford, whole_cost
from fingerpost.serve.inventory import both, why_not
from fingerpost.serve.plan import Plan
from fingerpost.serve.rules import Ruling
from fingerpost.serve.select import EXPECTED_OUTPUT_TOKENS, MAX_UNFIT, Lineup, Ranked, rank
from fingerpost.serve.situation import Blocked, Offer, Situation
from fingerpost.types import (
    Calibration,
    Candidate,
    Decision,
    Demands,
    Outcome,
    Reason,
    RoutePolicy,
    Skip,
    SkipReason,
)


@dataclass(frozen=True, slots=True)
class Way:
    """Where a request goes, before a model is chosen; None of the best route where there are no scores."""

    outcome: Outcome
    route: RoutePolicy | None
    reasons: tuple[Reason, ...]
    threshold: float
    best: Candidate | None = None  # whose confidence the reply tells
    margin: float | None = None
    calibration: Calibration = Calibration.NONE


@dataclass(frozen=True, slots=True)
class _Choice:
    """Who may answer: everything that is named for a request, and what became of it."""

    named: tuple[str, ...]  # in the order in which they would be tried
    fitting: tuple[str, ...]  # of these
    ranked: Ranked  # of the route's own
    limited: frozenset[str]  # that the escalation limit keeps out
    demands: Demands
    offer: Offer | None  # of an experiment


def choose(way: Way, plan: Plan, situation: Situation) -> Decision:
    """The decision with the first model that may and can answer, works and is paid for, and those to try next.

    Raises:
        FailedPrecondition: NO_MODEL_FITS, no model that is named for the request may and can answer it.
        Unavailable: NO_HEALTHY_MODEL, all that may and can are failing.
        Overloaded: MODELS_RATE_LIMITED, or their providers want no calls just now; or see `afford`.
        Short: see `afford`.
    """
    choice = _choice(way, plan, situation)
    if not choice.fitting:
        raise _nothing_fits(tuple(_skips(choice, (), plan, situation.blocked)))
    working = _working(choice, situation.blocked)
    if not working:
        raise _nothing_works(choice.fitting, situation.blocked)
    paid = _paid(working, way, plan, situation)
    model = paid.models[0]
    skipped = tuple(islice(_skips(choice, paid.models, plan, situation.blocked), MAX_UNFIT))
    return Decision(
        outcome=way.outcome,
        model=model,
        upstream_model=plan.decider.models[model].upstream_model,
        route=None if way.route is None else way.route.name,
        confidence=None if way.best is None else way.best.confidence,
        threshold=way.threshold,
        margin=way.margin,
        similarity=None if way.best is None else way.best.similarity,
        calibration=way.calibration,
        reasons=(*way.reasons, *_reasons(model, way, choice, skipped, paid, plan, situation)),
        fallback_models=paid.models[1:],
        degraded=situation.degraded is not None,
        rules=situation.ruling.rules,
        skipped=skipped,
        propensity=choice.ranked.propensity if model in choice.ranked.models[:1] else 1.0,
        arm=None if choice.offer is None else choice.offer.taken,
        expected_usd_micros=_expected_cost(model, way, plan, situation),
        reserve_usd_micros=paid.usd_micros,
    )


def _choice(way: Way, plan: Plan, situation: Situation) -> _Choice:
    ruling, inventory = situation.ruling, plan.inventory
    demands = both(situation.demands, ruling.demands)
    fits = inventory.fits(demands)
    ranked = Ranked(()) if way.route is None else rank(_lineup(way.route, plan), fits, situation.asked)
    offer = _offer(way, situation)
    named = tuple(_named(way, ranked, offer, plan, ruling))
    fitting = tuple(name for name in named if fits[inventory.number[name]] or _may_by_final(name, plan, situation))
    return _Choice(named, fitting, ranked, _limited(way, plan, situation), demands, offer)


def _lineup(route: RoutePolicy, plan: Plan) -> Lineup:
    return plan.lineups[plan.route_numbers[route.name]]


def _offer(way: Way, situation: Situation) -> Offer | None:
    """What an experiment makes of the request; where a rule names the model there is nothing to try."""
    own = None if way.route is None else situation.offers.get(way.route.name)
    if own is not None and situation.ruling.model is None:
        return own
    return situation.offers.get(None)


def _named(way: Way, ranked: Ranked, offer: Offer | None, plan: Plan, ruling: Ruling) -> Iterable[str]:
    """Each once: a rule's, an arm's, the route's best and runners-up, its fallback, the policy's, and the required."""
    policy = plan.decider.policy
    ruled = () if ruling.model is None else (ruling.model,)
    tried = () if offer is None or offer.model is None else (offer.model,)
    fallback = () if way.route is None else way.route.fallback
    required = sorted(set().union(*ruling.demands.allowed))
    chain = (policy.fallback_model, *policy.fallback_chain)
    return dict.fromkeys((*ruled, *tried, *ranked.models, *fallback, *chain, *required))


def _may_by_final(name: str, plan: Plan, situation: Situation) -> bool:
    """Whether the model is a final rule's, which only what is final may keep from answering."""
    ruling = situation.ruling
    if not ruling.model_is_final or name != ruling.model:
        return False
    return why_not(plan.decider.models[name], both(situation.demands, ruling.final_demands)) is None


def _limited(way: Way, plan: Plan, situation: Situation) -> frozenset[str]:
    """Models that a request which no route is sure of must leave alone now; rules and routes mean theirs, and go on."""
    limit = plan.decider.policy.escalation
    if limit is None or not situation.escalation_spent or way.outcome is not Outcome.FALLBACK:
        return frozenset()
    return frozenset(model.name for model in plan.inventory.models if model.tier == limit.tier)


def _working(choice: _Choice, blocked: Blocked) -> tuple[str, ...]:
    """Models to try: without those that fail, and without those that a limit keeps out, if it leaves any."""
    working = choice.fitting
    if blocked.models:
        working = tuple(name for name in working if name not in blocked.models)
    return tuple(name for name in working if name not in choice.limited) or working


def _paid(working: tuple[str, ...], way: Way, plan: Plan, situation: Situation) -> Paid:
    if situation.paid in working:
        return Paid(tuple(sorted(working, key=lambda name: name != situation.paid)), ())
    if situation.accounts.are_none:
        return Paid(working, ())
    costs = {name: _expected_cost(name, way, plan, situation) for name in working}
    return afford(working, costs, None if way.route is None else way.route.name, situation.accounts)


def _expected_cost(model: str, way: Way, plan: Plan, situation: Situation) -> int | None:
    expected = 0 if way.route is None else way.route.selection.output_tokens
    output = situation.asked.output_tokens or expected or EXPECTED_OUTPUT_TOKENS
    inventory = plan.inventory
    return whole_cost(inventory.cost_usd_micros(inventory.number[model], situation.asked.input_tokens, output))


def _skips(choice: _Choice, tried: Sequence[str], plan: Plan, blocked: Blocked) -> Iterator[Skip]:
    """Models that were named for the request and will not answer it, the route's own first."""
    models = plan.decider.models
    for name in choice.ranked.unfit:
        if name not in choice.named:
            yield Skip(name, why_not(models[name], choice.demands) or SkipReason.QUALITY_FLOOR)
    for name in choice.named:
        if name not in tried:
            yield Skip(name, _why_skipped(name, choice, plan, blocked))


def _why_skipped(name: str, choice: _Choice, plan: Plan, blocked: Blocked) -> SkipReason:
    unfit = None if name in choice.fitting else why_not(plan.decider.models[name], choice.demands)
    if unfit is not None:
        return unfit
    if name in blocked.models:
        return SkipReason.BREAKER_OPEN
    return SkipReason.ESCALATION_LIMIT if name in choice.limited else SkipReason.BUDGET


def _reasons(
    model: str,
    way: Way,
    choice: _Choice,
    skipped: Sequence[Skip],
    paid: Paid,
    plan: Plan,
    situation: Situation,
) -> Iterator[Reason]:
    """What beside the way led to this model."""
    first = _first(way, choice, plan, situation.ruling)
    if model != situation.ruling.model and any(s.model in first and s.reason not in _TOLD for s in skipped):
        yield Reason.MODEL_PASSED_OVER
    if any(skip.model in first and skip.reason is SkipReason.BREAKER_OPEN for skip in skipped):
        yield Reason.BREAKER_OPEN
    if paid.cheapest or paid.unpaid:
        yield Reason.BUDGET_EXHAUSTED
    if not choice.limited.isdisjoint(choice.fitting):
        yield Reason.ESCALATION_LIMIT
    if choice.offer is not None and (choice.offer.revision is not None or choice.offer.model == model):
        yield Reason.EXPERIMENT
    if choice.ranked.kept and model == choice.ranked.models[0]:
        yield Reason.SESSION_MODEL


def _first(way: Way, choice: _Choice, plan: Plan, ruling: Ruling) -> tuple[str, ...]:
    """Models of which one should have answered."""
    if ruling.model is not None:
        return (ruling.model,)
    if choice.offer is not None and choice.offer.model is not None:
        return (choice.offer.model,)
    if way.route is not None:
        return way.route.models or (way.route.model,)
    return (plan.decider.policy.fallback_model,)


_TOLD = {SkipReason.QUALITY_FLOOR, SkipReason.ESCALATION_LIMIT, SkipReason.BREAKER_OPEN, SkipReason.BUDGET}
"""Skips that are a selection's own working, or that have a reason of their own."""


def _nothing_fits(skipped: Sequence[Skip]) -> FailedPrecondition:
    shown = skipped[:MAX_UNFIT]
    told = ", ".join(f"{skip.model}: {skip.reason}" for skip in shown)
    return FailedPrecondition(
        f"no model that is named for this request may and can answer it ({told}): relax what it requires, or name "
        "another model in the policy's fallback_chain",
        ErrorReason.NO_MODEL_FITS,
        metadata={skip.model: str(skip.reason) for skip in shown},
    )


def _nothing_works(fitting: Sequence[str], blocked: Blocked) -> FingerpostError:
    names = ", ".join(fitting[:MAX_UNFIT])
    waits = [blocked.retry_seconds[name] for name in fitting if name in blocked.retry_seconds]
    retry_after_ms = max(1, math.ceil(min(waits) * 1000)) if waits else None
    if blocked.rate_limited.issuperset(fitting):
        return Overloaded(
            f"the providers of all models that could answer ({names}) want no calls just now: retry later",
            ErrorReason.MODELS_RATE_LIMITED,
            metadata={"cause": "models_rate_limited"},
            retry_after_ms=retry_after_ms,
        )
    return Unavailable(
        f"all models that could answer ({names}) are failing: retry later, or see `fingerpost breaker`",
        ErrorReason.NO_HEALTHY_MODEL,
        metadata={name: str(SkipReason.BREAKER_OPEN) for name in fitting[:MAX_UNFIT]},
        retry_after_ms=retry_after_ms,
    )
