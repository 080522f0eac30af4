"""Causes: why is a text decided otherwise than before? Found from facts of both revisions, not guessed."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from fingerpost.build.diff.acceptance import blamed_for
from fingerpost.build.diff.changes import Compared, Moves, Placed
from fingerpost.build.judging import Judged
from fingerpost.build.report import Near
from fingerpost.types import Reason


class CauseKind(StrEnum):
    """What made a decision another one."""

    RULES_CHANGED = "RULES_CHANGED"
    ROUTE_ADDED = "ROUTE_ADDED"
    ROUTE_REMOVED = "ROUTE_REMOVED"
    ROUTE_RENAMED = "ROUTE_RENAMED"
    MODEL_CHANGED = "MODEL_CHANGED"
    UTTERANCE_ADDED = "UTTERANCE_ADDED"
    UTTERANCE_MOVED = "UTTERANCE_MOVED"
    UTTERANCE_REMOVED = "UTTERANCE_REMOVED"
    OTHER_NEARER = "OTHER_NEARER"
    SCORER_CHANGED = "SCORER_CHANGED"
    CALIBRATION_CHANGED = "CALIBRATION_CHANGED"
    THRESHOLD_CHANGED = "THRESHOLD_CHANGED"
    ENCODER_CHANGED = "ENCODER_CHANGED"


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause, with what it names; what a kind does not name is None.

    MODEL_CHANGED has models before and after, UTTERANCE_MOVED and ROUTE_RENAMED routes, THRESHOLD_CHANGED thresholds,
    CALIBRATION_CHANGED confidences, ENCODER_CHANGED encoders' names, RULES_CHANGED names of rules. A route of None
    stands for the fallback, and where an utterance is named for the texts out of scope.
    """

    kind: CauseKind
    route: str | None = None
    utterance: str | None = None
    before: str | float | None = None
    after: str | float | None = None


def causes_of(before: Judged, after: Judged, between: Compared) -> tuple[Cause, ...]:
    """Why a text's decision changed, the weightiest first; at least one.

    Args:
        before: What the earlier revision decided.
        after: What the later one decides for the same text: another route, or another model.
        between: The two revisions.
    """
    if before.decision.rules != after.decision.rules:
        rules = [", ".join(judged.decision.rules) or None for judged in (before, after)]
        return (Cause(CauseKind.RULES_CHANGED, after.decision.route, before=rules[0], after=rules[1]),)
    routes = tuple(_of_routes(before, after, between))
    if between.now_called(before.decision.route) == after.decision.route:
        return routes
    if encoder := between.changes.encoder:
        return (*routes, Cause(CauseKind.ENCODER_CHANGED, before=encoder.before, after=encoder.after))
    if routes:
        return (*routes, *_of_utterances(before, after, between))
    return tuple(_of_judgement(before, after, between))


def _of_routes(before: Judged, after: Judged, between: Compared) -> Iterator[Cause]:
    """What changed of the routes themselves."""
    old, new, changes = before.decision.route, after.decision.route, between.changes
    if new in changes.routes_added:
        yield Cause(CauseKind.ROUTE_ADDED, new)
    if old in changes.routes_removed:
        yield Cause(CauseKind.ROUTE_REMOVED, old)
    if between.now_called(old) != new:
        return
    if old != new:
        yield Cause(CauseKind.ROUTE_RENAMED, new, before=old, after=new)
    if before.decision.model != after.decision.model:
        yield Cause(CauseKind.MODEL_CHANGED, new, before=before.decision.model, after=after.decision.model)


def _of_judgement(before: Judged, after: Judged, between: Compared) -> Iterator[Cause]:
    """What made the judgement of the text another one."""
    if before.best is None or after.best is None or between.now_called(before.best) != after.best:
        yield from _of_evidence(before, after, between)
        return
    blamed = blamed_for(before, between.before.decider, after, between.after.decider)
    if blamed.evidence:
        yield from _of_evidence(before, after, between)
    if blamed.threshold:
        thresholds = before.decision.threshold, after.decision.threshold
        yield Cause(CauseKind.THRESHOLD_CHANGED, after.best, before=thresholds[0], after=thresholds[1])
    if blamed.maps:
        confidences = before.confidence, after.confidence
        yield Cause(CauseKind.CALIBRATION_CHANGED, after.best, before=confidences[0], after=confidences[1])


def _of_evidence(before: Judged, after: Judged, between: Compared) -> Iterator[Cause]:
    """Utterances near the text that came, went or moved; else one that is nearer than before; else the scorer."""
    found = tuple(_of_utterances(before, after, between))
    if found:
        yield from found
    elif _nearest_changed_route(before, after, between):
        nearest = after.nearest[0]
        yield Cause(CauseKind.OTHER_NEARER, nearest.route, nearest.text)
    else:
        yield Cause(CauseKind.SCORER_CHANGED)


def _of_utterances(before: Judged, after: Judged, between: Compared) -> Iterator[Cause]:
    """The nearest utterance, where it is new and speaks for the new decision, or is gone and spoke for the old one.

    Where neither is so, the first of the three nearest that came or went. An utterance that equals the text decides
    alone, and those of a route that is gone went with it.
    """
    moves, old = between.moves, before.decision.route
    came = _for(after, moves.added, old)
    went = () if old in between.changes.routes_removed else _for(before, moves.removed, after.decision.route)
    arrived, left = _first(came, after), _first(went, before)
    if not arrived and not left:
        arrived, left = came[:1], () if came else went[:1]
    if Reason.EXACT_MATCH in after.decision.reasons and arrived:
        left = ()
    elif after.fell_back and arrived and left and arrived[0].similarity < left[0].similarity:
        arrived = ()  # a rival that is farther away than what is gone was none
    yield from (_arrival(near, moves) for near in arrived)
    yield from (_departure(near, moves) for near in left if near.text not in {other.text for other in arrived})


def _first(found: tuple[Near, ...], judged: Judged) -> tuple[Near, ...]:
    """The nearest of all, if it is among those."""
    return found[:1] if found and found[0] == judged.nearest[0] else ()


def _for(judged: Judged, placed: Collection[Placed], other: str | None) -> tuple[Near, ...]:
    """Those of the nearest utterances that are among these and speak for the decision, not for the other one."""
    decided = judged.decision.route
    return tuple(
        near
        for near in judged.nearest
        if (near.text, near.route) in placed and (near.route == decided if decided is not None else near.route != other)
    )


def _arrival(near: Near, moves: Moves) -> Cause:
    if near.text not in moves.before:
        return Cause(CauseKind.UTTERANCE_ADDED, near.route, near.text)
    return Cause(CauseKind.UTTERANCE_MOVED, near.route, near.text, before=moves.before[near.text][0], after=near.route)


def _departure(near: Near, moves: Moves) -> Cause:
    if near.text not in moves.after:
        return Cause(CauseKind.UTTERANCE_REMOVED, near.route, near.text)
    target = moves.after[near.text][0]
    return Cause(CauseKind.UTTERANCE_MOVED, target, near.text, before=near.route, after=target)


def _nearest_changed_route(before: Judged, after: Judged, between: Compared) -> bool:
    if not before.nearest or not after.nearest:
        return False
    return between.now_called(before.nearest[0].route) != after.nearest[0].route
