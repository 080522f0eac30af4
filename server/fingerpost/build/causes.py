"""Causes: why is a text decided otherwise than before? Found from facts of both revisions, not guessed.

Where the same route is best both times and only its acceptance changed, each of the three things that it rests on (what
is near the text, the maps to a confidence, the threshold) is put back to what it was, to see which of them did it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from fingerpost.build.changes import Compared, Moves, Placed
from fingerpost.build.judging import Judged
from fingerpost.build.report import Near
from fingerpost.serve.calibrate import confidence_of, in_scope_of
from fingerpost.types import Calibration, Decider, Reason, RoutePolicy


class CauseKind(StrEnum):
    """What made a decision another one."""

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
    CALIBRATION_CHANGED confidences, ENCODER_CHANGED encoders' names. A route of None stands for the fallback, and where
    an utterance is named for the texts out of scope.
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
    blamed = _blamed(before, after, between)
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
    moves = between.moves
    came = _for(after, moves.added, before.decision.route)
    went = (
        ()
        if before.decision.route in between.changes.routes_removed
        else _for(before, moves.removed, after.decision.route)
    )
    nearest = (after.nearest[:1], before.nearest[:1])
    found = [[near for near in some if near in first] for some, first in zip((came, went), nearest, strict=True)]
    if not any(found):
        found = [list(came[:1]), [] if came else list(went[:1])]
    for near in found[0]:
        yield _arrival(near, moves)
        if Reason.EXACT_MATCH in after.decision.reasons:
            return
    yield from (_departure(near, moves) for near in found[1] if near.text not in {other.text for other in found[0]})


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


@dataclass(frozen=True, slots=True)
class _Blamed:
    """Which of the things that an acceptance rests on changed it."""

    evidence: bool
    maps: bool
    threshold: bool


def _blamed(before: Judged, after: Judged, between: Compared) -> _Blamed:
    """Those that change the acceptance alone; else those without which it would not have changed; else all."""
    one, other = _Side.of(before, between.before.decider), _Side.of(after, between.after.decider)
    if one is None or other is None or one.scoped != other.scoped:
        return _Blamed(evidence=False, maps=True, threshold=False)  # another kind of confidence altogether
    sides = (one, other)
    taken = {(e, m, t): _accepts(sides[e], sides[m], sides[t]) for e, m, t in product((0, 1), repeat=3)}
    old, new = taken[0, 0, 0], taken[1, 1, 1]
    alone = (taken[1, 0, 0] != old, taken[0, 1, 0] != old, taken[0, 0, 1] != old)
    needed = (taken[0, 1, 1] != new, taken[1, 0, 1] != new, taken[1, 1, 0] != new)
    return _Blamed(*(alone if any(alone) else needed if any(needed) else (True, True, True)))


@dataclass(frozen=True, slots=True)
class _Side:
    """How one revision sees the text whose best route it is."""

    judged: Judged
    decider: Decider
    route: int  # number of the best route
    policy: RoutePolicy

    @classmethod
    def of(cls, judged: Judged, decider: Decider) -> "_Side | None":
        """None where there is no calibrated confidence."""
        if not judged.judgement.candidates or decider.confidence_map.calibration is Calibration.NONE:
            return None
        route = judged.judgement.candidates[0].route
        return cls(judged, decider, route, decider.routes[route])

    @property
    def scoped(self) -> bool:
        """Whether a map of its own tells the chance of being in scope."""
        return self.decider.scope_map is not None


def _accepts(evidence: _Side, maps: _Side, threshold: _Side) -> bool:
    """Whether the route would be taken with what one revision sees, another's maps and a third one's threshold."""
    judgement, decider = evidence.judged.judgement, maps.decider
    if judgement.candidates[0].exact:
        return True
    confidence = confidence_of(judgement.features, decider.confidence_map, maps.route)
    if confidence is None:
        return False
    if decider.scope_map is not None and judgement.scope_features:
        confidence *= in_scope_of(judgement.scope_features, decider.scope_map, foreign=evidence.judged.foreign)
    return confidence >= threshold.policy.threshold
