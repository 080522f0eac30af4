"""Decide: which model, and why? One pure function of what was found, what the policy says, and what is going on."""

from collections.abc import Sequence
from dataclasses import replace

from fingerpost.serve.choose import Way, choose
from fingerpost.serve.plan import Plan
from fingerpost.serve.rules import NO_RULING, Ruling
from fingerpost.serve.situation import PLAIN, Situation
from fingerpost.types import (
    Calibration,
    Candidate,
    Decider,
    Decision,
    Judgement,
    Outcome,
    Reason,
)

_AMBIGUOUS_RATIO = 0.5
"""Two routes count as about equally near when the second has at least this share of the first one's vote."""


def decide(judgement: Judgement | None, plan: Plan, situation: Situation = PLAIN) -> Decision:
    """The route that a rule names or the best one if it is sure enough, else the fallback; of it the model that fits.

    Args:
        judgement: What the exemplars say about the text; None where rules settled it, or the encoder gave nothing.
        plan: Routes, models and policy.
        situation: The request's demands, what rules say of it, its session, and what the guards say.

    Raises:
        FailedPrecondition, Unavailable, Overloaded, Short: see `serve.choose`.
    """
    way = _ruled(_unruled(judgement, plan.decider, situation), judgement, plan, situation.ruling)
    return choose(way, plan, situation)


def margin(candidates: Sequence[Candidate]) -> float | None:
    """Best confidence minus the second best, [0, 1]; the best itself when there is no second; None uncalibrated."""
    best = candidates[0].confidence
    if best is None:
        return None
    second = candidates[1].confidence if len(candidates) > 1 else None
    return best - (second or 0.0)


def _unruled(judgement: Judgement | None, decider: Decider, situation: Situation) -> Way:
    """Where the request goes by similarity alone."""
    if judgement is None:
        cause = () if situation.degraded is None else (situation.degraded,)
        return Way(Outcome.FALLBACK, None, cause, decider.threshold)
    if not judgement.candidates:
        reasons = _reasons_without_route(judgement)
        return Way(Outcome.FALLBACK, None, reasons, decider.threshold, calibration=judgement.calibration)
    best = judgement.candidates[0]
    threshold = _threshold(best, decider, situation.ruling)
    if _accepted(best, judgement, decider, threshold, situation.ruling):
        return _taken(best, judgement, decider, threshold, _reasons_for(best, judgement))
    reasons = _reasons_against(judgement, decider)
    kept = None if Reason.OUT_OF_SCOPE in reasons else _candidate_of(situation.session_route, judgement, decider)
    if kept is not None and situation.ruling.min_confidence is None:
        return _taken(kept, judgement, decider, _threshold(kept, decider, NO_RULING), (Reason.SESSION, *reasons))
    return Way(Outcome.FALLBACK, None, reasons, threshold, best, margin(judgement.candidates), judgement.calibration)


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
) -> Way:
    route, is_best = decider.routes[taken.route], taken is judgement.candidates[0]
    gap = margin(judgement.candidates) if is_best else 0.0
    return Way(Outcome.MATCHED, route, reasons, threshold, taken, gap, judgement.calibration)


def _ruled(way: Way, judgement: Judgement | None, plan: Plan, ruling: Ruling) -> Way:
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
