"""Evaluate: how good are the decisions of labelled cases? Metrics with intervals, confusions, the worst mistakes."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fingerpost.build.judging import SHARES, Case, Judged
from fingerpost.build.metrics import Rows, at_share, measure
from fingerpost.build.report import Baseline, Confusion, Mistake, Report, RouteReport
from fingerpost.types import Decider

_WORST_COUNT = 20


def report_of(judged: Sequence[Judged], decider: Decider) -> Report:
    """What many decisions measure; `judged` by this decider."""
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
        accepted=np.array([not j.fell_back for j in judged], dtype=bool),
        right=np.array([not j.fell_back and j.decision.route == j.case.route for j in judged], dtype=bool),
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
        if j.best is not None and j.best != j.case.route and (j.case.route is not None or not j.fell_back)
    )
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1]))
    return tuple(Confusion(expected, best, count) for (expected, best), count in ordered)


def _route_report(route: str, judged: Sequence[Judged]) -> RouteReport:
    own = [j for j in judged if j.case.route == route]
    accepted = [j for j in own if not j.fell_back]
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
    wrong = [j for j in judged if not j.fell_back and j.decision.route != j.case.route]
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
