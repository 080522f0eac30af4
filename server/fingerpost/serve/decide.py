"""Decide: which model, and why? One pure function of what was found, what the policy says, and what is going on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.serve.inventory import both, why_not
from fingerpost.serve.plan import Plan
from fingerpost.serve.rules import NO_RULING, Ruling
from fingerpost.serve.select import MAX_UNFIT, Asked, Lineup, Ranked, rank
from fingerpost.types import (
    Calibration,
    Candidate,
    Decider,
    Decision,
    Demands,
    Judgement,
    Outcome,
    Reason,
    RoutePolicy,
    Skip,
    SkipReason,
)

_AMBIGUOUS_RATIO = 0.5
"""Two routes count as about equally near when the second has at least this share of the first one's vote."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision rests on beside the judgement and the plan."""

    demands: Demands = field(default_factory=Demands)  # the request's own
    asked: Asked = field(default_factory=Asked)
    ruling: Ruling = NO_RULING
    session_route: str | None = None  # kept instead of a fallback when the text is near it and not out of scope
    escalation_spent: bool = False  # the strong tier has had its share of the traffic
    degraded: Reason | None = None  # why there is no judgement where there should be one


PLAIN = Situation()


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a request goes, before a model is chosen; None of the best route where there are no scores."""

    outcome: Outcome
    route: RoutePolicy | None
    reasons: tuple[Reason, ...]
    threshold: float
    best: Candidate | None = None  # whose confidence the reply tells
    margin: float | None = None
    calibration: Calibration = Calibration.NONE


def decide(judgement: Judgement | None, plan: Plan, situation: Situation = PLAIN) -> Decision:
    """The route that a rule names or the best one if it is sure enough, else the fallback; of it the model that fits.

    Args:
        judgement: What the exemplars say about the text; None where rules settled it, or the encoder gave nothing.
        plan: Routes, models and policy.
        situation: The request's demands, what rules say of it, its session, and what the guards say.

    Raises:
        FailedPrecondition: NO_MODEL_FITS, no model that is named for the request may and can answer it.
    """
    way = _ruled(_unruled(judgement, plan.decider, situation), judgement, plan, situation.ruling)
    return _with_model(way, plan, situation)


def margin(candidates: Sequence[Candidate]) -> float | None:
    """Best confidence minus the second best, [0, 1]; the best itself when there is no second; None uncalibrated."""
    best = candidates[0].confidence
    if best is None:
        return None
    second = candidates[1].confidence if len(candidates) > 1 else None
    return best - (second or 0.0)


# --- The route ----------------------------------------------------------------------------------------------------


def _unruled(judgement: Judgement | None, decider: Decider, situation: Situation) -> _Way:
    """Where the request goes by similarity alone."""
    if judgement is None:
        cause = () if situation.degraded is None else (situation.degraded,)
        return _Way(Outcome.FALLBACK, None, cause, decider.threshold)
    if not judgement.candidates:
        reasons = _reasons_without_route(judgement)
        return _Way(Outcome.FALLBACK, None, reasons, decider.threshold, calibration=judgement.calibration)
    best = judgement.candidates[0]
    threshold = _threshold(best, decider, situation.ruling)
    if _accepted(best, judgement, decider, threshold, situation.ruling):
        return _taken(best, judgement, decider, threshold, _reasons_for(best, judgement))
    reasons = _reasons_against(judgement, decider)
    kept = None if Reason.OUT_OF_SCOPE in reasons else _candidate_of(situation.session_route, judgement, decider)
    if kept is not None and situation.ruling.min_confidence is None:
        return _taken(kept, judgement, decider, _threshold(kept, decider, NO_RULING), (Reason.SESSION, *reasons))
    return _Way(Outcome.FALLBACK, None, reasons, threshold, best, margin(judgement.candidates), judgement.calibration)


def _threshold(candidate: Candidate, decider: Decider, ruling: Ruling) -> float:
    """The route's own, or what a rule raises it to."""
    own = decider.routes[candidate.route].threshold
    return own if ruling.min_confidence is None else max(own, ruling.min_confidence)


def _accepted(best: Candidate, judgement: Judgement, decider: Decider, threshold: float, ruling: Ruling) -> bool:
    sure = best.confidence is not None and best.confidence >= threshold
    if ruling.min_confidence is not None:  # nothing else than a confidence satisfies a rule that asks for one
        return sure
    if best.exact:
        return True
    if judgement.calibration is Calibration.NONE:
        return best.similarity >= decider.confidence_map.similarity_floor
    return sure


