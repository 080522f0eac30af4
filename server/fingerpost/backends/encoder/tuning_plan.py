"""Which texts a tuning learns from, which it is proven by, and which it meets together: pure, without torch.

The *proof* encoder is tuned with a share of the texts kept from it, and is compared with the plain encoder on these.
The *served* encoder is tuned likewise on all of them.
"""

import hashlib
import json
import math
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import OUT_OF_SCOPE

RECIPE_VERSION = 1
"""Grows with every change that makes the same texts give another encoder."""

HELD_OUT_SHARE = 0.2
MIN_UTTERANCES = 5
"""Under it all utterances of a route are tuned on."""

MIN_ROUTES = 4
"""Under it there is nothing to tell apart, nor a route to spare for the check of out-of-scope detection."""

MIN_HELD_OUT = 20
"""Under it no comparison says anything, so nothing is tuned."""

MIN_OUT_OF_SCOPE = 30
"""Out-of-scope texts under which left-out routes stand in for them."""

BATCH_ROUTES = 48
BATCH_TEXTS = 96

_LEFT_OUT_ROUTES = 0.1  # share
_NEAR_DUPLICATE = 0.7  # Jaccard similarity of two texts' three-letter pieces
_BUCKETS = 2048  # that pieces are hashed into
_COMPARED = 2000  # texts at a time, in the order of their letters: the cost grows with the square
_MAX_TEXTS_A_ROUTE = 8  # in a batch
_PASSES = 10  # over the texts, at most
_MIN_STEPS, _MAX_STEPS = 30, 300
_WARM_UP = 0.1  # share of the steps

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What to tune on: equal tasks on equal weights give equal encoders on one machine."""

    texts: tuple[str, ...]
    routes: tuple[int, ...]  # one for each text; OUT_OF_SCOPE for those that belong to none
    seed: int = 0

    @cached_property
    def digest(self) -> str:
        """Sha256 hex of the texts with their routes, in order; the seed is no part of it."""
        rows = json.dumps([self.texts, self.routes], ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(rows.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Plan:
    """How a task's texts are used; every array has shape (n,), n the number of the task's texts."""

    routes: Rows
    held_out: Mask  # the proof encoder never saw them: texts to be judged by, and all that are outside
    outside: Mask  # no proof route holds them: out-of-scope texts, or else whole routes that were left out

    @property
    def learned(self) -> Rows:
        """Rows that the proof encoder is tuned on."""
        return np.flatnonzero(~self.held_out)

    @property
    def judged(self) -> Rows:
        """Held-out rows of routes that the proof encoder knows."""
        return np.flatnonzero(self.held_out & ~self.outside)

    @property
    def routed(self) -> Rows:
        """Rows that the served encoder is tuned on."""
        return np.flatnonzero(self.routes != OUT_OF_SCOPE)

    @property
    def sufficient(self) -> bool:
        """Whether there is enough to tune on and to prove it by."""
        return (
            len(set(self.routes[self.learned].tolist())) >= MIN_ROUTES - 1
            and len(self.judged) >= MIN_HELD_OUT
            and bool(self.outside.any())
        )


def make_plan(task: Task) -> Plan:
    """Draw the held-out texts by the task's seed.

    Of each route with at least `MIN_UTTERANCES` about `HELD_OUT_SHARE` of the texts are held out, near-duplicates on
    one side. With fewer than `MIN_OUT_OF_SCOPE` out-of-scope texts a tenth of the routes, at least one, are left out
    whole: their texts stand in for what is out of scope.
    """
    rng = np.random.default_rng(task.seed)
    routes = np.array(task.routes, dtype=np.int64)
    outside = routes == OUT_OF_SCOPE
    if outside.sum() < MIN_OUT_OF_SCOPE:
        outside = outside | np.isin(routes, _left_out(routes, rng))
    held_out = outside.copy()
    for route in np.unique(routes[~outside]):
        rows = np.flatnonzero(routes == route)
        held_out[_draw(rows, near_duplicates([task.texts[row] for row in rows]), rng)] = True
    return Plan(routes, held_out, outside)


def _left_out(routes: Rows, rng: np.random.Generator) -> Rows:
    known = np.unique(routes[routes != OUT_OF_SCOPE])
    if len(known) < MIN_ROUTES:
        return known[:0]
    return rng.permutation(known)[: max(1, round(_LEFT_OUT_ROUTES * len(known)))]


def _draw(rows: Rows, groups: Rows, rng: np.random.Generator) -> Rows:
    """Whole groups of one route's rows, about the held-out share together; at least two texts are left."""
    if len(rows) < MIN_UTTERANCES:
        return rows[:0]
    room = round(HELD_OUT_SHARE * len(rows))
    drawn: list[int] = []
    for group in rng.permutation(np.unique(groups)):
        members = rows[groups == group]
        if len(members) <= room - len(drawn):
            drawn.extend(members.tolist())
    return np.array(drawn, dtype=np.int64)


