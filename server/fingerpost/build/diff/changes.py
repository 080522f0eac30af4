"""Changes: what differs between two revisions, before any text is decided."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from fingerpost.types import OUT_OF_SCOPE, Budget, EncoderId, Experiment, Head, Revision, RoutePolicy, Rule

_SAME_ROUTE = 0.5
"""Share of all their texts that two routes of different names must have in common to be one that was renamed."""

Placed = tuple[str, str | None]
"""An utterance and its route; None: out of scope."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Changed(Generic[_T]):
    """A value before and after."""

    route: str | None  # whose value it is, by its name after; None: the fallback's, or the whole revision's
    before: _T
    after: _T


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs; routes by their names after, sorted."""

    routes_added: tuple[str, ...]
    routes_removed: tuple[str, ...]
    routes_renamed: Mapping[str, str]  # name before -> name after
    utterances_added: Mapping[str, int]  # route, or "" for those out of scope -> how many
    utterances_removed: Mapping[str, int]  # likewise, by the route before
    utterances_moved: int  # from one route to another, or out of scope
    models: tuple[Changed[str], ...]  # that routes name, and the fallback's
    rules: tuple[str, ...]  # names of those that came, went or are others
    budgets: tuple[str, ...]  # likewise
    experiments: tuple[str, ...]  # likewise
    breakers: bool  # when they open and close
    thresholds: tuple[Changed[float], ...]
    encoder: Changed[str] | None  # names, told apart by digests where they are equal
    calibration: bool  # the maps from evidence to confidence
    scorer: bool  # what was trained on the vectors, and its share in a score


@dataclass(frozen=True, slots=True)
class Moves:
    """Which utterances came and went, to tell why a decision changed."""

    added: frozenset[Placed]  # that are new in their route, by the route's name after
    removed: frozenset[Placed]  # that are no longer in their route, by its name before
    before: Mapping[str, tuple[str | None, ...]]  # text -> its routes
    after: Mapping[str, tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two revisions side by side."""

    before: Revision
    after: Revision
    changes: Changes
    moves: Moves

    def now_called(self, route: str | None) -> str | None:
        """What a route of before is called after."""
        return None if route is None else self.changes.routes_renamed.get(route, route)


def compared(before: Revision, after: Revision) -> Compared:
    """What differs between two revisions."""
    renamed = dict(_renamed(before, after))
    olds, news = _routes(before), _routes(after)
    kept = {renamed.get(name, name): route for name, route in olds.items() if renamed.get(name, name) in news}
    moves = _moves(before, after, renamed)
    old, new = before.decider.policy, after.decider.policy
    changes = Changes(
        routes_added=tuple(sorted(news.keys() - kept.keys())),
        routes_removed=tuple(sorted(name for name in olds if renamed.get(name, name) not in news)),
        routes_renamed=renamed,
        utterances_added=_counted(text for text in moves.added if text[0] not in moves.before),
        utterances_removed=_counted(text for text in moves.removed if text[0] not in moves.after),
        utterances_moved=len({text for text, _ in moves.added if text in moves.before}),
        models=tuple(_models(before, after, kept, news)),
        rules=_others(old.rules, new.rules),
        budgets=_others(old.budgets, new.budgets),
        experiments=_others(old.experiments, new.experiments),
        breakers=old.breakers != new.breakers,
        thresholds=tuple(
            Changed(name, route.threshold, news[name].threshold)
            for name, route in sorted(kept.items())
            if route.threshold != news[name].threshold
        ),
        encoder=_encoder(before.encoder, after.encoder),
        calibration=_maps(before) != _maps(after),
        scorer=before.decider.blend != after.decider.blend or not _same_head(before.head, after.head),
    )
    return Compared(before, after, changes, moves)


def _routes(revision: Revision) -> dict[str, RoutePolicy]:
    return {route.name: route for route in revision.decider.routes}


def _renamed(before: Revision, after: Revision) -> Iterator[tuple[str, str]]:
    """Routes that are gone and came back under another name, each once: most of their texts are the same."""
    olds, news = _texts(before), _texts(after)
    gone, new = sorted(olds.keys() - news.keys()), sorted(news.keys() - olds.keys())
    shares = {(old, name): _common(olds[old], news[name]) for old in gone for name in new}
    while shares:
        pair = max(shares, key=lambda one: shares[one])
        if shares[pair] < _SAME_ROUTE:
            return
        yield pair
        shares = {one: share for one, share in shares.items() if one[0] != pair[0] and one[1] != pair[1]}


def _texts(revision: Revision) -> dict[str, set[str]]:
    """The utterances of each route, those without any among them."""
    texts: dict[str, set[str]] = {route.name: set() for route in revision.decider.routes}
    for text, route in _placed(revision):
        if route is not None:
            texts[route].add(text)
    return texts


def _common(one: set[str], other: set[str]) -> float:
    """Texts in both, of the texts in either."""
    return len(one & other) / len(one | other) if one | other else 0.0


def _placed(revision: Revision) -> Iterator[Placed]:
    routes = revision.decider.routes
    for exemplar in revision.exemplars:
        yield exemplar.text, None if exemplar.route == OUT_OF_SCOPE else routes[exemplar.route].name


def _moves(before: Revision, after: Revision, renamed: Mapping[str, str]) -> Moves:
    olds, news = set(_placed(before)), set(_placed(after))

    def now(placed: Placed) -> Placed:
        return placed[0], renamed.get(placed[1], placed[1]) if placed[1] else None

    return Moves(
        added=frozenset(news - {now(old) for old in olds}),
        removed=frozenset(old for old in olds if now(old) not in news),
        before=_by_text(olds),
        after=_by_text(news),
    )


def _by_text(placed: Iterable[Placed]) -> dict[str, tuple[str | None, ...]]:
    routes: dict[str, list[str | None]] = defaultdict(list)
    for text, route in placed:
        routes[text].append(route)
    return {text: tuple(sorted(found, key=lambda route: route or "")) for text, found in routes.items()}


def _counted(placed: Iterable[Placed]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for _, route in placed:
        counts[route or ""] += 1
    return dict(sorted(counts.items()))


def _models(
    before: Revision, after: Revision, kept: Mapping[str, RoutePolicy], news: Mapping[str, RoutePolicy]
) -> Iterator[Changed[str]]:
    old, new = before.decider.policy.fallback_model, after.decider.policy.fallback_model
    if old != new:
        yield Changed(None, old, new)
    for name, route in sorted(kept.items()):
        old, new = (", ".join(one.models or (one.model,)) for one in (route, news[name]))
        if old != new:
            yield Changed(name, old, new)


def _others(
    before: Iterable[Rule | Budget | Experiment], after: Iterable[Rule | Budget | Experiment]
) -> tuple[str, ...]:
    """Names of what came, went or is not what it was, sorted."""
    olds, news = ({one.name: one for one in each} for each in (before, after))
    return tuple(name for name in sorted(olds.keys() | news.keys()) if olds.get(name) != news.get(name))


def _encoder(before: EncoderId, after: EncoderId) -> Changed[str] | None:
    if before.digest == after.digest:
        return None
    if before.name != after.name:
        return Changed(None, before.name, after.name)
    return Changed(None, *(f"{encoder.name} {encoder.digest[:12]}" for encoder in (before, after)))


def _maps(revision: Revision) -> tuple[object, ...]:
    return revision.decider.confidence_map, revision.decider.scope_map


def _same_head(one: Head | None, other: Head | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(
        np.array_equal(mine, yours)
        for mine, yours in (
            (one.linear, other.linear),
            (one.metric, other.metric),
            (one.distances, other.distances),
        )
    )
