"""The nearest texts, found block by block, are those that comparing every pair finds."""

from typing import Any

import numpy as np
from hypothesis import given, settings, strategies as st

from fingerpost.build.lint.neighbourhood import NOTHING, neighbourhood, pairs_above
from fingerpost.ports import NoProgress
from fingerpost.types import VoteParameters

VOTE = VoteParameters(neighbours=5, temperature=0.1)


@st.composite
def _catalogs(draw: st.DrawFn) -> tuple[Any, Any, Any, int]:
    """Unit vectors, their groups, the rows that are asked, and the size of a block."""
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=6))
    numbers = draw(st.permutations(range(-1, len(sizes) - 1)))
    groups = np.repeat(np.array(numbers, dtype=np.int64), sizes)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vectors = random.standard_normal((len(groups), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = np.array(sorted(draw(st.sets(st.integers(0, len(groups) - 1)))), dtype=np.int64)
    return vectors, groups, asked, draw(st.integers(1, 400))


@settings(max_examples=60, deadline=None)
@given(_catalogs())
def test_blocks_find_what_all_pairs_show(catalog: tuple[Any, Any, Any, int]) -> None:
    """Nearest of the own and of any other group, and the vote of the nearest, with every size of a block."""
    vectors, groups, asked, block = catalog
    found = neighbourhood(vectors, groups, asked, VOTE, NoProgress(), block)
    assert found.asked.tolist() == asked.tolist()
    for place, row in enumerate(asked.tolist()):
        others = [other for other in range(len(groups)) if other != row]
        similarity = {other: float(vectors[row] @ vectors[other]) for other in others}
        own = max((o for o in others if groups[o] == groups[row]), key=similarity.__getitem__, default=NOTHING)
        rival = max((o for o in others if groups[o] != groups[row]), key=similarity.__getitem__, default=NOTHING)
        assert (found.own[place], found.other[place]) == (own, rival)
        if own != NOTHING:
            assert abs(found.own_similarity[place] - similarity[own]) < 1e-5
        if rival != NOTHING:
            assert abs(found.other_similarity[place] - similarity[rival]) < 1e-5
        if rival == NOTHING or (own != NOTHING and similarity[own] > similarity[rival]):
            assert (found.voted[place], found.lead[place]) == (groups[row], 0.0)
            continue
        near = sorted(others, key=lambda other: -similarity[other])[: VOTE.neighbours]
        votes: dict[int, float] = {}
        for other in near:
            weight = float(np.exp((similarity[other] - similarity[near[0]]) / VOTE.temperature))
            votes[int(groups[other])] = votes.get(int(groups[other]), 0.0) + weight
        best = max(votes, key=votes.__getitem__)
        assert found.voted[place] == best
        assert abs(found.lead[place] - (votes[best] - votes.get(int(groups[row]), 0.0)) / sum(votes.values())) < 1e-5


@settings(max_examples=40, deadline=None)
@given(_catalogs(), st.floats(-1, 1))
def test_pairs_above_a_floor(catalog: tuple[Any, Any, Any, int], floor: float) -> None:
    """Each text whose nearest one is near enough is told with it, and no other."""
    vectors, _, asked, _ = catalog
    similarities = vectors[asked] @ vectors.T
    wanted = [(place, int(row.argmax())) for place, row in enumerate(similarities) if row.max() >= floor]
    assert [(place, row) for place, row, _ in pairs_above(vectors[asked], vectors, floor)] == wanted
