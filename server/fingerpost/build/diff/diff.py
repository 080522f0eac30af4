"""Diff: which decisions change from one revision to another, why, and is that for the better?

Pure: both revisions have decided the same texts already.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fingerpost.build.diff.causes import Cause, causes_of
from fingerpost.build.diff.changes import Changes, Compared
from fingerpost.build.diff.paired import Delta, Flags, precision_delta, share_delta
from fingerpost.build.diff.prices import Cost, Tokens, cost_of
from fingerpost.build.diff.texts import Texts, TextsKind
from fingerpost.build.judging import Judged
from fingerpost.types import Model


class Effect(StrEnum):
    """What a changed decision means where it is known which one is right."""

    BETTER = "BETTER"  # wrong before, right after
    WORSE = "WORSE"  # right before, wrong after
    OTHER = "OTHER"  # right or wrong both times


class ChangeKind(StrEnum):
    """What happened to a decision."""

    REROUTED = "REROUTED"  # from one route to another
    FELL_BACK = "FELL_BACK"  # from a route to the fallback
    ROUTED = "ROUTED"  # from the fallback to a route
    RENAMED = "RENAMED"  # the route has another name
    REMODELLED = "REMODELLED"  # the same route, or the fallback, has another model


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one revision decides for a text."""

    route: str | None  # None: the fallback
    model: str
    best: str | None  # the best route before the threshold
    confidence: float | None  # of the best route, [0, 1]
    threshold: float
    right: bool | None  # None where the text has no label


@dataclass(frozen=True, slots=True)
class ChangedDecision:
    """A text that is decided otherwise."""

    text: str
    file: str
    line: int  # 0 for an utterance of a revision
    expected: str | None  # the label; None: out of scope, or no label
    before: Verdict
    after: Verdict
    effect: Effect | None  # None where the text has no label
    causes: tuple[Cause, ...]  # the weightiest first


@dataclass(frozen=True, slots=True)
class Group:
    """Texts whose decisions changed alike."""

    kind: ChangeKind
    before: str | None  # the route; None: the fallback
    after: str | None
    model_before: str
    model_after: str
    texts: tuple[ChangedDecision, ...]  # worse ones first, then better ones


@dataclass(frozen=True, slots=True)
class Diff:
    """What changes from one revision to another."""

    before: str  # digest
    after: str
    kind: TextsKind  # of the texts
    place: str  # folder or file that they come from
    texts: int  # that both revisions decided
    total: int  # that there are; more where only a sample was decided
    labelled: bool
    known: int  # texts that are utterances of one of the revisions, which knows them by heart
    new_labels: int  # texts of routes that the earlier revision does not have, so that it is wrong about them
    changed: int
    better: int
    worse: int
    groups: tuple[Group, ...]  # the largest first
    accuracy: Delta | None  # decided right, the fallback where a text belongs to no route; None without labels
    coverage: Delta | None  # decided for a route; None without texts
    precision: Delta | None  # right, of those decided for a route; None without labels or where one has none
    cost: Cost
    changes: Changes  # between the revisions themselves


