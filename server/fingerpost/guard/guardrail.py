"""Guardrail: is an arm surely outside the band in which it must stay? Pure; asked as often as one likes.

A share is tested exactly: its likelihood ratio to the edge of the band, mixed evenly over all shares, is 20 or more at
some time in at most 5 % of arms at the edge (Ville 1939; Robbins 1970). That takes requests as independent, which those
of one session are not: so what differs between sessions must say the same (`guard/sequential.py`), and of costs, which
have no bound, it decides alone. Units are counted in a fixed number of buckets by their hash: none is ever split, so
that the variance between buckets is as good as that between units, in little memory.
"""

import math
from dataclasses import dataclass, field, replace

from fingerpost.guard.sequential import ALPHA, Sums, estimate, p_value
from fingerpost.types import Experiment, ExperimentUnit, GuardedMeasure, Guardrail

MIN_OBSERVATIONS = 20
"""Nothing is stopped by fewer."""

_BUCKETS = 256
_FEW_TENANTS = 20  # so few are taken as they are, and their requests as independent
_LEAST_UNITS = 2.0  # of one alone nobody knows how units differ
_DEARER = 4.0  # times the dearest so far: what the next one may cost, where costs seem too low
_TAU = 0.5  # of the edge, or of what is left beyond it: a guardrail is there for what is no small effect


@dataclass(slots=True)
class _Tally:
    """Values of one measure, summed by bucket and each for itself."""

    buckets: dict[int, tuple[float, int]] = field(default_factory=dict)
    together: Sums = field(default_factory=Sums)
    apart: Sums = field(default_factory=Sums)
    highest: float = 0.0

    def add(self, unit: str, value: float) -> None:
        bucket = int(unit, 16) % _BUCKETS
        y, x = self.buckets.get(bucket, (0.0, 0))
        self.buckets[bucket] = (y + value, x + 1)
        self.together.move(y, x, value, 1)
        self.apart.move(0, 0, value, 1)
        self.highest = max(self.highest, value)

    def with_a_dear_one(self) -> tuple[Sums, Sums]:
        """The sums as if one dear request came, and one dear unit.

        That a mean is low is no proof where few values make up most of it: the next of them may be still to come.
        """
        apart, together = replace(self.apart), replace(self.together)
        size = together.x / together.units
        apart.move(0, 0, _DEARER * self.highest, 1)
        together.move(0, 0, _DEARER * size * max(y / x for y, x in self.buckets.values()), size)
        return apart, together


class Watched:
    """What an arm has done so far, as far as this process knows."""

    def __init__(self, unit: ExperimentUnit) -> None:
        self._unit = unit
        self._tallies = {measure: _Tally() for measure in GuardedMeasure}
        self.reports = 0

    def decided(self, unit: str, *, fell_back: bool) -> None:
        """Note a decision; `unit` is the hash of its unit, hexadecimal."""
        self._tallies[GuardedMeasure.FALLBACK_SHARE].add(unit, fell_back)

    def reported(self, unit: str, *, failed: bool | None, cost_usd: float | None) -> None:
        """Note a report; None: it says nothing of that."""
        self.reports += 1
        if failed is not None:
            self._tallies[GuardedMeasure.ERROR_SHARE].add(unit, failed)
        if cost_usd is not None:
            self._tallies[GuardedMeasure.COST_USD].add(unit, cost_usd)

    @property
    def decisions(self) -> int:
        return self.count(GuardedMeasure.FALLBACK_SHARE)

    def count(self, of: GuardedMeasure) -> int:
        """How many decisions or reports tell it."""
        return self._tallies[of].apart.units

    def mean(self, of: GuardedMeasure) -> float | None:
        """None where none does."""
        return self._tallies[of].apart.mean

    def is_surely_off(self, of: GuardedMeasure, edge: float, alpha: float) -> bool:
        """Whether a mean beyond the edge of a band is so by more than chance.

        Args:
            of: A measure that has been told.
            edge: Its mean is not this.
            alpha: In how many arms at the edge chance says so at some time, at most, (0, 1).
        """
        tally = self._tallies[of]
        low, independent = tally.apart.y < edge * tally.apart.x, self._are_independent(tally)
        if of is GuardedMeasure.COST_USD:
            apart, together = tally.with_a_dear_one() if low else (tally.apart, tally.together)
            sums = (apart,) if independent else (apart, together)
            return all(_is_off(one, edge, edge, alpha, low=low, share=False) for one in sums)
        if _log_ratio(tally.apart, edge) < -math.log(alpha):
            return False
        return independent or _is_off(tally.together, edge, min(edge, 1 - edge), alpha, low=low, share=True)

    def _are_independent(self, tally: _Tally) -> bool:
        """Whether each request stands for itself."""
        if self._unit is ExperimentUnit.TENANT:
            return tally.together.effective_units < _FEW_TENANTS
        return self._unit is ExperimentUnit.REQUEST


