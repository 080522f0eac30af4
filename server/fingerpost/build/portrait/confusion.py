"""Confusion: which routes are taken for which others, with those that are confused side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fingerpost.build.report import Confusion, RouteReport

_EVERY_ROUTE = 16
"""Routes that are all shown; of more, only those that are confused."""

_MOST_ROUTES = 30
"""That a person can still read; those of the most frequent confusions."""

Pair = tuple[str | None, str]
"""The route that a case belongs to (None: to none) and the one that was best."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Cases of a row's route whose best route is the column's."""

    count: int
    passed: int | None  # of these, those that the threshold let through; None: not known


@dataclass(frozen=True, slots=True)
class ConfusionMap:
    """Rows are what cases belong to, columns what was best for them."""

    columns: tuple[str, ...]
    rows: tuple[str | None, ...]  # the columns, then other labels; last None, where cases of no route were accepted
    cells: tuple[tuple[Cell, ...], ...]  # by row and column
    left_out: int  # routes that are not shown


def confusion_map(
    routes: Sequence[RouteReport], confusions: Sequence[Confusion], passed: Mapping[Pair, int] | None
) -> ConfusionMap:
    """The map of the cases that were counted.

    Args:
        routes: Every route, with how often it was best for its own cases.
        confusions: Of cases whose best route was another, and of accepted ones that belong to none.
        passed: How many cases of a pair got the best route; None when that is not known.
    """
    counted: dict[Pair, int] = {(c.expected, c.best): c.count for c in confusions}
    names = [route.route for route in routes]
    shown = _shown(names, counted)
    columns = side_by_side(shown, counted)
    foreign = sorted({row for row, column in counted if row is not None and row not in names and column in columns})
    outside = [None] if any(row is None and column in columns for row, column in counted) else []
    rows = (*columns, *foreign, *outside)
    diagonal: dict[Pair, int] = {(route.route, route.route): route.best for route in routes}
    accepted: dict[Pair, int] = {(route.route, route.route): route.accepted_right for route in routes}

    def cell(row: str | None, column: str) -> Cell:
        if row == column:
            return Cell(diagonal[(row, column)], accepted[(row, column)])
        count = counted.get((row, column), 0)
        return Cell(count, count if row is None else None if passed is None else passed.get((row, column), 0))

    cells = tuple(tuple(cell(row, column) for column in columns) for row in rows)
    return ConfusionMap(tuple(columns), rows, cells, len(names) - len(columns))


def _shown(names: Sequence[str], counted: Mapping[Pair, int]) -> list[str]:
    if len(names) <= _EVERY_ROUTE:
        return list(names)
    kept: set[str] = set()
    for pair, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1])):
        both = kept | {name for name in pair if name is not None and name in names}
        if len(both) <= _MOST_ROUTES:  # a route is shown with the one that it is confused with, or not at all
            kept = both
    return [name for name in names if name in kept]


def side_by_side(names: Sequence[str], counted: Mapping[Pair, int]) -> list[str]:
    """The names in an order in which those that are confused most often are neighbours.

    Greedy: the heaviest pairs are joined first, end to end, as long as both are still ends of different chains.
    """
    weight: dict[tuple[str, str], int] = {}
    for (row, column), count in counted.items():
        if row is not None and row != column:
            pair = (min(row, column), max(row, column))
            weight[pair] = weight.get(pair, 0) + count
    chain_of = {name: [name] for name in names}
    for (one, other), _ in sorted(weight.items(), key=lambda item: (-item[1], item[0])):
        first, second = chain_of.get(one), chain_of.get(other)
        if first is None or second is None or first is second:
            continue
        if joined := _joined(first, second, one, other):
            chain_of |= dict.fromkeys(joined, joined)
    chains = {id(chain): chain for chain in chain_of.values()}  # in the order of the names
    return [name for chain in sorted(chains.values(), key=lambda chain: -len(chain)) for name in chain]


def _joined(first: list[str], second: list[str], one: str, other: str) -> list[str] | None:
    """One chain in which the two names are neighbours; None where one of them is no end."""
    left = first if first[-1] == one else first[::-1]
    right = second if second[0] == other else second[::-1]
    return [*left, *right] if left[-1] == one and right[0] == other else None
