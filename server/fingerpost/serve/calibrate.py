"""Calibrate: how likely is the best route to be right?

Confidence is a product of two logistic maps: the chance that the text is in scope, by evidence that needs no route's
name, times the chance that the route is the right one if it is. Keeping them apart lets the first follow the share of
out-of-scope traffic and tells which of the two is missing.
"""

import math
from collections.abc import Sequence

from fingerpost.types import (
    Calibration,
    Candidate,
    ConfidenceMap,
    Decider,
    Found,
    Judgement,
    RouteScore,
    ScopeMap,
    Scores,
)

FEATURES = ("similarity", "agreement", "gap")
"""
similarity: of the route's nearest utterance, [-1, 1].
agreement: log-odds of the route's score, smoothed to about [-6.9, 6.9].
gap: similarity minus that of the nearest exemplar of anything else, [-2, 2]; 0 when nothing else is near.
"""

SCOPE_FEATURES = ("scope_similarity", "scope_agreement", "scope_votes", "scope_energy", "scope_closeness")
"""
scope_similarity: of the nearest utterance of any route, [-1, 1].
scope_agreement: log-odds of the best route's score, smoothed as above.
scope_votes: share of the neighbours' vote that went to the best route, [0, 1].
scope_energy, scope_closeness: of the head's reading (`serve.head`).
"""

_SMOOTHING = 1e-3  # keeps the log-odds of a unanimous vote finite


FOREIGN_LOG_ODDS = -2.0
"""What a language that neither the catalog nor the encoder knows adds to the log-odds of being in scope: there both
maps, fitted on the catalog's own language, are too sure. Measured: docs/decisions/0009-spelling.md."""


def judge(
    scores: Scores, decider: Decider, out_of_scope_share: float | None = None, *, foreign: bool = False
) -> Judgement:
    """Give every scored route its confidence.

    The maps are fitted on best routes; a lower route's confidence comes from the same maps and is held at or under the
    better ones', so that the margin is never negative.

    Args:
        scores: Routes, best first.
        decider: The maps.
        out_of_scope_share: (0, 1); what is expected of the traffic now; None: what the revision expects.
        foreign: The text is in a language that neither the catalog nor the encoder knows.
    """
    confidence_map = decider.confidence_map
    scope = scope_features(scores) if decider.scope_map and scores.routes else ()
    in_scope = None
    if decider.scope_map and scope:
        in_scope = in_scope_of(scope, decider.scope_map, out_of_scope_share, foreign=foreign)
    candidates: list[Candidate] = []
    rivals = _two_nearest(scores)
    values = [_features(route, rivals) for route in scores.routes]
    ceiling = 1.0 if in_scope is None else in_scope
    for route, value in zip(scores.routes, values, strict=True):
        confidence = confidence_of(value, confidence_map, route.route)
        if confidence is not None:
            confidence = ceiling = min(confidence if in_scope is None else confidence * in_scope, ceiling)
        candidates.append(Candidate(route.route, route.score, route.similarity, confidence, route.exact))
    return Judgement(
        candidates=tuple(candidates),
        features=values[0] if values else (),
        calibration=_calibration(scores, confidence_map),
        out_of_scope_similarity=scores.out_of_scope_similarity,
        scope_features=scope,
        in_scope=None if confidence_map.calibration is Calibration.NONE else in_scope,
    )


def surest(views: Sequence[tuple[Found, Judgement]]) -> tuple[Found, Judgement]:
    """Of several views of one text, the one whose best route is surest, or nearest where nothing is calibrated.

    The first is the text as a whole; where that equals an utterance no part of it can say otherwise.
    """
    whole = views[0][1].candidates
    if whole and whole[0].exact:
        return views[0]
    return max(views, key=lambda view: _sureness(view[1]))


