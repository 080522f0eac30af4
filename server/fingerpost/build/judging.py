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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What is decided for a text; `best` is the best route before the threshold."""

    decision: Decision
    best: str | None
    judgement: Judgement
    nearest: tuple[Near, ...]

    @property
    def confidence(self) -> float | None:
        """Of the best route."""
        return _confidence(self.judgement)

    @property
    def fell_back(self) -> bool:
        return self.decision.outcome is Outcome.FALLBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(_Decided):
    """A case and what was decided."""

    case: Case
    at_share: tuple[float | None, ...]  # the best route's confidence, were that share of the traffic out of scope
    foreign: bool = False  # see `serve.spell`

    @property
    def right(self) -> bool:
        """Whether the decision is the case's own: its route, or the fallback for one that belongs to none."""
        return self.decision.route == self.case.route


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion(_Decided):
    """What is decided for a text that nobody has labelled."""

    text: Text


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a text's surest view shows."""

    found: Found
    judgement: Judgement
    foreign: bool


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
    texts = [case.text for case in cases]
    looked = _look(texts, speller, space, decider, vectors_of, progress)
    return [_judged(case, one, space.exemplars, decider) for case, one in zip(cases, looked, strict=True)]


def judge_texts(
    texts: Sequence[Text],
    speller: Speller,
    space: Space,
    decider: Decider,
    vectors_of: Callable[[Sequence[str]], Vectors],
    progress: Progress,
) -> list[Opinion]:
    """Decide every text as the server would; the arguments are those of `judge_cases`."""
    looked = _look(texts, speller, space, decider, vectors_of, progress)
    return [
        Opinion(
            text=text,
            decision=decide(one.judgement, decider),
            best=_best(one.judgement, decider),
            judgement=one.judgement,
            nearest=_nearest(one.found, space.exemplars, decider),
        )
        for text, one in zip(texts, looked, strict=True)
    ]


def _look(
    texts: Sequence[Text],
    speller: Speller,
    space: Space,
    decider: Decider,
    vectors_of: Callable[[Sequence[str]], Vectors],
    progress: Progress,
) -> list[_Looked]:
    spelled = [speller.read(text.text) for text in texts]
    views = [view for read in spelled for view in read.views]
    vectors = dict(zip(views, vectors_of(views), strict=True))
    progress.step("evaluate", len(texts))
    looked = []
    for read in spelled:
        found = [find(space, vectors[view], decider.vote.neighbours) for view in read.views]
        judged = [(one, judge(_scored(one, space.exemplars, decider), decider, foreign=read.foreign)) for one in found]
        looked.append(_Looked(*surest(judged), read.foreign))
        progress.advance()
    return looked


def _judged(case: Case, looked: _Looked, exemplars: Sequence[Exemplar], decider: Decider) -> Judged:
    scores = _scored(looked.found, exemplars, decider)
    return Judged(
        case=case,
        decision=decide(looked.judgement, decider),
        best=_best(looked.judgement, decider),
        judgement=looked.judgement,
        at_share=tuple(_confidence(judge(scores, decider, share, foreign=looked.foreign)) for share in SHARES),
        nearest=_nearest(looked.found, exemplars, decider),
        foreign=looked.foreign,
    )


def _scored(found: Found, exemplars: Sequence[Exemplar], decider: Decider) -> Scores:
    return score(found, exemplars, decider.vote, decider.blend)


def _best(judgement: Judgement, decider: Decider) -> str | None:
    return decider.routes[judgement.candidates[0].route].name if judgement.candidates else None


def _nearest(found: Found, exemplars: Sequence[Exemplar], decider: Decider) -> tuple[Near, ...]:
    return tuple(_near(neighbour, exemplars, decider) for neighbour in found.neighbours[:_NEAREST_COUNT])


def _near(neighbour: Neighbour, exemplars: Sequence[Exemplar], decider: Decider) -> Near:
    exemplar = exemplars[neighbour.exemplar]
    route = None if exemplar.route == OUT_OF_SCOPE else decider.routes[exemplar.route].name
    return Near(exemplar.text, route, neighbour.similarity)


def _confidence(judgement: Judgement) -> float | None:
    """Of the best route."""
    return judgement.candidates[0].confidence if judgement.candidates else None
