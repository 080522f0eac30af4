"""Reliability, the confusion map and the map of utterances: their numbers, places and orders."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fingerpost.build.portrait.confusion import Cell, confusion_map, side_by_side
from fingerpost.build.portrait.reliability import reliability_of
from fingerpost.build.portrait.scatter import sample, scatter_of
from fingerpost.build.report import Confusion, RouteReport
from fingerpost.types import OUT_OF_SCOPE, Exemplar
from tests.portraits import case, flat, judged_of

ROUTES = {"code": ["write a function", "fix this bug"], "maths": ["solve the equation", "add these numbers"]}
CASES = [
    *(case(f"write a function {n}", "code") for n in range(6)),
    *(case("fix this bug", "maths") for _ in range(2)),
    *(case(f"solve {n} gnus", "maths") for n in range(4)),
    *(case(f"add a bug {n}", None) for n in range(5)),
]


# --- Reliability ---------------------------------------------------------------------------------------------------


def test_bins_hold_every_case_once() -> None:
    """The bins' counts add up, each mean lies in its bin, and each interval holds its share."""
    reliability = reliability_of(judged_of(ROUTES, (), CASES), 0.15)
    assert reliability is not None
    assert sum(b.count for b in reliability.bins) == reliability.cases == len(CASES)
    for b in reliability.bins:
        assert b.low <= b.confidence <= b.high
        assert 0.0 <= b.right_low <= b.right <= b.right_high <= 1.0


def test_bins_of_one_kind_are_plain_shares() -> None:
    """Without out-of-scope cases a bin's share is right over count, as counted by hand."""
    judged = [j for j in judged_of(ROUTES, (), CASES) if j.case.route is not None]
    reliability = reliability_of(judged, 0.15)
    assert reliability is not None
    assert reliability.outside_share is None
    for b in reliability.bins:
        own = [j for j in judged if int(min((j.confidence or 0.0) * 10, 9)) == round(b.low * 10)]
        assert b.count == len(own)
        assert b.right == pytest.approx(sum(j.best == j.case.route for j in own) / len(own))


def test_out_of_scope_cases_weigh_what_the_policy_expects() -> None:
    """Writing every out-of-scope case ten times over changes no share, since their kind keeps its weight."""
    judged = judged_of(ROUTES, (), CASES)
    outside = [j for j in judged if j.case.route is None]
    once, often = reliability_of(judged, 0.2), reliability_of([*judged, *outside * 9], 0.2)
    assert once is not None
    assert often is not None
    assert once.outside_share == 0.2
    assert [b.right for b in often.bins] == pytest.approx([b.right for b in once.bins])


def test_nothing_to_tell() -> None:
    """No cases, no diagram."""
    assert reliability_of([], 0.15) is None


# --- Confusions ----------------------------------------------------------------------------------------------------


def routes_of(*names: str) -> list[RouteReport]:
    return [RouteReport(name, 10, 8, 8, 7, {}) for name in names]


def test_the_map_holds_what_was_counted() -> None:
    """Each confusion has its cell, with how many passed; the diagonal tells what was right; no route comes last."""
    confusions = [Confusion("a", "b", 3), Confusion(None, "a", 2), Confusion("gone", "b", 1)]
    heat = confusion_map(routes_of("a", "b"), confusions, {("a", "b"): 1})
    assert heat.rows == (*heat.columns, "gone", None)
    cells = {
        (row, column): heat.cells[i][j] for i, row in enumerate(heat.rows) for j, column in enumerate(heat.columns)
    }
    assert cells[("a", "b")] == Cell(3, 1)
    assert cells[(None, "a")] == Cell(2, 2)
    assert cells[("gone", "b")] == Cell(1, 0)
    assert cells[("a", "a")] == Cell(8, 7)
    assert cells[("b", "a")].count == 0


def test_of_many_routes_only_the_confused_are_shown() -> None:
    """Of forty routes, those without a confusion are left out; of a hundred confusions the most frequent remain."""
    names = [f"r{n:03}" for n in range(40)]
    heat = confusion_map(routes_of(*names), [Confusion("r003", "r030", 2)], {})
    assert set(heat.columns) == {"r003", "r030"}
    assert heat.left_out == 38
    many = [f"r{n:03}" for n in range(101)]
    pairs = [Confusion(many[n], many[n + 1], 200 - n) for n in range(100)]
    heat = confusion_map(routes_of(*many), pairs, {})
    assert len(heat.columns) == 30
    assert heat.left_out == 71
    assert set(heat.columns) == set(many[:30])


@given(st.dictionaries(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")), st.integers(1, 9)))
def test_the_order_keeps_every_name_and_the_heaviest_pair_together(counted: dict[tuple[str, str], int]) -> None:
    """Any confusions: the order is a permutation, and the pair that is confused most often stands side by side."""
    order = side_by_side(list("abcdefg"), dict(counted.items()))
    assert sorted(order) == list("abcdefg")
    weight: dict[tuple[str, str], int] = {}
    for (row, column), count in counted.items():
        if row != column:
            pair = (min(row, column), max(row, column))
            weight[pair] = weight.get(pair, 0) + count
    if weight:
        one, other = min(weight, key=lambda pair: (-weight[pair], pair))
        assert abs(order.index(one) - order.index(other)) == 1


# --- The map of utterances -----------------------------------------------------------------------------------------


def test_spots_lie_in_the_unit_square_in_the_order_of_the_texts() -> None:
    """Places are stretched to the square, and each keeps its text and route."""
    vectors = np.array([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    exemplars = [Exemplar("a", 0), Exemplar("b", 1), Exemplar("c", OUT_OF_SCOPE)]
    scatter = scatter_of(exemplars, vectors, flat)
    assert [(s.text, s.route) for s in scatter.spots] == [("a", 0), ("b", 1), ("c", OUT_OF_SCOPE)]
    assert [v for s in scatter.spots for v in (s.x, s.y)] == pytest.approx([0.6, 0.8, 1.0, 0.0, 0.0, 1.0])
    one = scatter_of(exemplars[:1], vectors[:1], flat)
    assert [(s.x, s.y) for s in one.spots] == [(0.5, 0.5)]


@given(st.lists(st.integers(-1, 5), max_size=300), st.integers(1, 100))
def test_a_sample_keeps_every_route_and_its_share(routes: list[int], most: int) -> None:
    """Any catalog: all texts when they fit, else each route with its share and at least one, and about so many."""
    rows = sample(routes, most)
    assert rows == sorted(set(rows))
    kept = [routes[row] for row in rows]
    assert set(kept) == set(routes)
    if len(routes) <= most:
        assert len(rows) == len(routes)
    else:
        assert len(rows) <= most + len(set(routes))
        for route in set(routes):
            assert kept.count(route) == max(1, routes.count(route) * most // len(routes))
