"""Suggest: what could routes learn from texts that were asked? Utterances they lack, and routes nobody has written."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.clusters import MAX_TEXTS, Metric, Numbers, clusters_of, metric_of, representatives
from fingerpost.build.judging import Opinion
from fingerpost.build.naming import Words, described, name_of
from fingerpost.build.study import Study
from fingerpost.build.texts import normalised
from fingerpost.build.traffic import Asked
from fingerpost.types import OUT_OF_SCOPE, Catalog, Exemplar, Vectors

SMALLEST = 5
"""Distinct texts under which a group is no new route."""

_FEWEST = 3  # requests that were near a route and unsure, under which nothing is suggested for it
_NEAR = 0.5  # mean confidence at which texts can be a route's own although they are far from most of it
_AS_NEAR = 0.75  # share of their likeness to each other that they must then have to its utterances
_FOR_ROUTE = 5  # most utterances for a route that is there
_FOR_NEW = 10  # and for a new one
_LEAST_GAIN = 0.01  # see `representatives`
_TAKEN_WORDS = ("oos",)  # names that mean something else in files of labelled texts


@dataclass(frozen=True, slots=True)
class Fresh:
    """A text that the route files do not hold, and what is decided for it today."""

    asked: Asked
    opinion: Opinion


@dataclass(frozen=True, slots=True)
class Proposed:
    """An utterance to be, and why it is no sure one today."""

    text: str
    count: int  # times it was asked
    confidence: float | None
    nearest: str  # the nearest utterance of any route; empty without one


@dataclass(frozen=True, slots=True)
class ForRoute:
    """Utterances that a route lacks: few, each for many."""

    route: str
    utterances: tuple[Proposed, ...]
    texts: int  # near the route and unsure
    requests: int  # the same with repeats
    lowest: float | None  # confidence among them
    highest: float | None


@dataclass(frozen=True, slots=True)
class NewRoute:
    """A group of texts far from all routes."""

    name: str
    description: str
    words: tuple[str, ...]
    utterances: tuple[Proposed, ...]
    texts: int  # that it would take
    requests: int
    nearest_route: str | None
    members: tuple[str, ...]  # all texts of the group


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What came of the texts; each is counted once, repeats beside."""

    texts: int  # distinct
    requests: int
    known: int  # texts that the route files hold already
    sure: int  # texts that a route takes surely
    unsure: int  # texts that a route takes, but less surely than the target precision
    fell_back: int
    for_routes: tuple[ForRoute, ...]  # most requests first
    new_routes: tuple[NewRoute, ...]  # likewise
    noise: int  # texts of which nothing is made
    noise_requests: int
    left_out: int  # unsure texts beyond `clusters.MAX_TEXTS`, asked least


def fresh_texts(asked: Sequence[Asked], study: Study, catalog: Catalog) -> list[Fresh]:
    """The texts that neither the route files nor the revision hold, judged by the revision."""
    known = set(_known(catalog, study.exemplars))
    new = [one for one in asked if normalised(one.text.text) not in known]
    opinions = study.opinions([one.text for one in new])
    return [Fresh(one, opinion) for one, opinion in zip(new, opinions, strict=True)]


def _known(catalog: Catalog, exemplars: Sequence[Exemplar]) -> Iterator[str]:
    for route in catalog.routes:
        yield from (normalised(text.text) for text in (*route.utterances, *route.tests))
    yield from (normalised(text.text) for text in (*catalog.out_of_scope, *catalog.out_of_scope_tests))
    yield from (normalised(exemplar.text) for exemplar in exemplars)


