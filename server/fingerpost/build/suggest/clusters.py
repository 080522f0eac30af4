"""Clusters: which texts ask for the same? Average linkage, in a metric and to a width that the catalog's routes teach.

The routes show which differences between texts do not matter: those within a route. Divided by the spread within
routes (within-class covariance normalisation: Hatch et al. 2006), texts of routes that nobody has written yet gather
as well. How wide a cluster may be is learned likewise: from the cut at which the catalog's own utterances fall into
their routes best. See docs/decisions/0015-suggestions.md.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.suggest.cover import cover
from fingerpost.types import Vectors

Numbers = NDArray[np.int64]

MAX_TEXTS = 6_000
"""Texts that can be clustered at once: their similarities take 144 MB."""

_SHRINKAGE = 0.3  # of the covariance towards a multiple of the identity, as in `build.linear`
_MIN_FREEDOM = 50  # utterances beyond the first of their routes, under which the plain metric is kept
_MIN_ROUTES = 8  # under which the usual cut is kept as well
_MANY_ROUTES = 30  # under which the plain metric is kept, though the cut is learned
_A_ROUTE = 12  # utterances of a route that the width is learned from
_MOST_LEARNED = 2_000  # utterances in all
_USUAL_CUT = 0.3  # mean cosine of a cluster where nothing is learned
_CUTS = (0.2, 0.7)  # what is learned keeps to these


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """How texts are compared: by the cosine of their moved and turned vectors."""

    centre: NDArray[np.float64]  # (dim,)
    turn: NDArray[np.float64]  # (dim, dim)
    cut: float  # (0, 1); texts of one cluster have at least this mean similarity

    def of(self, vectors: Vectors) -> Vectors:
        """The vectors, shape (n, dim), as this metric sees them: float32, unit rows."""
        moved = (vectors.astype(np.float64) - self.centre) @ self.turn
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        unit: Vectors = (moved / np.maximum(length, 1e-12)).astype(np.float32)
        return unit


def metric_of(vectors: Vectors, routes: Numbers) -> Metric:
    """What the routes teach about which texts belong together.

    Half of the routes teach a metric, the other half how well and at which cut it parts texts of routes that it was not
    taught by, and the other way round. Where the turned metric does no better than the plain one, and where routes are
    few, the plain one is taken: few and broad routes would teach that topics do not matter.

    Args:
        vectors: Shape (n, dim), float32, unit rows: utterances of routes.
        routes: Shape (n,), from 0.
    """
    plain = _plain(vectors.shape[1])
    present = np.unique(routes)
    if len(vectors) - len(present) < _MIN_FREEDOM or len(present) < _MIN_ROUTES:
        return Metric(*plain, _USUAL_CUT)
    ways = (False, True) if len(present) >= _MANY_ROUTES else (False,)
    tried: dict[bool, list[tuple[float, float]]] = {turned: [] for turned in ways}
    for half in (0, 1):
        teaching = np.isin(routes, present[half::2])
        rows = _some(routes, present[1 - half :: 2])
        for turned, found in tried.items():
            space = _turned(vectors[teaching], routes[teaching]) if turned else plain
            found.append(best_cut(Metric(*space, 0.0).of(vectors[rows]), routes[rows]))
    better = max(tried, key=lambda turned: sum(score for _, score in tried[turned]))
    cut = float(np.clip(np.mean([cut for cut, _ in tried[better]]), *_CUTS))
    return Metric(*(_turned(vectors, routes) if better else plain), cut)


def _plain(dim: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.zeros(dim), np.eye(dim)


def _turned(vectors: Vectors, routes: Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean, and the inverse root of the shrunken covariance within routes."""
    precise = vectors.astype(np.float64)
    present, numbers = np.unique(routes, return_inverse=True)
    means = np.zeros((len(present), precise.shape[1]))
    np.add.at(means, numbers, precise)
    means /= np.bincount(numbers)[:, None]
    inner = precise - means[numbers]
    covariance = inner.T @ inner / max(len(precise) - len(present), 1)
    spread = float(np.trace(covariance)) / len(covariance)
    shrunken = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * max(spread, 1e-12) * np.eye(len(covariance))
    values, turns = np.linalg.eigh(shrunken)
    return means.mean(axis=0), (turns / np.sqrt(values)) @ turns.T