def _taken(
    taken: Candidate, judgement: Judgement, decider: Decider, threshold: float, reasons: tuple[Reason, ...]
) -> _Way:
    route, is_best = decider.routes[taken.route], taken is judgement.candidates[0]
    gap = margin(judgement.candidates) if is_best else 0.0
    return _Way(Outcome.MATCHED, route, reasons, threshold, taken, gap, judgement.calibration)


def _ruled(way: _Way, judgement: Judgement | None, plan: Plan, ruling: Ruling) -> _Way:
    """Where the request goes when rules have their say."""
    if ruling.unjudged:
        way = replace(way, reasons=(*way.reasons, Reason.RULE_UNJUDGED))
    if not ruling.decides:
        return way
    if ruling.route is None:
        return replace(way, outcome=Outcome.RULE)
    route = plan.decider.routes[plan.route_numbers[ruling.route]]
    own = None if judgement is None else _candidate_of(route.name, judgement, plan.decider)
    is_best = own is not None and judgement is not None and own is judgement.candidates[0]
    reasons = tuple(reason for reason in way.reasons if reason in _KEPT_BY_RULES)
    return replace(
        way,
        outcome=Outcome.RULE,
        route=route,
        reasons=reasons,
        threshold=route.threshold,
        best=own,
        margin=way.margin if is_best else None,
    )


_KEPT_BY_RULES = {Reason.ENCODER_UNAVAILABLE, Reason.DEADLINE_SHORT, Reason.RULE_UNJUDGED}
"""Reasons that still stand when a rule names another route than similarity."""


def _candidate_of(name: str | None, judgement: Judgement, decider: Decider) -> Candidate | None:
    return next((c for c in judgement.candidates if decider.routes[c.route].name == name), None)


def _reasons_for(best: Candidate, judgement: Judgement) -> tuple[Reason, ...]:
    exact = (Reason.EXACT_MATCH,) if best.exact else ()
    return (*exact, Reason.UNCALIBRATED) if judgement.calibration is Calibration.NONE else exact


def _reasons_without_route(judgement: Judgement) -> tuple[Reason, ...]:
    out_of_scope = judgement.out_of_scope_similarity is not None
    return (Reason.OUT_OF_SCOPE,) if out_of_scope else (Reason.NO_EXEMPLARS,)


def _reasons_against(judgement: Judgement, decider: Decider) -> tuple[Reason, ...]:
    """Why the best route is not taken: the more telling reason first, then the plain one."""
    plain = Reason.UNCALIBRATED if judgement.calibration is Calibration.NONE else Reason.LOW_CONFIDENCE
    if _out_of_scope(judgement, decider):
        return (Reason.OUT_OF_SCOPE, plain)
    if _ambiguous(judgement.candidates):
        return (Reason.AMBIGUOUS, plain)
    return (plain,)


def _out_of_scope(judgement: Judgement, decider: Decider) -> bool:
    """Whether the text alone keeps the best route from being taken, however well the route fits among the others."""
    best = judgement.candidates[0]
    if judgement.out_of_scope_similarity is not None and judgement.out_of_scope_similarity >= best.similarity:
        return True
    if judgement.in_scope is not None:
        return judgement.in_scope < decider.routes[best.route].threshold
    return judgement.calibration is not Calibration.NONE and best.similarity < decider.confidence_map.similarity_floor


def _ambiguous(candidates: Sequence[Candidate]) -> bool:
    return len(candidates) > 1 and candidates[1].score >= _AMBIGUOUS_RATIO * candidates[0].score


# --- The model ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Choice:
    """Who may answer: everything that is named for a request, and what became of it."""

    named: tuple[str, ...]  # in the order in which they would be tried
    fitting: tuple[str, ...]  # of these
    ranked: Ranked  # of the route's own
    limited: frozenset[str]  # that the escalation limit keeps out
    demands: Demands


def _with_model(way: _Way, plan: Plan, situation: Situation) -> Decision:
    """The decision with the first model that may and can answer, and those to try next."""
    ruling = situation.ruling
    choice = _choice(way, plan, situation)
    tried = tuple(name for name in choice.fitting if name not in choice.limited) or choice.fitting
    skipped = tuple(islice(_skips(choice, tried, plan), MAX_UNFIT))
    if not tried:
        raise _nothing_fits(skipped)
    return Decision(
        outcome=way.outcome,
        model=tried[0],
        upstream_model=plan.decider.models[tried[0]].upstream_model,
        route=None if way.route is None else way.route.name,
        confidence=None if way.best is None else way.best.confidence,
        threshold=way.threshold,
        margin=way.margin,
        similarity=None if way.best is None else way.best.similarity,
        calibration=way.calibration,
        reasons=(*way.reasons, *_reasons_of_model(tried[0], way, choice, skipped, plan, ruling)),
        fallback_models=tried[1:],
        degraded=situation.degraded is not None,
        rules=ruling.rules,
        skipped=skipped,
        propensity=choice.ranked.propensity if tried[0] in choice.ranked.models[:1] else 1.0,
    )


