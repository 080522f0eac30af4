"""Evaluate: what would be decided for the held-out `tests:`? Accuracy, fallbacks, confusions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fingerpost.serve.calibrate import judge
from fingerpost.serve.decide import decide
from fingerpost.serve.score import score
from fingerpost.serve.search import search
from fingerpost.types import (
    Decider,
    Decision,
    Exemplar,
    Judgement,
    Outcome,
    Progress,
    Text,
    VectorIndex,
    Vectors,
)

_WORST_COUNT = 20


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


@dataclass(frozen=True, slots=True)
class RouteReport:
    """Of one route's cases; counts."""

    route: str
    cases: int
    best: int  # the route was the best, before the threshold
    accepted: int
    accepted_right: int
    confusions: dict[str, int]  # best route -> count, where it was another


@dataclass(frozen=True, slots=True)
class Mistake:
    """A case that was decided wrongly, and with what confidence."""

    text: str
    file: str
    line: int
    expected: str | None
    decided: str | None
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Of all cases; shares are None where there is nothing to count."""

    cases: int
    top1_accuracy: float | None  # best route right before the threshold, of the cases in scope
    fallback_share: float | None  # of the cases in scope
    accepted_precision: float | None  # right, of all accepted cases
    out_of_scope_cases: int
    out_of_scope_fallback_share: float | None
    left_out_accuracy: float | None  # of utterances, each left out in turn
    threshold: float
    calibration: str
    routes: tuple[RouteReport, ...]
    mistakes: tuple[Mistake, ...]  # most confident first


def evaluate(
    cases: Sequence[Case],
    vectors: Vectors,
    index: VectorIndex,
    exemplars: Sequence[Exemplar],
    decider: Decider,
    left_out_accuracy: float | None,
    progress: Progress,
) -> Report:
    """Decide every case as the server would.

    Args:
        cases: n labelled texts.
        vectors: Shape (n, dim), float32, unit rows.
        index: Of the exemplars.
        exemplars: By id.
        decider: What the revision decides with.
        left_out_accuracy: From the fit; reported beside the cases'.
        progress: Advances by one a case.
    """
    judged = []
    for case, vector in zip(cases, vectors, strict=True):
        scores = score(search(index, exemplars, vector, decider.vote.neighbours), exemplars, decider.vote)
        judgement = judge(scores, decider.confidence_map)
        judged.append(Judged(case, decide(judgement, decider), _best(judgement, decider)))
        progress.advance()
    return _report(judged, decider, left_out_accuracy)


def _best(judgement: Judgement, decider: Decider) -> str | None:
    return decider.routes[judgement.candidates[0].route].name if judgement.candidates else None


def _report(judged: Sequence[Judged], decider: Decider, left_out_accuracy: float | None) -> Report:
    inside = [j for j in judged if j.case.route is not None]
    outside = [j for j in judged if j.case.route is None]
    accepted = [j for j in judged if j.decision.outcome is Outcome.MATCHED]
    return Report(
        cases=len(judged),
        top1_accuracy=_share(sum(j.best == j.case.route for j in inside), len(inside)),
        fallback_share=_share(sum(_fell_back(j) for j in inside), len(inside)),
        accepted_precision=_share(sum(j.decision.route == j.case.route for j in accepted), len(accepted)),
        out_of_scope_cases=len(outside),
        out_of_scope_fallback_share=_share(sum(_fell_back(j) for j in outside), len(outside)),
        left_out_accuracy=left_out_accuracy,
        threshold=decider.threshold,
        calibration=decider.confidence_map.calibration.value,
        routes=tuple(_route_report(route.name, inside) for route in decider.routes),
        mistakes=_mistakes(judged),
    )


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
    wrong.sort(key=lambda j: -(j.decision.confidence or 0.0))
    return tuple(
        Mistake(
            text=j.case.text.text,
            file=j.case.text.file,
            line=j.case.text.line,
            expected=j.case.route,
            decided=j.decision.route,
            confidence=j.decision.confidence,
        )
        for j in wrong[:_WORST_COUNT]
    )


def _fell_back(judged: Judged) -> bool:
    return judged.decision.outcome is Outcome.FALLBACK


def _share(count: int, total: int) -> float | None:
    return count / total if total else None