def _some(routes: Numbers, wanted: Numbers) -> Numbers:
    """Rows of a few utterances of each wanted route, evenly over its own."""
    most = max(2, min(_A_ROUTE, _MOST_LEARNED // len(wanted)))
    rows = []
    for route in wanted:
        own = np.flatnonzero(routes == route)
        rows.append(own[np.unique(np.linspace(0, len(own) - 1, min(most, len(own))).astype(np.int64))])
    return np.concatenate(rows)


def best_cut(vectors: Vectors, routes: Numbers) -> tuple[float, float]:
    """The cut at which pairs in a cluster agree best with pairs of a route, and their F1 there.

    Args:
        vectors: Shape (n, dim), float32, unit rows.
        routes: Shape (n,).
    """
    truth = sum(count * (count - 1) // 2 for count in Counter(routes.tolist()).values())
    clusters = {row: Counter({int(route): 1}) for row, route in enumerate(routes)}
    merges = sorted(average_linkage(vectors @ vectors.T), key=lambda merge: -merge.similarity)
    paired = right = 0
    best, cut = -1.0, 1.0
    for place, merge in enumerate(merges):
        kept, gone = clusters[merge.kept], clusters.pop(merge.gone)
        paired += kept.total() * gone.total()
        right += sum(count * gone[route] for route, count in kept.items())
        kept.update(gone)
        score = 2.0 * right / (paired + truth) if truth else 0.0
        if score > best:
            following = merges[place + 1].similarity if place + 1 < len(merges) else merge.similarity
            best, cut = score, (merge.similarity + following) / 2
    return cut, best


@dataclass(frozen=True, slots=True)
class Merge:
    """Two clusters became one, which goes on under the name of the kept one."""

    kept: int
    gone: int
    similarity: float  # mean over the pairs between them


def average_linkage(similarities: NDArray[np.float32]) -> list[Merge]:
    """Merge what is nearest until one cluster is left; in an order in which each merge comes after those it rests on.

    Follows chains of nearest neighbours (Benzécri 1982; Müllner 2011, "Modern hierarchical, agglomerative clustering
    algorithms"), in time and memory of n squared.

    Args:
        similarities: Shape (n, n), symmetric; overwritten.
    """
    count = len(similarities)
    sizes = np.ones(count, dtype=np.float32)
    np.fill_diagonal(similarities, -np.inf)
    merges: list[Merge] = []
    chain: list[int] = []
    alive = np.ones(count, dtype=bool)
    while len(merges) < count - 1:
        if not chain:
            chain.append(int(np.argmax(alive)))
        last = chain[-1]
        nearest = int(np.argmax(similarities[last]))
        before = chain[-2] if len(chain) > 1 else -1
        # A tie goes to the one before, or the chain would never end.
        if before >= 0 and similarities[last, before] >= similarities[last, nearest]:
            del chain[-2:]
            merges.append(_merge(similarities, sizes, alive, last, before))
        else:
            chain.append(nearest)
    return merges


def _merge(
    similarities: NDArray[np.float32], sizes: NDArray[np.float32], alive: NDArray[np.bool_], one: int, other: int
) -> Merge:
    kept, gone = min(one, other), max(one, other)
    merge = Merge(kept, gone, float(similarities[kept, gone]))
    total = sizes[kept] + sizes[gone]
    row = (sizes[kept] * similarities[kept] + sizes[gone] * similarities[gone]) / total
    row[[kept, gone]] = -np.inf
    similarities[kept], similarities[:, kept] = row, row
    similarities[gone], similarities[:, gone] = -np.inf, -np.inf
    sizes[kept], alive[gone] = total, False
    return merge


def clusters_of(vectors: Vectors, cut: float) -> list[Numbers]:
    """Rows of each cluster, those of one alone too, in the order of their first rows.

    Args:
        vectors: Shape (n, dim), float32, unit rows; n at most `MAX_TEXTS`.
        cut: Mean similarity at which two clusters are still merged.
    """
    if not len(vectors):
        return []
    members = {row: [row] for row in range(len(vectors))}
    for merge in average_linkage(vectors @ vectors.T):
        if merge.similarity >= cut:
            members[merge.kept] += members.pop(merge.gone)
    return [np.array(sorted(rows), dtype=np.int64) for _, rows in sorted(members.items())]


def representatives(
    vectors: Vectors, weights: NDArray[np.float64], count: int, known: Vectors, least: float = 0.0
) -> list[int]:
    """Rows that stand for all of them, the most telling first; no paraphrases of a choice, nor of what is known.

    Args:
        vectors: Shape (n, dim), float32, unit rows.
        weights: Shape (n,), above 0.
        count: Most that are chosen.
        known: Shape (m, dim), likewise unit rows, maybe none.
        least: Gain under which a choice is not worth it, as a share of all weights.
    """
    covered = np.maximum((vectors @ known.T).max(axis=1) if len(known) else np.zeros(len(vectors)), 0.0)
    share = (weights / weights.sum()).astype(np.float32)
    chosen = []
    for row, gain in islice(cover(vectors @ vectors.T, share, covered.astype(np.float32)), count):
        if gain <= 0.0 or gain < least:
            break
        chosen.append(row)
    return chosen