def _choice(way: _Way, plan: Plan, situation: Situation) -> _Choice:
    ruling, inventory = situation.ruling, plan.inventory
    demands = both(situation.demands, ruling.demands)
    fits = inventory.fits(demands)
    ranked = Ranked(()) if way.route is None else rank(_lineup(way.route, plan), fits, situation.asked)
    named = tuple(_named(way, ranked, plan, ruling))
    fitting = tuple(name for name in named if fits[inventory.number[name]] or _may_by_final(name, plan, situation))
    return _Choice(named, fitting, ranked, _limited(way, plan, situation), demands)


def _lineup(route: RoutePolicy, plan: Plan) -> Lineup:
    return plan.lineups[plan.route_numbers[route.name]]


def _named(way: _Way, ranked: Ranked, plan: Plan, ruling: Ruling) -> Iterable[str]:
    """Each once: a rule's, the route's best and runners-up, its fallback, the policy's, those that rules require."""
    policy = plan.decider.policy
    ruled = () if ruling.model is None else (ruling.model,)
    fallback = () if way.route is None else way.route.fallback
    required = sorted(set().union(*ruling.demands.allowed))
    chain = (policy.fallback_model, *policy.fallback_chain)
    return dict.fromkeys((*ruled, *ranked.models, *fallback, *chain, *required))


def _may_by_final(name: str, plan: Plan, situation: Situation) -> bool:
    """Whether the model is a final rule's, which only what is final may keep from answering."""
    ruling = situation.ruling
    if not ruling.model_is_final or name != ruling.model:
        return False
    return why_not(plan.decider.models[name], both(situation.demands, ruling.final_demands)) is None


def _limited(way: _Way, plan: Plan, situation: Situation) -> frozenset[str]:
    """Models that a request which no route is sure of must leave alone now; rules and routes mean theirs, and go on."""
    limit = plan.decider.policy.escalation
    if limit is None or not situation.escalation_spent or way.outcome is not Outcome.FALLBACK:
        return frozenset()
    return frozenset(model.name for model in plan.inventory.models if model.tier == limit.tier)


def _skips(choice: _Choice, tried: Sequence[str], plan: Plan) -> Iterator[Skip]:
    """Models that were named for the request and will not answer it, the route's own first."""
    models = plan.decider.models
    for name in choice.ranked.unfit:
        if name not in choice.named:
            yield Skip(name, why_not(models[name], choice.demands) or SkipReason.QUALITY_FLOOR)
    for name in choice.named:
        if name not in tried:
            yield Skip(name, why_not(models[name], choice.demands) or SkipReason.ESCALATION_LIMIT)


def _reasons_of_model(
    model: str, way: _Way, choice: _Choice, skipped: Sequence[Skip], plan: Plan, ruling: Ruling
) -> Iterator[Reason]:
    """What beside the way led to this model."""
    if ruling.model is not None:
        first: tuple[str, ...] = (ruling.model,)
    elif way.route is not None:
        first = way.route.models or (way.route.model,)
    else:
        first = (plan.decider.policy.fallback_model,)
    if model != ruling.model and any(skip.model in first and skip.reason not in _MEANT for skip in skipped):
        yield Reason.MODEL_PASSED_OVER
    if not choice.limited.isdisjoint(choice.fitting):
        yield Reason.ESCALATION_LIMIT
    if choice.ranked.kept and model == choice.ranked.models[0]:
        yield Reason.SESSION_MODEL


_MEANT = {SkipReason.QUALITY_FLOOR, SkipReason.ESCALATION_LIMIT}
"""Skips that are a selection's or a limit's own working, not something that stood in a model's way."""


def _nothing_fits(skipped: Sequence[Skip]) -> FailedPrecondition:
    told = ", ".join(f"{skip.model}: {skip.reason}" for skip in skipped)
    return FailedPrecondition(
        f"no model that is named for this request may and can answer it ({told}): relax what it requires, or name "
        "another model in the policy's fallback_chain",
        ErrorReason.NO_MODEL_FITS,
        metadata={skip.model: str(skip.reason) for skip in skipped},
    )
