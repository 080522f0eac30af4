"""Explain: one decision in words."""

import math

from fingerpost.serve.pipeline import Answer
from fingerpost.types import OUT_OF_SCOPE, Calibration, Outcome, Reason

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
}


def summarise(answer: Answer) -> str:
    """One paragraph: what was decided, why, what was nearest, and how the text was read if not to the letter."""
    return " ".join(part for part in (_decision(answer), _why(answer), _nearest(answer), _read(answer)) if part)


def _decision(answer: Answer) -> str:
    decision = answer.decision
    if decision.outcome is Outcome.MATCHED:
        return f"Route {decision.route}, model {decision.model}."
    return f"Fallback to model {decision.model}: {'; '.join(_REASONS[r] for r in decision.reasons)}."


def _why(answer: Answer) -> str:
    decision, judgement = answer.decision, answer.judgement
    if judgement is None or not judgement.candidates:
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
