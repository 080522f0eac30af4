"""Acceptance: why is the same best route taken now and was not, or the other way round?

Acceptance rests on three things: what is near the text, the maps from that to a confidence, and the threshold. Each is
put back to what it was, alone and together with others, to see which of them did it.
"""

from dataclasses import dataclass
from itertools import product

from fingerpost.build.judging import Judged
from fingerpost.serve.calibrate import confidence_of, in_scope_of
from fingerpost.types import Calibration, Decider, RoutePolicy


@dataclass(frozen=True, slots=True)
class Blamed:
    """Which of the things that an acceptance rests on changed it."""

    evidence: bool
    maps: bool
    threshold: bool


def blamed_for(before: Judged, decider_before: Decider, after: Judged, decider_after: Decider) -> Blamed:
    """Those that change the acceptance alone; else those without which it would not have changed; else all.

    Args:
        before: A text whose best route is the same both times, and is taken only once.
        decider_before: By which it was judged.
        after: The same text later.
        decider_after: Likewise.
    """
    one, other = _Side.of(before, decider_before), _Side.of(after, decider_after)
    if one is None or other is None or one.scoped != other.scoped:
        return Blamed(evidence=False, maps=True, threshold=False)  # another kind of confidence altogether
    sides = (one, other)
    taken = {(e, m, t): _accepts(sides[e], sides[m], sides[t]) for e, m, t in product((0, 1), repeat=3)}
    old, new = taken[0, 0, 0], taken[1, 1, 1]
    alone = (taken[1, 0, 0] != old, taken[0, 1, 0] != old, taken[0, 0, 1] != old)
    needed = (taken[0, 1, 1] != new, taken[1, 0, 1] != new, taken[1, 1, 0] != new)
    return Blamed(*(alone if any(alone) else needed if any(needed) else (True, True, True)))


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
