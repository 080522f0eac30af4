"""Decide: which model, and why? One pure function of what was found and what the policy says."""

from collections.abc import Sequence

from fingerpost.types import Calibration, Candidate, Decider, Decision, Judgement, Outcome, Reason

_AMBIGUOUS_RATIO = 0.5
"""Two routes count as about equally near when the second has at least this share of the first one's vote."""


def decide(judgement: Judgement, decider: Decider, session_route: str | None = None) -> Decision:
    """Take the best route when it is sure enough or the text is one of its utterances, else the fallback model.

    Args:
        judgement: What the exemplars say about the text.
        decider: Thresholds and models.
        session_route: Kept instead of a fallback when the text is near it and not out of scope; None: decide alone.
    """
    if not judgement.candidates:
        return fall_back(decider, _reasons_without_route(judgement), calibration=judgement.calibration)
    best = judgement.candidates[0]
    threshold = decider.routes[best.route].threshold
    if best.exact or _accepted(best, judgement, decider, threshold):
        return _match(best, judgement, decider, _reasons_for(best, judgement))
    reasons = _reasons_against(judgement, decider)
    kept = None if Reason.OUT_OF_SCOPE in reasons else _candidate_of(session_route, judgement, decider)
    if kept is not None:
        return _match(kept, judgement, decider, (Reason.SESSION, *reasons))
    return fall_back(
        decider,
        reasons,
        best=best,
        threshold=threshold,
        margin=margin(judgement.candidates),
        calibration=judgement.calibration,
    )


def fall_back(
    decider: Decider,
    reasons: Sequence[Reason],
    *,
    best: Candidate | None = None,
    threshold: float | None = None,
    margin: float | None = None,
    calibration: Calibration = Calibration.NONE,
    degraded: bool = False,
) -> Decision:
    """The fallback model, with what is known of the best route."""
    policy = decider.policy
    return Decision(
        outcome=Outcome.FALLBACK,
        model=policy.fallback_model,
        upstream_model=decider.models[policy.fallback_model].upstream_model,
        route=None,
        confidence=best.confidence if best else None,
        threshold=decider.threshold if threshold is None else threshold,
        margin=margin,
        similarity=best.similarity if best else None,
        calibration=calibration,
        reasons=tuple(reasons),
        fallback_models=_others(decider, policy.fallback_model),
        degraded=degraded,
    )


def margin(candidates: Sequence[Candidate]) -> float | None:
    """Best confidence minus the second best, [0, 1]; the best itself when there is no second; None uncalibrated."""
    best = candidates[0].confidence
    if best is None:
        return None
    second = candidates[1].confidence if len(candidates) > 1 else None
    return best - (second or 0.0)


def _accepted(best: Candidate, judgement: Judgement, decider: Decider, threshold: float) -> bool:
    if judgement.calibration is Calibration.NONE:
        return best.similarity >= decider.confidence_map.similarity_floor
    return best.confidence is not None and best.confidence >= threshold


def _candidate_of(name: str | None, judgement: Judgement, decider: Decider) -> Candidate | None:
    return next((c for c in judgement.candidates if decider.routes[c.route].name == name), None)


def _reasons_for(best: Candidate, judgement: Judgement) -> tuple[Reason, ...]:
    exact = (Reason.EXACT_MATCH,) if best.exact else ()
    return (*exact, Reason.UNCALIBRATED) if judgement.calibration is Calibration.NONE else exact


def _match(taken: Candidate, judgement: Judgement, decider: Decider, reasons: Sequence[Reason]) -> Decision:
    route, is_best = decider.routes[taken.route], taken is judgement.candidates[0]
    return Decision(
        outcome=Outcome.MATCHED,
        model=route.model,
        upstream_model=decider.models[route.model].upstream_model,
        route=route.name,
        confidence=taken.confidence,
        threshold=route.threshold,
        margin=margin(judgement.candidates) if is_best else 0.0,
        similarity=taken.similarity,
        calibration=judgement.calibration,
        reasons=tuple(reasons),
        fallback_models=_others(decider, route.model),
    )


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


def _others(decider: Decider, model: str) -> tuple[str, ...]:
    """What to try when `model` fails: the fallback model, then its chain, each once."""
    chain = (decider.policy.fallback_model, *decider.policy.fallback_chain)
    return tuple(name for name in dict.fromkeys(chain) if name != model)
