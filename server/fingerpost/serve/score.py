"""Score: what do the neighbours say per route? Similarity-weighted vote, training-free."""

import math
from collections.abc import Sequence

from fingerpost.types import OUT_OF_SCOPE, Exemplar, Neighbour, RouteScore, Scores, VoteParameters

DEFAULT_VOTE = VoteParameters(neighbours=20, temperature=0.1)
"""Measured on validation splits of public sets: docs/decisions/0003-similarity-vote.md."""

EXACT_SIMILARITY = 1.0 - 1e-5
"""A cosine of float32 unit vectors of equal texts differs from 1 by less than this; of different texts by more."""


def score(neighbours: Sequence[Neighbour], exemplars: Sequence[Exemplar], vote: VoteParameters) -> Scores:
    """Let each neighbour vote for its route with weight exp((similarity - nearest similarity) / temperature).

    A route's score is its share of all votes, [0, 1]; out-of-scope texts vote too, for no route, so they lower every
    share. When some neighbours equal the text, only they vote.

    Args:
        neighbours: Nearest first; may be empty.
        exemplars: All exemplars of the revision, by id.
        vote: Temperature, above 0.

    Returns:
        Routes by score, then similarity, then place in the catalog: a total order.
    """
    voters = _exact(neighbours) or neighbours
    shares = _shares(voters, exemplars, vote.temperature)
    exact = voters is not neighbours
    nearest = _nearest(neighbours, exemplars)
    out_of_scope = nearest.pop(OUT_OF_SCOPE, None)
    routes = [
        RouteScore(route, shares.get(route, 0.0), similarity, exact and route in shares)
        for route, similarity in nearest.items()
    ]
    routes.sort(key=lambda s: (-s.score, -s.similarity, s.route))
    return Scores(tuple(routes), out_of_scope)


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
