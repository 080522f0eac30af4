"""Explain: one decision in words."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fingerpost.serve.inventory import both, why_not
from fingerpost.serve.pipeline import Answer
from fingerpost.serve.select import EXPECTED_OUTPUT_TOKENS, quality_of
from fingerpost.types import OUT_OF_SCOPE, Calibration, Outcome, Reason, SkipReason

_REASONS = {
    Reason.LOW_CONFIDENCE: "no route is sure enough",
    Reason.AMBIGUOUS: "two routes are about equally near",
    Reason.OUT_OF_SCOPE: "the text resembles no route's utterances enough",
    Reason.BREAKER_OPEN: "the route's model is failing",
    Reason.BUDGET_EXHAUSTED: "the budget is spent",
    Reason.ENCODER_UNAVAILABLE: "the encoder gave no vector",
    Reason.DEADLINE_SHORT: "too little time was left",
    Reason.NO_EXEMPLARS: "the catalog has no utterances",
    Reason.UNCALIBRATED: "the catalog is too small for a calibrated confidence",
    Reason.EXACT_MATCH: "the text equals one of its utterances",
    Reason.SESSION: "the session keeps its last route",
    Reason.MODEL_PASSED_OVER: "a model that would have come first may not or cannot answer",
    Reason.ESCALATION_LIMIT: "the strong tier has had its share of the traffic",
    Reason.SESSION_MODEL: "the session keeps its model",
    Reason.EXPERIMENT: "an experiment's arm decides otherwise",
    Reason.RULE_UNJUDGED: "a final rule could not be judged, so its strict reading holds",
}

_SKIPS = {
    SkipReason.FORBIDDEN: "a rule forbids it",
    SkipReason.NOT_ALLOWED: "a rule requires others",
    SkipReason.CAPABILITY: "it lacks a capability",
    SkipReason.REGION: "it runs elsewhere",
    SkipReason.LANGUAGE: "it is not good at the language",
    SkipReason.CONTEXT_WINDOW: "request and answer do not fit into its context window",
    SkipReason.OUTPUT_LIMIT: "the answer may be longer than its answers can be",
    SkipReason.QUALITY_FLOOR: "its quality is under the route's floor",
    SkipReason.ESCALATION_LIMIT: "the strong tier has had its share of the traffic",
    SkipReason.BREAKER_OPEN: "its calls fail, or somebody opened its breaker",
    SkipReason.BUDGET: "a budget has too little left for it",
}


@dataclass(frozen=True, slots=True)
class Considered:
    """A model of the catalog, and what speaks for or against it for one request."""

    model: str
    place: int  # in which it would be tried, from 1; 0: not at all
    skip: SkipReason | None
    cost_usd_micros: float | None
    quality: float | None  # [0, 1]
    latency_p50_ms: int | None


def summarise(answer: Answer) -> str:
    """One paragraph: what was decided, why, what was nearest, and how the text was read if not to the letter."""
    told = (_decision, _rules, _arm, _budgets, _why, _skipped, _nearest, _read)
    parts = (tell(answer) for tell in told)
    return " ".join(part for part in parts if part)


def considered_models(answer: Answer) -> list[Considered]:
    """All models of the catalog, those that would be tried first and in that order."""
    decision, situation, plan = answer.decision, answer.situation, answer.snapshot.plan
    tried = (decision.model, *decision.fallback_models)
    demands, known = both(situation.demands, situation.ruling.demands), dict(_known_skips(answer))
    route = None if decision.route is None else plan.decider.routes[plan.route_numbers[decision.route]]
    expected = route.selection.output_tokens if route else 0
    output = situation.asked.output_tokens or expected or EXPECTED_OUTPUT_TOKENS
    costs = plan.inventory.costs_usd_micros(situation.asked.input_tokens, output)
    rows = [
        Considered(
            model=model.name,
            place=tried.index(model.name) + 1 if model.name in tried else 0,
            skip=None if model.name in tried else known.get(model.name, why_not(model, demands)),
            cost_usd_micros=_number(cost),
            quality=None if route is None else _number(quality_of(model.quality, route.selection.task or route.name)),
            latency_p50_ms=model.latency_p50_ms,
        )
        for model, cost in zip(plan.inventory.models, costs.tolist(), strict=True)
    ]
    return sorted(rows, key=lambda row: (row.place == 0, row.place, row.model))


def _known_skips(answer: Answer) -> Iterator[tuple[str, SkipReason]]:
    return ((skip.model, skip.reason) for skip in answer.decision.skipped)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _decision(answer: Answer) -> str:
    decision = answer.decision
    if decision.outcome is Outcome.MATCHED:
        return f"Route {decision.route}, model {decision.model}."
    if decision.outcome is Outcome.RULE:
        return f"{f'Route {decision.route}' if decision.route else 'No route'}, model {decision.model}, by a rule."
    return f"Fallback to model {decision.model}: {'; '.join(_REASONS[r] for r in decision.reasons)}."


def _rules(answer: Answer) -> str:
    names = answer.decision.rules
    return f"Rules that took effect: {', '.join(names)}." if names else ""


def _arm(answer: Answer) -> str:
    arm = answer.decision.arm
    return "" if arm is None else f"Arm {arm.arm} of experiment {arm.experiment} ({arm.propensity:.0%} of units)."


def _budgets(answer: Answer) -> str:
    reserved, decision = answer.decided.reserved_usd_micros, answer.decision
    if reserved is None:
        return ""
    purses = answer.situation.accounts.of(decision.route, decision.model)
    names = ", ".join(purse.budget.name for purse in purses)
    return f"Reserved {reserved / 1e6:.6f} US dollars of the budget{'s' if len(purses) > 1 else ''} {names}."


def _skipped(answer: Answer) -> str:
    return " ".join(f"{skip.model} was passed over: {_SKIPS[skip.reason]}." for skip in answer.decision.skipped)


def _why(answer: Answer) -> str:
    decision, judgement = answer.decision, answer.judgement
    if judgement is None or not judgement.candidates or decision.outcome is Outcome.RULE:
        return ""
    if Reason.SESSION in decision.reasons:
        return "No route was sure enough, so the session keeps the route that it took last."
    best = answer.snapshot.decider.routes[judgement.candidates[0].route].name
    if decision.confidence is None:
        floor = answer.snapshot.decider.confidence_map.similarity_floor
        return f"Best route {best} has no calibrated confidence; it is taken from similarity {floor:.2f} on."
    verdict = "reaches" if decision.confidence >= decision.threshold else "is under"
    basis = " (by the encoder's shipped map)" if decision.calibration is Calibration.PRIOR else ""
    return (
        f"Best route {best} has confidence {decision.confidence:.2f}{basis}, which {verdict} "
        f"the threshold {decision.threshold:.2f}.{_otherwise(answer, best)}"
    )


def _otherwise(answer: Answer, best: str) -> str:
    """The threshold with which the decision would have been the other one."""
    decision, judgement = answer.decision, answer.judgement
    if decision.confidence is None or Reason.EXACT_MATCH in decision.reasons:
        return ""
    in_scope = None if judgement is None else judgement.in_scope
    scope = "" if in_scope is None else f" The text fits any route with chance {in_scope:.2f}."
    # Rounded so that the sentence is true of the number it shows.
    if decision.outcome is Outcome.MATCHED:
        above = math.ceil(decision.confidence * 100) / 100
        return f"{scope} It would have fallen back with a threshold above {above:.2f}."
    return f"{scope} It would have been accepted as {best} at {math.floor(decision.confidence * 100) / 100:.2f}."


def _nearest(answer: Answer) -> str:
    if answer.found is None or not answer.found.neighbours:
        return ""
    nearest = answer.found.neighbours[0]
    exemplar = answer.snapshot.exemplars[nearest.exemplar]
    of = "out of scope" if exemplar.route == OUT_OF_SCOPE else answer.snapshot.decider.routes[exemplar.route].name
    return f'Nearest utterance: "{_short(exemplar.text)}" ({of}, similarity {nearest.similarity:.2f}).'


def _read(answer: Answer) -> str:
    embedded = answer.retrieval.embedded if answer.retrieval else None
    if answer.retrieval and answer.retrieval.foreign:
        return "Most of its words are unknown, as in another language, which makes it less likely to be in scope."
    if embedded is None or embedded.truncated or embedded.text == answer.query.wanted:
        return ""
    return f'Read as "{_short(embedded.text)}".'


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"
