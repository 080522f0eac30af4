"""Held out: how would texts be scored that the scorer has never seen? What the maps and the threshold learn from.

In scope are the utterances, each scored by all the others of other folds. Out of scope are the catalog's own
`_out_of_scope.yaml` where it has enough texts; else, half and half, texts that belong to no route of any catalog (the
background: far away) and utterances of routes that were left out as a whole (near by).
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.linear import train_head
from fingerpost.build.recipe import Chosen, Part, Texts, part_of
from fingerpost.ports import Progress
from fingerpost.serve.calibrate import FEATURES, SCOPE_FEATURES, features, scope_features
from fingerpost.serve.head import read
from fingerpost.serve.score import score
from fingerpost.serve.search import best_routes
from fingerpost.types import OUT_OF_SCOPE, Exemplar, Found, Head, Neighbour, Reading, Vectors, VoteParameters

MIN_OUT_OF_SCOPE = 30
"""Out-of-scope texts of the catalog under which others stand in for them."""

_MIN_SHARE, _MAX_SHARE = 0.001, 0.999  # a share of 0 or 1 has no log-odds


@dataclass(frozen=True, slots=True)
class Sample:
    """Scored texts, as arrays of n rows; `best` numbers the best route."""

    pick: NDArray[np.float64]  # (n, FEATURES) of the best route
    scope: NDArray[np.float64]  # (n, SCOPE_FEATURES)
    best: NDArray[np.int64]
    inside: NDArray[np.bool_]
    right: NDArray[np.bool_]  # in scope, and the best route is the text's own
    weights: NDArray[np.float64]  # to the expected share of out-of-scope texts, mean 1
    source: NDArray[np.int64]  # where a text comes from: texts of one source weigh the same
    second: NDArray[np.float64]  # (n, FEATURES) of the second best route; of the best again where there is none
    second_best: NDArray[np.int64]  # its number; -1: there is none

    @property
    def in_scope_count(self) -> int:
        return int(self.inside.sum())

    def take(self, rows: NDArray[np.bool_]) -> "Sample":
        return Sample(
            self.pick[rows],
            self.scope[rows],
            self.best[rows],
            self.inside[rows],
            self.right[rows],
            self.weights[rows],
            self.source[rows],
            self.second[rows],
            self.second_best[rows],
        )


@dataclass(frozen=True, slots=True)
class Outside:
    """Vectors of texts that belong to no route: shape (m, dim), float32, unit rows."""

    own: Vectors  # of the catalog
    background: Vectors


@dataclass(slots=True)
class _Rows:
    """Scored texts as they come."""

    pick: list[tuple[float, ...]] = field(default_factory=list)
    scope: list[tuple[float, ...]] = field(default_factory=list)
    best: list[int] = field(default_factory=list)
    truth: list[int] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    second: list[tuple[float, ...]] = field(default_factory=list)
    second_best: list[int] = field(default_factory=list)


NO_ROUTE = -1  # where there is no second best

INSIDE, OWN, BACKGROUND, LEFT_OUT = range(4)
"""Where a held-out text comes from: a route, the catalog's out-of-scope texts, the background, a route left out."""


def collect(
    texts: Texts, outside: Outside, chosen: Chosen, vote: VoteParameters, share: float, progress: Progress
) -> Sample:
    """Score held-out texts of every kind as the server would.

    Args:
        texts: Utterances.
        outside: Out-of-scope texts.
        chosen: The recipe, and a head for each fold that is to be scored.
        vote: How neighbours vote.
        share: [0, 1]; of out-of-scope texts in the expected traffic.
        progress: Advances by one a fold and a group of left-out routes.
    """
    rows = _Rows()
    turns = max(len(chosen.heads), 1)
    own_turns, background_turns = np.arange(len(outside.own)) % turns, np.arange(len(outside.background)) % turns
    for turn, (fold, linear) in enumerate(chosen.heads.items()):
        part = part_of(texts, texts.held.folds != fold)
        head = train_head(linear, part.vectors, part.routes)
        pool = _Pool(part, outside.own[own_turns != turn], head, chosen.recipe.blend, vote)
        asked = np.flatnonzero((texts.held.folds == fold) & np.isin(texts.routes, part.present))
        pool.score(texts.vectors[asked], texts.routes[asked], INSIDE, rows)
        pool.score(outside.own[own_turns == turn], None, OWN, rows)
        pool.score(outside.background[background_turns == turn], None, BACKGROUND, rows)
        progress.advance()
    if len(outside.own) < MIN_OUT_OF_SCOPE:
        groups = texts.held.left_out
        parts = [part_of(texts, ~group) for group in groups]
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:  # each fit keeps to one
            linears = list(threads.map(lambda part: part.train(chosen.recipe.settings), parts))
        for group, part, linear in zip(groups, parts, linears, strict=True):
            head = train_head(linear, part.vectors, part.routes)
            _Pool(part, outside.own, head, chosen.recipe.blend, vote).score(texts.vectors[group], None, LEFT_OUT, rows)
            progress.advance()
    return _sample(rows, share)


def steps(texts: Texts, outside: Outside) -> int:
    """How often `collect` advances the progress."""
    return len(texts.held.turns) + (len(texts.held.left_out) if len(outside.own) < MIN_OUT_OF_SCOPE else 0)