def _sureness(judgement: Judgement) -> tuple[float, float]:
    if not judgement.candidates:
        return (-1.0, -1.0)
    best = judgement.candidates[0]
    return (-1.0 if best.confidence is None else best.confidence, best.similarity)


def features(scores: Scores, place: int) -> tuple[float, ...]:
    """`FEATURES` of the route at `place` in the ranking."""
    return _features(scores.routes[place], _two_nearest(scores))


def _features(route: RouteScore, nearest: Sequence[float]) -> tuple[float, ...]:
    others = [similarity for similarity in nearest if similarity != route.similarity]
    if len(nearest) == 2 and not others:
        others = [route.similarity]  # two equally near: the other one is the rival
    return (route.similarity, _log_odds_of(route.score), route.similarity - others[0] if others else 0.0)


def _two_nearest(scores: Scores) -> list[float]:
    """The two greatest similarities of routes and of the nearest out-of-scope text: what a route's gap is taken to."""
    similarities = [route.similarity for route in scores.routes]
    if scores.out_of_scope_similarity is not None:
        similarities.append(scores.out_of_scope_similarity)
    return sorted(similarities, reverse=True)[:2]


def scope_features(scores: Scores) -> tuple[float, ...]:
    """`SCOPE_FEATURES` of scored routes, at least one."""
    best, reading = scores.routes[0], scores.reading
    return (
        max(route.similarity for route in scores.routes),
        _log_odds_of(best.score),
        best.votes,
        0.0 if reading is None else reading.energy,
        0.0 if reading is None else reading.closeness,
    )


def confidence_of(values: Sequence[float], confidence_map: ConfidenceMap, route: int) -> float | None:
    """Probability, [0, 1], that the route is right if the text is in scope; None when there is no calibration."""
    if confidence_map.calibration is Calibration.NONE:
        return None
    offset = confidence_map.route_offsets[route] if confidence_map.route_offsets else 0.0
    return sigmoid(log_odds(values, confidence_map) + offset)


def in_scope_of(
    values: Sequence[float], scope_map: ScopeMap, out_of_scope_share: float | None = None, *, foreign: bool = False
) -> float:
    """Probability, [0, 1], that the text is in scope where `out_of_scope_share` of all texts, (0, 1), are not.

    Another share moves the log-odds by the change of the prior's (Saerens et al. 2002, "Adjusting the Outputs of a
    Classifier to New a Priori Probabilities").
    """
    shift = FOREIGN_LOG_ODDS if foreign else 0.0
    if out_of_scope_share is not None:
        shift += share_log_odds(out_of_scope_share, scope_map)
    return sigmoid(log_odds(values, scope_map) + shift)


def log_odds(values: Sequence[float], one_map: ConfidenceMap | ScopeMap) -> float:
    return one_map.intercept + sum(contributions(values, one_map))


def contributions(values: Sequence[float], one_map: ConfidenceMap | ScopeMap) -> tuple[float, ...]:
    """What each feature adds to the log-odds."""
    return tuple(weight * value for weight, value in zip(one_map.weights, values, strict=True))


def sigmoid(value: float) -> float:
    """Logistic function without overflow."""
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    grown = math.exp(value)
    return grown / (1.0 + grown)


def share_log_odds(out_of_scope_share: float, scope_map: ScopeMap) -> float:
    """What another share than the map's adds to the log-odds of being in scope."""
    return _prior_log_odds(out_of_scope_share) - _prior_log_odds(scope_map.out_of_scope_share)


def _prior_log_odds(out_of_scope_share: float) -> float:
    return math.log((1.0 - out_of_scope_share) / out_of_scope_share)


def _log_odds_of(share: float) -> float:
    return math.log((share + _SMOOTHING) / (1.0 - share + _SMOOTHING))


def _calibration(scores: Scores, confidence_map: ConfidenceMap) -> Calibration:
    if scores.routes and scores.routes[0].route in confidence_map.fitted_routes:
        return Calibration.FITTED
    return confidence_map.calibration
