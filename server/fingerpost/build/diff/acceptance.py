"""Acceptance: why is the same best route taken now and was not, or the other way round?

Acceptance rests on three things: what is near the text, the maps from that to a confidence, and the threshold. Each is
put back to what it was, alone and together with others, to see which of them did it.
"""

from dataclasses import dataclass
from itertools import product

from fingerpost.build.judging import Judged
from fingerpost.serve.calibrate import confidence_of, in_scope_of
from fingerpost.types import Candidate, Decider


@dataclass(frozen=True, slots=True)
class Blamed:
    """Which of the things that an acceptance rests on changed it."""

    evidence: bool
    maps: bool
    threshold: bool


def blamed_for(before: Judged, decider_before: Decider, after: Judged, decider_after: Decider) -> Blamed:
    """Those that change the acceptance alone; else those without which it would not have changed; else all.

    Args:
        before: A text that has the same best route both times, which is taken only once.
        decider_before: By which it was judged.
        after: The same text later.
        decider_after: Likewise.
    """
    sides = (_Side(before, decider_before), _Side(after, decider_after))
    if sides[0].best.exact != sides[1].best.exact:
        return Blamed(
            evidence=True, maps=False, threshold=False
        )  # an utterance that equals the text needs no confidence
    if sides[0].scoped != sides[1].scoped:
        return Blamed(evidence=False, maps=True, threshold=False)  # another kind of confidence altogether
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

    @property
    def best(self) -> Candidate:
        return self.judged.judgement.candidates[0]

    @property
    def threshold(self) -> float:
        return self.decider.routes[self.best.route].threshold

    @property
    def scoped(self) -> bool:
        """Whether a map of its own tells the chance of being in scope."""
        return self.decider.scope_map is not None


def _accepts(evidence: _Side, maps: _Side, threshold: _Side) -> bool:
    """Whether the route would be taken with what one revision sees, another's maps and a third one's threshold."""
    judgement, decider = evidence.judged.judgement, maps.decider
    if evidence.best.exact:
        return True
    confidence = confidence_of(judgement.features, decider.confidence_map, maps.best.route)
    if confidence is None:
        return evidence.best.similarity >= decider.confidence_map.similarity_floor
    if decider.scope_map is not None and judgement.scope_features:
        confidence *= in_scope_of(judgement.scope_features, decider.scope_map, foreign=evidence.judged.foreign)
    return confidence >= threshold.threshold