def clear_of(background: Vectors, utterances: Vectors) -> Vectors:
    """Background texts that are no nearer to any utterance than half of the utterances are to their nearest other."""
    if len(utterances) < 2 or not len(background):
        return background
    among = utterances[:: max(1, len(utterances) // 1000)] @ utterances.T
    among[among > 1 - 1e-5] = -1.0  # itself
    typical = float(np.median(among.max(axis=1)))
    clear: Vectors = background[(background @ utterances.T).max(axis=1) < typical]
    return clear


class _Pool:
    """Part of the catalog as if it were the whole: what a held-out text meets."""

    def __init__(self, part: Part, own_outside: Vectors, head: Head, blend: float, vote: VoteParameters) -> None:
        order = np.argsort(part.routes, kind="stable")
        numbers = [*part.routes[order].tolist(), *[OUT_OF_SCOPE] * len(own_outside)]
        self._vectors = np.concatenate([part.vectors[order], own_outside])
        self._routes = np.array(numbers, dtype=np.int64)
        self._starts = np.searchsorted(part.routes[order], np.arange(len(part.present)))
        self._routed = len(order)
        self._exemplars = [Exemplar("", number) for number in numbers]
        self._present, self._head, self._blend, self._vote = part.present, head, blend, vote

    def score(
        self,
        vectors: Vectors,
        truth: NDArray[np.int64] | None,
        kind: int,
        rows: _Rows,
    ) -> None:
        for start in range(0, len(vectors), 512):
            block = vectors[start : start + 512]
            similarities = block @ self._vectors.T
            nearest = np.maximum.reduceat(similarities[:, : self._routed], self._starts, axis=1)
            for place, vector in enumerate(block):
                found = self._found(similarities[place], nearest[place], read(self._head, vector))
                scores = score(found, self._exemplars, self._vote, self._blend)
                rows.pick.append(features(scores, 0))
                rows.scope.append(scope_features(scores))
                rows.best.append(int(self._present[scores.routes[0].route]))
                rows.truth.append(OUT_OF_SCOPE if truth is None else int(truth[start + place]))
                rows.kind.append(kind)
                rivals = len(scores.routes) > 1
                rows.second.append(features(scores, 1 if rivals else 0))
                rows.second_best.append(int(self._present[scores.routes[1].route]) if rivals else NO_ROUTE)

    def _found(self, similarities: NDArray[np.float32], nearest: NDArray[np.float32], reading: Reading) -> Found:
        """What `serve.search.find` would give."""
        neighbours = nearest_rows(similarities, self._routes, self._vote.neighbours)
        seen = {self._exemplars[n.exemplar].route for n in neighbours}
        proposed = {route: float(nearest[route]) for route in best_routes(reading) if route not in seen}
        return Found(neighbours, reading, proposed)


def nearest_rows(similarities: NDArray[np.float32], routes: NDArray[np.int64], count: int) -> list[Neighbour]:
    """What `serve.search.search` would find: the nearest, and one of a route when there is none among them."""
    count = min(count, len(similarities))
    ids = np.argpartition(-similarities, count - 1)[:count]
    routed = np.flatnonzero(routes != OUT_OF_SCOPE)
    if len(routed) and (routes[ids] == OUT_OF_SCOPE).all():
        ids = np.append(ids, routed[np.argmax(similarities[routed])])
    order = np.lexsort((ids, -similarities[ids]))
    return [Neighbour(int(i), float(similarities[i])) for i in ids[order]]


def _sample(rows: _Rows, share: float) -> Sample:
    count = len(rows.kind)
    kind, best, truth = (np.array(values, dtype=np.int64) for values in (rows.kind, rows.best, rows.truth))
    inside = kind == INSIDE
    return Sample(
        pick=np.array(rows.pick, dtype=np.float64).reshape(count, len(FEATURES)),
        scope=np.array(rows.scope, dtype=np.float64).reshape(count, len(SCOPE_FEATURES)),
        best=best,
        inside=inside,
        right=inside & (best == truth),
        weights=_weights(kind, share),
        source=kind,
        second=np.array(rows.second, dtype=np.float64).reshape(count, len(FEATURES)),
        second_best=np.array(rows.second_best, dtype=np.int64),
    )


def _weights(kind: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """The kinds together weigh what is expected of the traffic; the mean is 1."""
    counts = {one: int((kind == one).sum()) for one in (OWN, BACKGROUND, LEFT_OUT)}
    sources = [(OWN,)] if counts[OWN] >= MIN_OUT_OF_SCOPE else [(OWN, BACKGROUND), (LEFT_OUT,)]
    groups = [np.isin(kind, source) for source in sources]
    groups = [group for group in groups if group.any()]
    weights = np.zeros(len(kind))
    inside = kind == INSIDE
    expected = clipped(share) if groups else 0.0
    if inside.any():
        weights[inside] = (1.0 - expected) / inside.sum()
    for group in groups:
        weights[group] = expected / len(groups) / group.sum()
    return weights * len(kind)


def clipped(share: float) -> float:
    """A share that has log-odds."""
    return min(max(share, _MIN_SHARE), _MAX_SHARE)
