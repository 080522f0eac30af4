"""Suggest: what could routes learn from texts that were asked? Utterances they lack, and routes nobody has written."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fingerpost.build.judging import Opinion
from fingerpost.build.sensitive import masked
from fingerpost.build.study import Study
from fingerpost.build.suggest.clusters import MAX_TEXTS, Metric, Numbers, clusters_of, metric_of, representatives
from fingerpost.build.suggest.naming import Words, described, name_of
from fingerpost.build.suggest.traffic import Asked
from fingerpost.build.texts import normalised
from fingerpost.types import OUT_OF_SCOPE, Catalog, Exemplar, Vectors

SMALLEST = 5
"""Distinct texts under which a group is no new route."""

_FEWEST = 3  # requests that were near a route and unsure, under which nothing is suggested for it
_CLEAR = 0.75  # confidence from which a text is near its best route, whatever others are like it
_LIKELY = 0.5  # and from which it is, where it belongs to no strange group
_OWN = 0.6  # mean confidence of a group that is a route's own
_MAYBE_OWN = 0.45  # and of one that is if it is near enough:
_AS_NEAR = 0.7  # as like the route's utterances as this share of its likeness to itself
_WIDER = 0.8  # of the learned cut: what was asked is more mixed than what was written
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
    nearest: str  # the nearest utterance of any route, as a message may show it; empty without one


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
        unclear = np.flatnonzero(self._sureness < _CLEAR)
        groups = [unclear[rows] for rows in clusters_of(self._vectors[unclear], self._metric.cut * _WIDER)]
        homes: dict[str, list[int]] = {}
        strange = []
        at_home = set(np.flatnonzero(self._sureness >= _LIKELY).tolist())
        for rows in groups:
            home = self._home(rows)
            if home is None and len(rows) >= SMALLEST:
                strange.append(rows)
                at_home -= set(rows.tolist())
            else:  # its home counts for those that would go there by themselves; the others may be strays
                at_home |= {int(row) for row in rows if home is not None and self._best[row] == home}
        strange = self._grown(strange)
        at_home -= {int(row) for rows in strange for row in rows}
        for row in sorted(at_home):
            homes.setdefault(str(self._best[row]), []).append(row)
        return _Sorted(
            texts=self._texts,
            vectors=self._vectors,
            routes={name: self._seen[self._routes == number] for name, number in self._by_name.items()},
            homes={name: np.array(rows, dtype=np.int64) for name, rows in homes.items()},
            strange=strange,
            group_words=Words([*self._route_texts(), *([self._text(row) for row in rows] for rows in groups)]),
        )

    def _grown(self, strange: list[Numbers]) -> list[Numbers]:
        """The strange groups with the other texts that are near one, and nearer to it than to their best route."""
        others = np.setdiff1d(np.arange(len(self._texts)), np.concatenate([*strange, np.empty(0, dtype=np.int64)]))
        if not strange or not len(others):
            return strange
        links = self._vectors[others] @ np.stack([self._vectors[rows].mean(axis=0) for rows in strange]).T
        centres = {name: self._seen[self._routes == number].mean(axis=0) for name, number in self._by_name.items()}
        own = np.array([self._vectors[row] @ centres[best] if (best := self._best[row]) else -1.0 for row in others])
        nearest = links.argmax(axis=1)
        drawn = (links.max(axis=1) >= self._metric.cut) & (links.max(axis=1) > own)
        return [np.sort(np.append(rows, others[drawn & (nearest == n)])) for n, rows in enumerate(strange)]

    def _home(self, rows: Numbers) -> str | None:
        """The route that a group belongs to: sure enough on the whole, or less so and near enough."""
        sureness = float(self._sureness[rows].mean())
        likely = _most_common([self._best[row] for row in rows])
        if sureness >= _OWN or (sureness >= _MAYBE_OWN and self._as_near(rows, likely)):
            return likely
        return None

    def _as_near(self, rows: Numbers, route: str | None) -> bool:
        """Whether the texts are nearly as like the route's utterances as each other: those of another route are not."""
        own = self._by_name.get(route) if route else None
        if own is None or len(rows) < 2:
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
    return Proposed(one.asked.text.text, one.asked.count, one.opinion.confidence, masked(near))


def uncertainty(opinion: Opinion) -> float:
    """How little is known of a text, [0, 1]: 1 less the margin between the scores of its two best routes."""
    scores = [candidate.score for candidate in opinion.judgement.candidates[:2]]
    margin = scores[0] - (scores[1] if len(scores) > 1 else 0.0) if scores else 0.0
    return min(max(1.0 - margin, 0.0), 1.0)