def suggest(asked: Sequence[Asked], fresh: Sequence[Fresh], study: Study, taken: Sequence[str]) -> Suggestions:
    """Group what is unsure, and say what each group is.

    Args:
        asked: Everything that was asked.
        fresh: Of these, what `fresh_texts` left.
        study: The revision that judged them.
        taken: Names that a new route cannot have, beside those of the revision.
    """
    target = study.decider.policy.target_precision
    unsure = [one for one in fresh if not is_sure(one.opinion, target)]
    unsure.sort(key=lambda one: -one.asked.count)  # stable: the order of the file among equals
    open_texts, left_out = unsure[:MAX_TEXTS], unsure[MAX_TEXTS:]
    study.progress.step("cluster")
    sorted_out = _Sorting(open_texts, study).sort()
    for_routes = [one for name, rows in sorted_out.homes.items() if (one := sorted_out.for_route(name, rows))]
    new_routes = _named(sorted_out, [*taken, *_TAKEN_WORDS])
    used = sum(one.texts for one in for_routes) + sum(one.texts for one in new_routes)
    used_requests = sum(one.requests for one in for_routes) + sum(one.requests for one in new_routes)
    return Suggestions(
        texts=len(asked),
        requests=sum(one.count for one in asked),
        known=len(asked) - len(fresh),
        sure=len(fresh) - len(unsure),
        unsure=sum(not one.opinion.fell_back for one in unsure),
        fell_back=sum(one.opinion.fell_back for one in unsure),
        for_routes=tuple(sorted(for_routes, key=lambda one: (-one.requests, one.route))),
        new_routes=tuple(new_routes),
        noise=len(open_texts) - used,
        noise_requests=sum(one.asked.count for one in open_texts) - used_requests,
        left_out=len(left_out),
    )


def is_sure(opinion: Opinion, target: float) -> bool:
    """Whether a route takes the text at least as surely as decisions should be on the whole."""
    return not opinion.fell_back and (opinion.confidence is None or opinion.confidence >= target)


@dataclass(frozen=True, slots=True, eq=False)
class _Sorted:
    """Groups of unsure texts, by their rows."""

    texts: Sequence[Fresh]
    vectors: Vectors  # as the metric sees them
    routes: dict[str, Vectors]  # the utterances of each route, likewise
    homes: dict[str, Numbers]  # route -> rows near it
    strange: list[Numbers]  # far from all routes
    group_words: Words

    def for_route(self, route: str, rows: Numbers) -> ForRoute | None:
        """What the route lacks; None where too little was asked of it."""
        requests = self.requests(rows)
        chosen = self.chosen(rows, _FOR_ROUTE, self.routes[route])
        if requests < _FEWEST or not chosen:
            return None
        sure = [one for row in rows if (one := self.texts[row].opinion.confidence) is not None]
        return ForRoute(route, chosen, len(rows), requests, min(sure, default=None), max(sure, default=None))

    def chosen(self, rows: Numbers, count: int, known: Vectors) -> tuple[Proposed, ...]:
        weights = np.array([1.0 + math.log(self.texts[row].asked.count) for row in rows])
        picked = representatives(self.vectors[rows], weights, count, known, _LEAST_GAIN)
        return tuple(_proposed(self.texts[rows[place]]) for place in picked)

    def requests(self, rows: Numbers) -> int:
        return sum(self.texts[row].asked.count for row in rows)


