"""Evaluate: what would be decided for labelled cases? Metrics with intervals, confusions, the worst mistakes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fingerpost.build.metrics import Rows, at_share, measure
from fingerpost.build.report import Baseline, Confusion, Mistake, Near, Report, RouteReport
from fingerpost.ports import Progress
from fingerpost.serve.calibrate import judge, surest
from fingerpost.serve.decide import decide
from fingerpost.serve.score import score
from fingerpost.serve.search import Space, find
from fingerpost.serve.spell import Spelled
from fingerpost.types import (
    OUT_OF_SCOPE,
    Decider,
    Decision,
    Exemplar,
    Found,
    Judgement,
    Neighbour,
    Outcome,
    Scores,
    Text,
    Vector,
)

_WORST_COUNT = 20
_NEAREST_COUNT = 3

SHARES = (0.05, 0.2, 0.5)
"""Out-of-scope shares for which a report tells the calibration, beside the cases' own."""


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled text; `route` is None when it should fall back."""

    text: Text
    route: str | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A case and what was decided; `best` is the best route before the threshold."""

    case: Case
    decision: Decision
    best: str | None
    judgement: Judgement
    at_share: tuple[float | None, ...]  # the best route's confidence, were that share of the traffic out of scope
    nearest: tuple[Near, ...]

    @property
    def confidence(self) -> float | None:
        """Of the best route."""
        return _confidence(self.judgement)


def evaluate(
    cases: Sequence[Case],
    spelled: Sequence[Spelled],
    vectors: Mapping[str, Vector],
    space: Space,
    decider: Decider,
    progress: Progress,
) -> Report:
    """Decide every case as the server would.

    Args:
        cases: n labelled texts; a route that the catalog lacks can only be decided wrongly.
        spelled: The n texts as they are read.
        vectors: Of each of `view_texts`; shape (dim,), float32, unit length.
        space: What the revision searches.
        decider: What the revision decides with.
        progress: Advances by one a case.
    """
    judged = []
    for case, read in zip(cases, spelled, strict=True):
        views = [find(space, vectors[view], decider.vote.neighbours) for view in read.views]
        judged.append(_judged(case, views, space.exemplars, decider, foreign=read.foreign))
        progress.advance()
    return _report(judged, decider)


def view_texts(spelled: Sequence[Spelled]) -> list[str]:
    """Every text that has to be embedded for `evaluate`."""
    return [view for read in spelled for view in read.views]


def _judged(
    case: Case, views: Sequence[Found], exemplars: Sequence[Exemplar], decider: Decider, *, foreign: bool
) -> Judged:
    def scored(found: Found) -> Scores:
        return score(found, exemplars, decider.vote, decider.blend)

    found, judgement = surest([(found, judge(scored(found), decider, foreign=foreign)) for found in views])
    best = judgement.candidates[0] if judgement.candidates else None
    return Judged(
        case=case,
        decision=decide(judgement, decider),
        best=decider.routes[best.route].name if best else None,
        judgement=judgement,
        at_share=tuple(_confidence(judge(scored(found), decider, share, foreign=foreign)) for share in SHARES),
        nearest=tuple(_near(neighbour, exemplars, decider) for neighbour in found.neighbours[:_NEAREST_COUNT]),
    )


def _near(neighbour: Neighbour, exemplars: Sequence[Exemplar], decider: Decider) -> Near:
    exemplar = exemplars[neighbour.exemplar]
    route = None if exemplar.route == OUT_OF_SCOPE else decider.routes[exemplar.route].name
    return Near(exemplar.text, route, neighbour.similarity)


def _report(judged: Sequence[Judged], decider: Decider) -> Report:
    inside = [j for j in judged if j.case.route is not None]
    return Report(
        cases=len(judged),
        out_of_scope_cases=len(judged) - len(inside),
        metrics=measure(_rows(judged)),
        at_share=_at_shares(judged, decider),
        threshold=decider.threshold,
        calibration=decider.confidence_map.calibration.value,
        confusions=_confusions(judged),
        routes=tuple(_route_report(route.name, inside) for route in decider.routes),
        mistakes=_mistakes(judged),
    )


def _rows(judged: Sequence[Judged]) -> Rows:
    return Rows(
        in_scope=np.array([j.case.route is not None for j in judged], dtype=bool),
        best_right=np.array([j.case.route is not None and j.best == j.case.route for j in judged], dtype=bool),
        accepted=np.array([not _fell_back(j) for j in judged], dtype=bool),
        right=np.array([not _fell_back(j) and j.decision.route == j.case.route for j in judged], dtype=bool),
        confidence=np.array([np.nan if j.confidence is None else j.confidence for j in judged], dtype=np.float64),
    )


def _at_shares(judged: Sequence[Judged], decider: Decider) -> dict[str, dict[str, float | None]]:
    """What the cases would measure were this share of them out of scope, and the maps told so."""
    if not decider.scope_map or any(j.judgement.in_scope is None for j in judged):
        return {}
    rows = _rows(judged)
    confidences = np.array([j.at_share for j in judged], dtype=np.float64).reshape(len(judged), len(SHARES))
    return {
        f"{share:g}": at_share(rows, confidences[:, number], decider.threshold, share)
        for number, share in enumerate(SHARES)
    }


def _confidence(judgement: Judgement) -> float | None:
    """Of the best route."""
    return judgement.candidates[0].confidence if judgement.candidates else None


def baseline_report(
    name: str, cases: Sequence[Case], best: Sequence[str | None], decided: Sequence[str | None]
) -> Baseline:
    """The metrics of a system that named these routes, before any threshold and after; n of each."""
    rows = Rows(
        in_scope=np.array([case.route is not None for case in cases], dtype=bool),
        best_right=np.array([c.route is not None and b == c.route for c, b in zip(cases, best, strict=True)], bool),
        accepted=np.array([route is not None for route in decided], dtype=bool),
        right=np.array([d is not None and d == c.route for c, d in zip(cases, decided, strict=True)], dtype=bool),
        confidence=np.full(len(cases), np.nan),
    )
    return Baseline(name, measure(rows))


def _confusions(judged: Sequence[Judged]) -> tuple[Confusion, ...]:
    counted = Counter(
        (j.case.route, j.best)
        for j in judged
        if j.best is not None and j.best != j.case.route and (j.case.route is not None or not _fell_back(j))
    )
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1]))
    return tuple(Confusion(expected, best, count) for (expected, best), count in ordered)


def _route_report(route: str, judged: Sequence[Judged]) -> RouteReport:
    own = [j for j in judged if j.case.route == route]
    accepted = [j for j in own if not _fell_back(j)]
    confusions = Counter(j.best for j in own if j.best is not None and j.best != route)
    return RouteReport(
        route=route,
        cases=len(own),
        best=sum(j.best == route for j in own),
        accepted=len(accepted),
        accepted_right=sum(j.decision.route == route for j in accepted),
        confusions=dict(confusions.most_common()),
    )


def _mistakes(judged: Sequence[Judged]) -> tuple[Mistake, ...]:
    wrong = [j for j in judged if not _fell_back(j) and j.decision.route != j.case.route]
    wrong.sort(key=lambda j: -(j.confidence or 0.0))
    return tuple(
        Mistake(
            text=j.case.text.text,
            file=j.case.text.file,
            line=j.case.text.line,
            expected=j.case.route,
            decided=j.decision.route,
            confidence=j.confidence,
            nearest=j.nearest,
        )
        for j in wrong[:_WORST_COUNT]
    )


def _fell_back(judged: Judged) -> bool:
    return judged.decision.outcome is Outcome.FALLBACK
