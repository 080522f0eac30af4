"""Score: what is for each route? The neighbours' similarity-weighted vote, blended with the linear head."""

import math
from collections.abc import Sequence

from fingerpost.types import OUT_OF_SCOPE, Exemplar, Found, Neighbour, RouteScore, Scorer, Scores, VoteParameters

DEFAULT_VOTE = VoteParameters(neighbours=20, temperature=0.1)
"""Measured on validation splits of public sets: docs/decisions/0003-similarity-vote.md."""

EXACT_SIMILARITY = 1.0 - 1e-5
"""A cosine of float32 unit vectors of equal texts differs from 1 by less than this; of different texts by more."""


def score(found: Found, exemplars: Sequence[Exemplar], vote: VoteParameters, blend: float = 1.0) -> Scores:
    """Blend two opinions: `blend` of the neighbours' vote, the rest of the head's probability.

    Each neighbour votes for its route with weight exp((similarity - nearest similarity) / temperature); out-of-scope
    texts vote too, for no route, so they lower every share. When some neighbours equal the text, only they vote and
    the head is not asked.

    Args:
        found: Neighbours nearest first, maybe none, and the head's reading where there is a head.
        exemplars: All exemplars of the revision, by id.
        vote: Temperature, above 0.
        blend: [0, 1]; without a reading the vote decides alone.

    Returns:
        Routes by score, then similarity, then place in the catalog: a total order. Scores lie in [0, 1].
    """
    exact = _exact(found.neighbours)
    shares = _shares(exact or found.neighbours, exemplars, vote.temperature)
    probabilities = None if exact or found.reading is None else found.reading.probabilities
    nearest = _nearest(found.neighbours, exemplars)
    out_of_scope = nearest.pop(OUT_OF_SCOPE, None)
    routes = []
    for route, similarity in (*nearest.items(), *found.proposed.items()):
        votes = shares.get(route, 0.0)
        value = votes if probabilities is None else blend * votes + (1.0 - blend) * float(probabilities[route])
        routes.append(RouteScore(route, value, similarity, bool(exact) and route in shares, votes))
    routes.sort(key=lambda s: (-s.score, -s.similarity, s.route))
    return Scores(tuple(routes), out_of_scope, found.reading)


def scorer_name(blend: float) -> str:
    """The scorer that a blend amounts to."""
    if blend in (0.0, 1.0):
        return (Scorer.VOTE if blend else Scorer.LINEAR).value
    return Scorer.AUTO.value


def _exact(neighbours: Sequence[Neighbour]) -> list[Neighbour]:
    return [n for n in neighbours if n.similarity >= EXACT_SIMILARITY]


def _shares(voters: Sequence[Neighbour], exemplars: Sequence[Exemplar], temperature: float) -> dict[int, float]:
    if not voters:
        return {}
    top = voters[0].similarity
    weights: dict[int, float] = {}
    for voter in voters:
        route = exemplars[voter.exemplar].route
        weights[route] = weights.get(route, 0.0) + math.exp((voter.similarity - top) / temperature)
    total = sum(weights.values())
    return {route: weight / total for route, weight in weights.items()}


def _nearest(neighbours: Sequence[Neighbour], exemplars: Sequence[Exemplar]) -> dict[int, float]:
    """Similarity of each route's nearest utterance among the neighbours."""
    nearest: dict[int, float] = {}
    for neighbour in neighbours:
        nearest.setdefault(exemplars[neighbour.exemplar].route, neighbour.similarity)
    return nearest