def near_duplicates(texts: list[str]) -> Rows:
    """A group's number for each text, shape (n,): near-duplicates, also through others in between, share a group."""
    plain = [_letters(text) for text in texts]
    order = np.array(sorted(range(len(texts)), key=plain.__getitem__), dtype=np.int64)
    groups = np.arange(len(texts))
    for start in range(0, len(texts), _COMPARED):
        block = np.sort(order[start : start + _COMPARED])
        groups[block] = block[_joined(np.stack([_pieces(plain[at]) for at in block]))]
    return groups


def _joined(pieces: NDArray[np.float32]) -> Rows:
    """The lowest row that each row, shape (m, buckets), is near to, itself or through others."""
    shared = pieces @ pieces.T
    sizes = pieces.sum(axis=1)
    near = shared >= _NEAR_DUPLICATE * (sizes[:, None] + sizes[None] - shared)
    groups = np.arange(len(pieces))
    while True:  # each takes the lowest number among its neighbours until nothing changes
        lowest = np.where(near, groups[None], len(pieces)).min(axis=1)
        if (lowest == groups).all():
            return groups
        groups = lowest


def _letters(text: str) -> str:
    """The text without case and punctuation, unless it is nothing else."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(letter if letter.isalnum() else " " for letter in folded).split()
    return " ".join(words) or folded


def _pieces(text: str) -> NDArray[np.float32]:
    """Which three-letter pieces the text holds, as 0 and 1 in hashed places."""
    padded = f" {text} "
    found = np.zeros(_BUCKETS, dtype=np.float32)
    for start in range(len(padded) - 2):
        found[zlib.crc32(padded[start : start + 3].encode("utf-8", "surrogatepass")) % _BUCKETS] = 1.0
    return found


def planned_steps(texts_count: int) -> int:
    """How many batches a tuning on so many texts lasts at most."""
    return min(max(math.ceil(_PASSES * texts_count / BATCH_TEXTS), _MIN_STEPS), _MAX_STEPS)


def rate(step: int, steps: int) -> float:
    """Share of the full learning rate at a step, counted from 0: a linear rise, then a linear fall towards 0."""
    rise = max(_WARM_UP * steps, 1.0)
    return min(1.0, (step + 1) / rise) * min(1.0, (steps - step) / max(steps - rise, 1.0))


def batches(routes: Rows, seed: int) -> Iterator[Rows]:
    """Rows of one batch after another, without end.

    Each batch holds up to `BATCH_ROUTES` routes with equally many texts each: two, more where routes are few. Routes
    and the texts of a route come in shuffled rounds, so that none is met twice before all were met once.

    Args:
        routes: Shape (n,), the route of each row.
        seed: Equal seeds give equal batches.
    """
    rng = np.random.default_rng(seed)
    known = np.unique(routes)
    count = min(BATCH_ROUTES, len(known))
    each = min(max(BATCH_TEXTS // count, 2), _MAX_TEXTS_A_ROUTE)
    texts = {int(route): _rounds(np.flatnonzero(routes == route), rng) for route in known}
    order = _rounds(known, rng)
    while True:
        chosen = _distinct(order, count)
        yield np.array([next(texts[route]) for route in chosen for _ in range(each)], dtype=np.int64)


def _rounds(values: Rows, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(values).tolist()


def _distinct(values: Iterator[int], count: int) -> list[int]:
    """The next `count` different values; a repeated one, at the turn of a round, is passed over."""
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        chosen[next(values)] = None
    return list(chosen)
