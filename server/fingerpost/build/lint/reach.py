"""Reach: how sure can a decision for a route become? The most that its own utterances and tests get."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.held_out import nearest_rows
from fingerpost.build.judging import Judged
from fingerpost.serve.calibrate import judge
from fingerpost.serve.head import read
from fingerpost.serve.score import score
from fingerpost.serve.search import best_routes
from fingerpost.types import Decider, Exemplar, Found, Head, Judgement, Vectors

MAX_ASKED = 1_000
"""Utterances of a route that are asked at most, evenly picked: some 0.3 ms each."""

_BLOCK = 256


@dataclass(frozen=True, slots=True, eq=False)
class Deciding:
    """What decides, of a published revision or of one that is being built."""

    decider: Decider
    exemplars: Sequence[Exemplar]
    vectors: Vectors  # one for each exemplar: float32 unit rows
    head: Head | None
    judged: Sequence[Judged]  # the route files' tests


@dataclass(frozen=True, slots=True)
class Reach:
    """The highest confidence for a route among its texts, and how many were asked until it was enough."""

    confidence: float
    asked: int


def reach(route: int, enough: float, deciding: Deciding) -> Reach | None:
    """How sure a route gets; None where it has no texts or what decides tells no confidence.

    An utterance is asked without itself among the exemplars, but by a head that was trained on it: if that is not sure
    enough, a text that was never seen is not either.

    Args:
        route: Its number in the decider.
        enough: [0, 1]; nothing more is asked once a text gets so much.
        deciding: What decides.
    """
    highest, asked = -1.0, 0
    for judgement in _judgements(route, deciding):
        confidence = next((one.confidence for one in judgement.candidates if one.route == route), 0.0)
        if confidence is None:
            return None
        highest, asked = max(highest, confidence), asked + 1
        if highest >= enough:
            break
    return Reach(highest, asked) if asked else None


def _judgements(route: int, deciding: Deciding) -> Iterator[Judgement]:
    """Of the tests, then of the utterances."""
    name = deciding.decider.routes[route].name
    yield from (judged.judgement for judged in deciding.judged if judged.case.route == name)
    routes = np.array([exemplar.route for exemplar in deciding.exemplars], dtype=np.int64)
    rows = np.flatnonzero(routes == route)
    rows = rows[:: max(1, -(-len(rows) // MAX_ASKED))]
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        similarities = deciding.vectors[block] @ deciding.vectors.T
        similarities[np.arange(len(block)), block] = -1.0  # itself
        for row, near in zip(block.tolist(), similarities, strict=True):
            found = _found(row, near, routes, deciding)
            scores = score(found, deciding.exemplars, deciding.decider.vote, deciding.decider.blend)
            yield judge(scores, deciding.decider)


def _found(row: int, similarities: NDArray[np.float32], routes: NDArray[np.int64], deciding: Deciding) -> Found:
    """What `serve.search.find` would give, were the exemplar of that row not there."""
    neighbours = nearest_rows(similarities, routes, deciding.decider.vote.neighbours)
    if deciding.head is None:
        return Found(neighbours)
    reading = read(deciding.head, deciding.vectors[row])
    seen = {int(routes[neighbour.exemplar]) for neighbour in neighbours}
    own = {one: similarities[routes == one] for one in best_routes(reading) if one not in seen}
    return Found(neighbours, reading, {one: float(near.max()) for one, near in own.items() if len(near)})
