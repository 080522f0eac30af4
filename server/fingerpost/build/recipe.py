"""Recipe: how much vote, how much penalty, with or without the routes' names? Chosen by cross-validation.

Few utterances cannot tell good settings apart: what one fold likes best, the next does not. So all settings that are
not clearly worse than the best are kept and averaged (in the spirit of Breiman et al. 1984, the standard-error rule),
which for linear heads is one linear head again.
"""

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.folds import MANY_TEXTS, HoldOut
from fingerpost.build.linear import Floats, Numbers, train_linear
from fingerpost.ports import Progress
from fingerpost.types import Scorer, Vectors, VoteParameters

_PENALTIES = (0.1, 0.01)  # from the strongest, so that each fit starts where the last one ended
_USUAL_BLEND = {Scorer.AUTO: 0.2, Scorer.LINEAR: 0.0, Scorer.VOTE: 1.0}  # with which settings are compared
_BLENDS = {Scorer.AUTO: (0.0, 0.1, 0.2, 0.35), Scorer.LINEAR: (0.0,), Scorer.VOTE: (1.0,)}


_Tried = TypeVar("_Tried", "Setting", float)


@dataclass(frozen=True, slots=True)
class Texts:
    """What a catalog has to learn from; vectors are float32 unit rows."""

    vectors: Vectors  # (n, dim); of utterances
    routes: Numbers  # (n,); 0 to one less than the routes
    held: HoldOut
    hints: Vectors  # (m, dim); of routes' names and descriptions
    hint_routes: Numbers  # (m,)


@dataclass(frozen=True, slots=True)
class Setting:
    """How one linear head is trained."""

    penalty: float
    named: bool  # on the routes' names and descriptions as well


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the scorer is trained: the mean of the settings' heads, blended with the vote."""

    blend: float  # [0, 1]; share of the vote
    settings: tuple[Setting, ...]  # at least one


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a catalog's utterances, their routes numbered anew without gaps."""

    vectors: Vectors
    routes: Numbers  # places in `present`
    hints: Vectors
    hint_routes: Numbers
    present: Numbers  # the routes' own numbers, rising
    share: float  # of all utterances

    def train(self, settings: Sequence[Setting]) -> Floats:
        """The mean of the settings' heads on these utterances; shape (dim + 1, routes present)."""
        return mean(list(self.train_each(settings).values()))

    def train_each(self, settings: Sequence[Setting]) -> dict[Setting, Floats]:
        """A head for each setting, the strongest penalty first and each from the last one's end."""
        heads: dict[Setting, Floats] = {}
        for named in sorted({setting.named for setting in settings}):
            start = None
            for setting in sorted((s for s in settings if s.named is named), key=lambda s: -s.penalty):
                start = heads[setting] = self.train_one(setting, start)
        return heads

    def train_one(self, setting: Setting, start: Floats | None) -> Floats:
        """The setting's head; `start` is of its shape."""
        vectors, routes = self.vectors, self.routes
        if setting.named:
            vectors, routes = np.concatenate([vectors, self.hints]), np.concatenate([routes, self.hint_routes])
        # The penalty stands against a sum over rows: a share of the rows gets that share of it.
        return train_linear(vectors, routes, len(self.present), setting.penalty * self.share, start)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A recipe, and the linear heads that never saw their fold's texts."""

    recipe: Recipe
    heads: dict[int, Floats]  # by fold


@dataclass(frozen=True, slots=True)
class _Fold:
    """A fold's held-out texts, and the heads that were trained without them."""

    queries: Vectors
    truth: Numbers
    votes: NDArray[np.float64]
    heads: dict[Setting, Floats]

    def right(self, head: Floats, blend: float) -> NDArray[np.bool_]:
        """Whether each text's best route is its own."""
        scores = blend * self.votes + (1.0 - blend) * _softmax(self.queries @ head[:-1] + head[-1])
        right: NDArray[np.bool_] = scores.argmax(axis=1) == self.truth
        return right

    def mean(self, settings: Sequence[Setting]) -> Floats:
        return mean([self.heads[setting] for setting in settings])