def diff_of(
    between: Compared, texts: Texts, before: Sequence[Judged], after: Sequence[Judged], tokens: Tokens | None = None
) -> Diff:
    """Compare what two revisions decided.

    Args:
        between: The revisions.
        texts: n texts that both have decided.
        before: n decisions of the earlier one, in the order of the texts.
        after: n decisions of the later one, likewise.
        tokens: What a request is taken to have; None: the usual.
    """
    pairs = [_Pair(old, new, between, texts.labelled) for old, new in zip(before, after, strict=True)]
    changed = [pair for pair in pairs if pair.kind is not None]
    accepted_before, accepted_after = (_flags([not j.fell_back for j in side]) for side in (before, after))
    right_before, right_after = _flags([p.right_before for p in pairs]), _flags([p.right_after for p in pairs])
    moves, added = between.moves, between.changes.routes_added
    return Diff(
        before=between.before.digest,
        after=between.after.digest,
        kind=texts.kind,
        place=texts.place,
        texts=len(texts.cases),
        total=texts.total,
        labelled=texts.labelled,
        known=sum(case.text.text in moves.before or case.text.text in moves.after for case in texts.cases),
        new_labels=sum(pair.expected in added for pair in pairs),
        changed=len(changed),
        better=sum(pair.effect is Effect.BETTER for pair in changed),
        worse=sum(pair.effect is Effect.WORSE for pair in changed),
        groups=_grouped(changed),
        accuracy=share_delta(right_before, right_after) if texts.labelled else None,
        coverage=share_delta(accepted_before, accepted_after),
        precision=precision_delta(accepted_before, right_before, accepted_after, right_after)
        if texts.labelled
        else None,
        cost=cost_of([pair.models for pair in pairs], tokens or Tokens()),
        changes=between.changes,
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """One text as both revisions decide it; routes are compared by their names after."""

    before: Judged
    after: Judged
    between: Compared
    labelled: bool

    @property
    def expected(self) -> str | None:
        """The label; None: out of scope, or no label."""
        return self.between.now_called(self.before.case.route)

    @property
    def right_before(self) -> bool:
        return self.labelled and self.between.now_called(self.before.decision.route) == self.expected

    @property
    def right_after(self) -> bool:
        return self.labelled and self.after.decision.route == self.expected

    @property
    def effect(self) -> Effect | None:
        if not self.labelled:
            return None
        if self.right_before == self.right_after:
            return Effect.OTHER
        return Effect.BETTER if self.right_after else Effect.WORSE

    @property
    def kind(self) -> ChangeKind | None:
        """What happened to the decision; None: nothing."""
        old, new = self.before.decision, self.after.decision
        if self.between.now_called(old.route) == new.route:
            if old.route != new.route:
                return ChangeKind.RENAMED
            return None if old.model == new.model else ChangeKind.REMODELLED
        if old.route is None:
            return ChangeKind.ROUTED
        return ChangeKind.FELL_BACK if new.route is None else ChangeKind.REROUTED

    @property
    def models(self) -> tuple[Model, Model]:
        """With the prices of their revisions."""
        olds, news = self.between.before.decider.models, self.between.after.decider.models
        return olds[self.before.decision.model], news[self.after.decision.model]

    def changed(self) -> ChangedDecision:
        text = self.after.case.text
        return ChangedDecision(
            text=text.text,
            file=text.file,
            line=text.line,
            expected=self.expected,
            before=_verdict(self.before, self.right_before if self.labelled else None),
            after=_verdict(self.after, self.right_after if self.labelled else None),
            effect=self.effect,
            causes=causes_of(self.before, self.after, self.between),
        )


def _verdict(judged: Judged, right: bool | None) -> Verdict:
    decision = judged.decision
    return Verdict(decision.route, decision.model, judged.best, judged.confidence, decision.threshold, right)


_EFFECTS = (Effect.WORSE, Effect.BETTER, Effect.OTHER, None)


def _grouped(changed: Sequence[_Pair]) -> tuple[Group, ...]:
    """Texts whose decisions changed alike, the largest group first."""
    groups: dict[tuple[ChangeKind, str | None, str | None], list[_Pair]] = defaultdict(list)
    for pair in changed:
        if pair.kind is not None:
            groups[pair.kind, pair.before.decision.route, pair.after.decision.route].append(pair)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))  # stable: equal ones as the texts came
    return tuple(_group(kind, pairs) for (kind, _, _), pairs in ordered)


def _group(kind: ChangeKind, pairs: Sequence[_Pair]) -> Group:
    first = pairs[0]
    texts = sorted((pair.changed() for pair in pairs), key=lambda one: _EFFECTS.index(one.effect))
    return Group(
        kind=kind,
        before=first.before.decision.route,
        after=first.after.decision.route,
        model_before=first.before.decision.model,
        model_after=first.after.decision.model,
        texts=tuple(texts),
    )


def _flags(values: Sequence[bool]) -> Flags:
    return np.array(values, dtype=bool)
