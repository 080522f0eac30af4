"""FaissIndex against semantic-router's own LocalIndex, whatever is added, replaced and deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from semantic_router.index import LocalIndex

from fingerpost.integrations.semantic_router import FaissIndex

ROUTES = ("code", "maths", "chat", "träume")
CLOSE = 1e-6
"""How far a score may be from the library's; closer ones than twice this may stand in another order there."""


@dataclass(frozen=True)
class Add:
    """Records as a program adds them: routes, utterances and the seeds of vectors of any length."""

    records: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Delete:
    """All records of a route; None: the whole index."""

    route: str | None


record = st.tuples(st.sampled_from(ROUTES), st.sampled_from("abcdefgh"), st.integers(0, 40))
change = st.one_of(
    st.lists(record, max_size=12).map(tuple).map(Add), st.sampled_from([*ROUTES, None]).map(Delete), st.none()
)
seeds = st.integers(100, 10_000)


def vector(seed: int) -> list[float]:
    random = np.random.default_rng(seed)
    drawn: list[float] = (random.standard_normal(8) * random.uniform(0.1, 30)).tolist()
    return drawn


def apply(change: Add | Delete | None, index: Any) -> None:
    if isinstance(change, Add):
        index.add(
            embeddings=[vector(seed) for *_, seed in change.records],
            routes=[route for route, *_ in change.records],
            utterances=[text for _, text, _ in change.records],
            metadata_list=[{"seed": seed} for *_, seed in change.records],
        )
    elif isinstance(change, Delete):
        index.delete_all() if change.route is None else index.delete(change.route)


def told(index: Any, query: NDArray[Any], top_k: int, among: list[str] | None) -> tuple[list[float], list[str]] | None:
    """Scores and routes; None where the index has nothing to look among and says so."""
    try:
        scores, names = index.query(query, top_k=top_k, route_filter=among)
    except ValueError:
        return None
    return scores.tolist(), [str(name) for name in names]


def unshared(scores: Sequence[float]) -> list[int]:
    """Places whose score no neighbouring place has; the first stands at the cut, beyond which more may follow."""
    return [
        place
        for place in range(1, len(scores))
        if scores[place] - scores[place - 1] > 2 * CLOSE
        and (place + 1 == len(scores) or scores[place + 1] - scores[place] > 2 * CLOSE)
    ]


@settings(max_examples=80, deadline=None)
@given(st.lists(change, max_size=8), seeds, st.integers(1, 40), st.none() | st.lists(st.sampled_from(ROUTES)))
def test_it_finds_what_the_librarys_own_index_finds(
    changes: list[Add | Delete | None], seed: int, top_k: int, among: list[str] | None
) -> None:
    """The same records, in the same order; the same scores, and the same routes where no two scores are equal."""
    ours, theirs = FaissIndex(), LocalIndex()
    for each in changes:
        apply(each, ours)
        apply(each, theirs)
    assert ours.get_utterances() == theirs.get_utterances()
    assert ours.get_routes() == theirs.get_routes()
    assert (len(ours), ours.describe().dimensions) == (len(theirs), theirs.describe().dimensions)
    query = np.array(vector(seed))
    found, expected = told(ours, query, top_k, among), told(theirs, query, top_k, among)
    if found is None or expected is None:
        assert found is expected
        return
    (scores, names), (their_scores, their_names) = found, expected
    assert scores == pytest.approx(their_scores, abs=CLOSE)
    assert [names[place] for place in unshared(scores)] == [their_names[place] for place in unshared(scores)]


@settings(max_examples=60, deadline=None)
@given(st.lists(record, min_size=1, max_size=30), st.integers(1, 12), st.none() | st.just(["code", "chat"]))
def test_of_equal_scores_the_first_added_is_nearer(
    records: list[tuple[str, str, int]], top_k: int, among: list[str] | None
) -> None:
    """With three vectors for all records, which ones are found and in which order is decided by when they came."""
    index = FaissIndex()
    few = tuple((route, text, seed % 3) for route, text, seed in records)
    apply(Add(few), index)
    rows = [(u.route, u.metadata["seed"]) for u in index.get_utterances() if among is None or u.route in among]
    query = np.array(vector(999))
    cosines = {seed: float(np.dot(vector(seed), query) / np.linalg.norm(vector(seed))) for seed in range(3)}
    ranked = sorted(range(len(rows)), key=lambda row: (-cosines[rows[row][1]], row))[:top_k]
    found = told(index, query, top_k, among)
    assert (found[1] if found else []) == [rows[row][0] for row in reversed(ranked)]