def part_of(texts: Texts, rows: NDArray[np.bool_]) -> Part:
    """The utterances of the chosen rows, at least one."""
    present, routes = np.unique(texts.routes[rows], return_inverse=True)
    hinted = np.isin(texts.hint_routes, present)
    hint_routes = np.searchsorted(present, texts.hint_routes[hinted])
    return Part(texts.vectors[rows], routes, texts.hints[hinted], hint_routes, present, float(rows.mean()))


def choose_recipe(texts: Texts, scorer: Scorer, vote: VoteParameters, progress: Progress) -> Chosen:
    """Train every setting without each fold in turn, and keep what does well on the texts held out.

    Args:
        texts: At least one.
        scorer: Which blends to try.
        vote: How neighbours vote.
        progress: Advances by one a fold.
    """
    numbers = texts.held.turns

    def attempt(number: int) -> _Fold:
        fold = _try_fold(texts, number, vote)
        progress.advance()
        return fold

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # each fit keeps to one thread
        folds = list(pool.map(attempt, numbers))
    if not folds:
        return Chosen(Recipe(_USUAL_BLEND[scorer], settings_of(texts)), {})
    usual = _USUAL_BLEND[scorer]
    settings = _near_best(
        {one: np.concatenate([fold.right(fold.heads[one], usual) for fold in folds]) for one in settings_of(texts)}
    )
    heads = {number: fold.mean(settings) for number, fold in zip(numbers, folds, strict=True)}
    pairs = list(zip(folds, heads.values(), strict=True))
    blends = _near_best(
        {blend: np.concatenate([fold.right(head, blend) for fold, head in pairs]) for blend in _BLENDS[scorer]}
    )
    return Chosen(Recipe(round(sum(blends) / len(blends), 4), settings), heads)


def settings_of(texts: Texts) -> tuple[Setting, ...]:
    """Every setting that is tried."""
    named = (False,) if not len(texts.hints) or len(texts.routes) >= MANY_TEXTS else (False, True)
    return tuple(Setting(penalty, one) for one in named for penalty in _PENALTIES)


def _near_best(right: Mapping[_Tried, NDArray[np.bool_]]) -> tuple[_Tried, ...]:
    """What is no more than two standard errors, the root of the texts decided otherwise, behind the most right."""
    best = max(right.values(), key=np.count_nonzero)
    return tuple(
        one
        for one, found in right.items()
        if int(best.sum()) - int(found.sum()) <= 2.0 * math.sqrt(np.count_nonzero(best != found))
    )


def _try_fold(texts: Texts, number: int, vote: VoteParameters) -> _Fold:
    part = part_of(texts, texts.held.folds != number)
    asked = (texts.held.folds == number) & np.isin(texts.routes, part.present)
    queries, truth = texts.vectors[asked], np.searchsorted(part.present, texts.routes[asked])
    return _Fold(queries, truth, vote_shares(queries, part, vote), part.train_each(settings_of(texts)))


def vote_shares(queries: Vectors, part: Part, vote: VoteParameters) -> NDArray[np.float64]:
    """What `serve.score` lets each route present have of the vote, for many texts at once; shape (queries, routes)."""
    shares = np.zeros((len(queries), len(part.present)))
    neighbours = min(vote.neighbours, len(part.vectors))
    for start in range(0, len(queries), 1024):
        similarities = queries[start : start + 1024] @ part.vectors.T
        ids = np.argpartition(-similarities, neighbours - 1, axis=1)[:, :neighbours]
        near = np.take_along_axis(similarities, ids, axis=1)
        weights = np.exp((near - near.max(axis=1, keepdims=True)) / vote.temperature)
        block = shares[start : start + 1024]
        np.add.at(block, (np.arange(len(block))[:, None], part.routes[ids]), weights)
    total: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return total


def mean(heads: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(heads, axis=0, dtype=np.float32)
    return mean


def _softmax(logits: Floats) -> NDArray[np.float64]:
    grown = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = grown / grown.sum(axis=1, keepdims=True)
    return shares