class _Sorting:
    """Sorts unsure texts into groups that are a route's own, and groups that are none's."""

    def __init__(self, texts: Sequence[Fresh], study: Study) -> None:
        self._texts = texts
        self._decider = study.decider
        routed = [exemplar for exemplar in study.exemplars if exemplar.route != OUT_OF_SCOPE]
        self._own = study.vectors([exemplar.text for exemplar in routed])
        self._routes = np.array([exemplar.route for exemplar in routed], dtype=np.int64)
        self._words = [exemplar.text for exemplar in routed]
        self._metric: Metric = metric_of(self._own, self._routes)
        self._seen = self._metric.of(self._own)
        self._by_name = {self._decider.routes[number].name: int(number) for number in np.unique(self._routes)}
        self._vectors = self._metric.of(study.vectors([one.asked.text.text for one in texts]))
        self._best = [one.opinion.best for one in texts]
        self._sureness = np.array([one.opinion.confidence or 0.0 for one in texts])

    def sort(self) -> _Sorted:
        groups = clusters_of(self._vectors, self._metric.cut)
        seen = self._seen
        centres = {number: seen[self._routes == number].mean(axis=0) for number in np.unique(self._routes)}
        homes: dict[str, list[int]] = {}
        strange = []
        for rows in groups:
            home = self._home(rows, centres)
            for row in rows:
                # A group's home counts for those that would go there by themselves; the others may be strays.
                if self._best[row] is not None and (self._best[row] == home or self._sureness[row] >= _NEAR):
                    homes.setdefault(str(self._best[row]), []).append(int(row))
            if home is None and len(rows) >= SMALLEST:
                strange.append(rows)
        lost = {int(row) for rows in strange for row in rows}
        return _Sorted(
            texts=self._texts,
            vectors=self._vectors,
            routes={self._decider.routes[number].name: seen[self._routes == number] for number in centres},
            homes={
                name: np.array(own, dtype=np.int64)
                for name, rows in homes.items()
                if (own := [row for row in rows if row not in lost])
            },
            strange=strange,
            group_words=Words([*self._route_texts(), *([self._text(row) for row in rows] for rows in groups)]),
        )

    def _home(self, rows: Numbers, centres: dict[int, NDArray[np.float32]]) -> str | None:
        """The route that a group belongs to: near enough to have been merged with it, or sure enough on the whole."""
        if not centres:
            return None
        centre = self._vectors[rows].mean(axis=0)
        links = {number: float(centre @ other) for number, other in centres.items()}
        nearest = max(links, key=lambda number: links[number])
        if links[nearest] >= self._metric.cut:
            return self._decider.routes[nearest].name
        if self._sureness[rows].mean() >= _NEAR:
            likely = _most_common([self._best[row] for row in rows])
            return likely if self._as_near(rows, likely) else None
        return None

    def _as_near(self, rows: Numbers, route: str | None) -> bool:
        """Whether the texts are nearly as like the route's utterances as each other: those of another route are not."""
        own = self._by_name.get(route) if route else None
        if own is None or len(rows) < SMALLEST:
            return own is not None
        group = self._vectors[rows]
        among = group @ group.T
        np.fill_diagonal(among, -1.0)
        nearest = (group @ self._seen[self._routes == own].T).max(axis=1)
        return float(nearest.mean()) >= _AS_NEAR * float(among.max(axis=1).mean())

    def _route_texts(self) -> Iterator[list[str]]:
        for number in np.unique(self._routes):
            yield [self._words[row] for row in np.flatnonzero(self._routes == number)]

    def _text(self, row: int) -> str:
        return self._texts[row].asked.text.text


def _named(found: _Sorted, taken: Sequence[str]) -> list[NewRoute]:
    """The strange groups as routes, most requests first."""
    names = [*taken, *found.routes]
    new = []
    for rows in sorted(found.strange, key=lambda rows: (-found.requests(rows), int(rows[0]))):
        texts = [found.texts[row].asked.text.text for row in rows]
        named = name_of(texts, found.group_words, names)
        names.append(named.name)
        new.append(
            NewRoute(
                name=named.name,
                description=described(named.words),
                words=named.words,
                utterances=found.chosen(rows, _FOR_NEW, found.vectors[:0]),
                texts=len(rows),
                requests=found.requests(rows),
                nearest_route=_most_common([found.texts[row].opinion.best for row in rows]),
                members=tuple(texts),
            )
        )
    return new


def _most_common(names: Sequence[str | None]) -> str | None:
    return max(set(names), key=lambda name: (names.count(name), name or ""))


def _proposed(one: Fresh) -> Proposed:
    near = next((near.text for near in one.opinion.nearest if near.route is not None), "")
    return Proposed(one.asked.text.text, one.asked.count, one.opinion.confidence, near)


def uncertainty(opinion: Opinion) -> float:
    """How little is known of a text, [0, 1]: 1 less the margin between its two likeliest routes."""
    margin = opinion.decision.margin
    if margin is None:
        scores = [candidate.score for candidate in opinion.judgement.candidates[:2]]
        margin = (scores[0] - (scores[1] if len(scores) > 1 else 0.0)) if scores else 0.0
    return min(max(1.0 - margin, 0.0), 1.0)