def breach(guardrail: Guardrail, counts: Watched, alpha: float = ALPHA) -> str | None:
    """Why the arm must be stopped, in words; None: it need not.

    Args:
        guardrail: The band.
        counts: Of the arm.
        alpha: In how large a share of experiments an arm may be stopped that is at the edge of its band, (0, 1).
    """
    mean, count = counts.mean(guardrail.of), counts.count(guardrail.of)
    if mean is None or count < MIN_OBSERVATIONS:
        return None
    for edge, word in ((guardrail.max, "more"), (guardrail.min, "less")):
        outside = edge is not None and (mean > edge if word == "more" else mean < edge)
        if edge is not None and outside and counts.is_surely_off(guardrail.of, edge, alpha):
            return _words(guardrail.of, mean, count, word, edge)
    return None


def first_breach(experiment: Experiment, counts: Watched) -> str | None:
    """The first guardrail that an arm has surely left, in words; None: none.

    All arms and guardrails together stop an arm by chance in at most 5 % of experiments.
    """
    tests = max(1, len(experiment.arms) * len(experiment.guardrails))
    found = (breach(guardrail, counts, ALPHA / tests) for guardrail in experiment.guardrails)
    return next((words for words in found if words is not None), None)


def _log_ratio(sums: Sums, share: float) -> float:
    """Logarithm of the likelihood of the counts, mixed evenly over all shares, to that with this share."""
    held, failed = sums.y, sums.x - sums.y
    if (share <= 0 and held) or (share >= 1 and failed):
        return math.inf
    mixed = math.lgamma(held + 1) + math.lgamma(failed + 1) - math.lgamma(sums.x + 2)
    return mixed - (held * math.log(share) if held else 0.0) - (failed * math.log1p(-share) if failed else 0.0)


def _is_off(sums: Sums, edge: float, room: float, alpha: float, *, low: bool, share: bool) -> bool:
    """Whether the units say that their mean is beyond the edge, by more than chance."""
    found = estimate(sums, share=share, least=_LEAST_UNITS)
    if found is None or (found.mean < edge) != low:
        return False
    if room <= 0 or not found.variance:  # nothing gets beyond the edge by chance, or all costs are nothing
        return True
    return p_value(found.mean - edge, found.variance, _TAU * room) < alpha


_UNITS = {
    GuardedMeasure.FALLBACK_SHARE: "of {count:,} decisions {mean} fell back",
    GuardedMeasure.ERROR_SHARE: "of {count:,} reported calls {mean} failed",
    GuardedMeasure.COST_USD: "{count:,} reported calls cost {mean} each",
}


def _words(of: GuardedMeasure, mean: float, count: int, word: str, edge: float) -> str:
    shown = _dollars if of is GuardedMeasure.COST_USD else _percent
    said = _UNITS[of].format(count=count, mean=shown(mean))
    least = "at most" if word == "more" else "at least"
    return f"{said}, surely {word} than its guardrail allows ({least} {shown(edge)})"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _dollars(usd: float) -> str:
    digits = max(2, 2 - math.floor(math.log10(usd))) if usd > 0 else 2  # three that mean something, or whole cents
    return f"${usd:,.{digits}f}"
