"""Calibrate: how likely is the best route to be right? A logistic map from features to a probability."""

import math
from collections.abc import Sequence

from fingerpost.types import Calibration, Candidate, ConfidenceMap, Judgement, RouteScore, Scores

FEATURES = ("similarity", "agreement", "gap")
"""
similarity: of the route's nearest utterance, [-1, 1].
agreement: log-odds of the route's share of the vote, smoothed to about [-6.9, 6.9].
gap: similarity minus that of the nearest exemplar of anything else, [-2, 2]; 0 when nothing else is near.
"""

_SMOOTHING = 1e-3  # keeps the log-odds of a unanimous vote finite


def judge(scores: Scores, confidence_map: ConfidenceMap) -> Judgement:
    """Give every scored route its confidence.

    The map is fitted on best routes; a lower route's confidence comes from the same map and is held at or under the
    better ones', so that the margin is never negative.
    """
    candidates: list[Candidate] = []
    values = [features(scores, place) for place in range(len(scores.routes))]
    ceiling = 1.0
    for route, value in zip(scores.routes, values, strict=True):
        confidence = confidence_of(value, confidence_map)
        if confidence is not None:
            confidence = ceiling = min(confidence, ceiling)
        candidates.append(Candidate(route.route, route.score, route.similarity, confidence, route.exact))
    best = values[0] if values else ()
    return Judgement(tuple(candidates), best, confidence_map.calibration, scores.out_of_scope_similarity)


def features(scores: Scores, place: int) -> tuple[float, ...]:
    """`FEATURES` of the route at `place` in the ranking."""
    route = scores.routes[place]
    other = _nearest_other(scores, route)
    agreement = math.log((route.score + _SMOOTHING) / (1.0 - route.score + _SMOOTHING))
    return (route.similarity, agreement, 0.0 if other is None else route.similarity - other)


def confidence_of(values: Sequence[float], confidence_map: ConfidenceMap) -> float | None:
    """Probability, [0, 1]; None when the map holds no calibration."""
    if confidence_map.calibration is Calibration.NONE:
        return None
    return sigmoid(log_odds(values, confidence_map))


def log_odds(values: Sequence[float], confidence_map: ConfidenceMap) -> float:
    return confidence_map.intercept + sum(contributions(values, confidence_map))


def contributions(values: Sequence[float], confidence_map: ConfidenceMap) -> tuple[float, ...]:
    """What each feature adds to the log-odds."""
    return tuple(weight * value for weight, value in zip(confidence_map.weights, values, strict=True))


def sigmoid(value: float) -> float:
    """Logistic function without overflow."""
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    grown = math.exp(value)
    return grown / (1.0 + grown)


def _nearest_other(scores: Scores, route: RouteScore) -> float | None:
    others = [other.similarity for other in scores.routes if other.route != route.route]
    if scores.out_of_scope_similarity is not None:
        others.append(scores.out_of_scope_similarity)
    return max(others, default=None)
