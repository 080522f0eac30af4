"""Judging: what would be decided for labelled texts? As the server decides them, with what led there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fingerpost.build.report import Near
from fingerpost.ports import Progress
from fingerpost.serve.calibrate import judge, surest
from fingerpost.serve.decide import decide, margin
from fingerpost.serve.plan import Plan
from fingerpost.serve.rules import NO_RULING, Ruling, facts_of, scores_of
from fingerpost.serve.score import score
from fingerpost.serve.search import Space, find
from fingerpost.serve.select import Asked
from fingerpost.serve.situation import Situation
from fingerpost.serve.spell import Speller
from fingerpost.serve.tokens import estimated_tokens
from fingerpost.types import (
    OUT_OF_SCOPE,
    Decider,
    Decision,
    Demands,
    Found,
    Judgement,
    Neighbour,
    Outcome,
    Scores,
    Text,
    Vectors,
)

_NEAREST_COUNT = 3

RULES_TIME = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""A Monday noon: the time that rules read while texts are judged, so that the same files give the same report."""

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


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides texts as the server would, by one revision."""

    speller: Speller  # of its exemplars
    space: Space  # what it searches, of dimension d
    plan: Plan
    vectors_of: Callable[[Sequence[str]], Vectors]  # embeds m texts; shape (m, d), float32, unit rows
    progress: Progress  # hears the step "evaluate", counted in texts

    @property
    def decider(self) -> Decider:
        return self.plan.decider

    def cases(self, cases: Sequence[Case]) -> list[Judged]:
        """Decide labelled texts; a route that the catalog lacks can only be decided wrongly."""
        looked = self._look([case.text for case in cases])
        return [self._judged(case, one) for case, one in zip(cases, looked, strict=True)]

    def texts(self, texts: Sequence[Text]) -> list[Opinion]:
        """Decide texts that nobody has labelled."""
        return [
            Opinion(
                text=text,
                decision=self._decision(text.text, one.judgement),
                best=self._best(one.judgement),
                judgement=one.judgement,
                nearest=self._nearest(one.found),
            )
            for text, one in zip(texts, self._look(texts), strict=True)
        ]

    def _look(self, texts: Sequence[Text]) -> list[_Looked]:
        spelled = [self.speller.read(text.text) for text in texts]
        views = [view for read in spelled for view in read.views]
        vectors = dict(zip(views, self.vectors_of(views), strict=True))
        self.progress.step("evaluate", len(texts))
        looked = []
        for read in spelled:
            found = [find(self.space, vectors[view], self.decider.vote.neighbours) for view in read.views]
            judged = [(one, judge(self._scored(one), self.decider, foreign=read.foreign)) for one in found]
            looked.append(_Looked(*surest(judged), read.foreign))
            self.progress.advance()
        return looked

    def _judged(self, case: Case, looked: _Looked) -> Judged:
        scores, decider = self._scored(looked.found), self.decider
        return Judged(
            case=case,
            decision=self._decision(case.text.text, looked.judgement),
            best=self._best(looked.judgement),
            judgement=looked.judgement,
            at_share=tuple(_confidence(judge(scores, decider, share, foreign=looked.foreign)) for share in SHARES),
            nearest=self._nearest(looked.found),
            foreign=looked.foreign,
        )

    def _decision(self, text: str, judgement: Judgement) -> Decision:
        """As the server's for a caller that says nothing but the text."""
        tokens = estimated_tokens(text)
        ruling = self._ruling(text, tokens, judgement)
        asked = Asked(key=text, input_tokens=tokens)
        return decide(judgement, self.plan, Situation(Demands(input_tokens=tokens), asked, ruling))

    def _ruling(self, text: str, tokens: int, judgement: Judgement) -> Ruling:
        book = self.plan.rulebook
        if book.is_empty:
            return NO_RULING
        facts = facts_of(text, metadata={}, tenant="", tokens=tokens, turns=1, time=RULES_TIME, detector=book.detector)
        sitting = book.sitting(facts)
        sitting.before()
        gap = margin(judgement.candidates) if judgement.candidates else None
        return sitting.after(scores_of(judgement, self.decider, gap))

    def _scored(self, found: Found) -> Scores:
        return score(found, self.space.exemplars, self.decider.vote, self.decider.blend)

    def _best(self, judgement: Judgement) -> str | None:
        return self.decider.routes[judgement.candidates[0].route].name if judgement.candidates else None

    def _nearest(self, found: Found) -> tuple[Near, ...]:
        return tuple(self._near(neighbour) for neighbour in found.neighbours[:_NEAREST_COUNT])

    def _near(self, neighbour: Neighbour) -> Near:
        exemplar = self.space.exemplars[neighbour.exemplar]
        route = None if exemplar.route == OUT_OF_SCOPE else self.decider.routes[exemplar.route].name
        return Near(exemplar.text, route, neighbour.similarity)


def _confidence(judgement: Judgement) -> float | None:
    """Of the best route."""
    return judgement.candidates[0].confidence if judgement.candidates else None
