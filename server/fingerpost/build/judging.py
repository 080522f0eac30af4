"""Judging: what would be decided for labelled texts? As the server decides them, with what led there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fingerpost.build.report import Near
from fingerpost.ports import Progress
from fingerpost.serve.calibrate import judge, surest
from fingerpost.serve.decide import decide
from fingerpost.serve.score import score
from fingerpost.serve.search import Space, find
from fingerpost.serve.spell import Speller
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
    Vectors,
)

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
    foreign: bool = False  # see `serve.spell`

    @property
    def confidence(self) -> float | None:
        """Of the best route."""
        return _confidence(self.judgement)

    @property
    def fell_back(self) -> bool:
        return self.decision.outcome is Outcome.FALLBACK

    @property
    def right(self) -> bool:
        """Whether the decision is the case's own: its route, or the fallback for one that belongs to none."""
        return self.decision.route == self.case.route


def judge_cases(
    cases: Sequence[Case],
    speller: Speller,
    space: Space,
    decider: Decider,
    vectors_of: Callable[[Sequence[str]], Vectors],
    progress: Progress,
) -> list[Judged]:
    """Decide every case as the server would.

    Args:
        cases: n labelled texts; a route that the catalog lacks can only be decided wrongly.
        speller: Of the revision's exemplars.
        space: What the revision searches, of dimension d.
        decider: What the revision decides with.
        vectors_of: Embeds m texts; shape (m, d), float32, unit rows.
        progress: Hears the step "evaluate", counted in cases.
    """
    spelled = [speller.read(case.text.text) for case in cases]
    views = [view for read in spelled for view in read.views]
    vectors = dict(zip(views, vectors_of(views), strict=True))
    progress.step("evaluate", len(cases))
    judged = []
    for case, read in zip(cases, spelled, strict=True):
        found = [find(space, vectors[view], decider.vote.neighbours) for view in read.views]
        judged.append(_judged(case, found, space.exemplars, decider, foreign=read.foreign))
        progress.advance()
    return judged


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
        foreign=foreign,
    )


def _near(neighbour: Neighbour, exemplars: Sequence[Exemplar], decider: Decider) -> Near:
    exemplar = exemplars[neighbour.exemplar]
    route = None if exemplar.route == OUT_OF_SCOPE else decider.routes[exemplar.route].name
    return Near(exemplar.text, route, neighbour.similarity)


def _confidence(judgement: Judgement) -> float | None:
    """Of the best route."""
    return judgement.candidates[0].confidence if judgement.candidates else None
