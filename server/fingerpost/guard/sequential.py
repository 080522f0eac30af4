"""Sequential: what is sure of a mean, or of the difference of two, however often somebody looks? Pure arithmetic.

A mean is a ratio of sums over units, since all requests of a unit have the same arm and resemble one another: its
variance is that between units (delta method; Deng, Knoblich and Lu 2018, "Applying the delta method in metric
analytics"). Intervals are confidence sequences by a normal mixture: they hold at all times at once with 95 %, so that
one may stop because of what one sees (Robbins 1970; Johari, Pekelis and Walsh 2022, "Always valid inference"). They are
right for many units (Waudby-Smith and others 2024, "Time-uniform central limit theory and asymptotic confidence
sequences"); with few units nothing is said. docs/decisions/0026-experiments.md has the error rates as simulated.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ALPHA = 0.05
"""How often an interval misses at some time what it is of, at most."""

MIN_UNITS = 50
"""With fewer units nothing is said: the intervals rest on means of many."""

_POWER_Z = 0.8416212  # of the normal distribution: 80 % lie below
_FIXED_Z = 1.9599640  # 95 % lie within
_SPLIT_PRIOR = 1_000.0  # units' worth: splits that are off by a few in a hundred are looked for
_PSEUDO_UNITS = 2  # at each end, see `_caution`


@dataclass(slots=True)
class Sums:
    """Of all units so far: y is the sum of what is measured in a unit, x the number of reports that tell it."""

    units: int = 0  # with at least one such report
    y: float = 0.0
    x: float = 0.0
    yy: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def move(self, y: float, x: float, more_y: float, more_x: float) -> None:
        """A unit that had y and x has so much more now."""
        self.units += x == 0 and more_x > 0
        self.y += more_y
        self.x += more_x
        self.yy += more_y * (2 * y + more_y)
        self.xx += more_x * (2 * x + more_x)
        self.xy += (y + more_y) * (x + more_x) - y * x

    @property
    def mean(self) -> float | None:
        """None without a report."""
        return self.y / self.x if self.x else None

    @property
    def effective_units(self) -> float:
        """How many equally large units would tell as much (Kish 1965); few when one of them has most reports."""
        return self.x**2 / self.xx if self.xx else 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and the variance of that mean, which is a constant over the number of units and a bit more."""

    mean: float
    spread: float  # the variance of one unit, as if all were equally large
    caution: float  # over the square of the units it is added to the variance
    units: float  # effective

    @property
    def variance(self) -> float:
        return self.variance_at(self.units)

    def variance_at(self, units: float) -> float:
        """As it would be with so many units of the same kind."""
        return self.spread / units + self.caution / units**2


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def estimate(sums: Sums, *, share: bool, least: float = MIN_UNITS) -> Estimate | None:
    """What the units say; None when they are too few.

    Args:
        sums: Of one arm and measure.
        share: Whether each report's value is in [0, 1].
        least: Effective units, above 1.
    """
    mean, units = sums.mean, sums.effective_units
    if mean is None or units < least:
        return None
    residual = max(0.0, sums.yy - 2 * mean * sums.xy + mean**2 * sums.xx)  # of y about mean x, squared and summed
    variance = sums.units / (sums.units - 1) * residual / sums.x**2
    return Estimate(mean, variance * units, _caution(mean, share=share), units)


def _caution(mean: float, *, share: bool) -> float:
    """The squares that two units more at each end would add, so that equal values are never taken for a law.

    Five of five are no proof, nor are fifty of fifty: the variance that was found is 0 and the true one is not. The
    ends are 0 and 1 for a share (Agresti and Coull 1998 add as many), and 0 and twice the mean for what has no bound.
    """
    distance = mean**2 + (1 - mean) ** 2 if share else 2 * mean**2
    return _PSEUDO_UNITS * distance


def half_width(variance: float, tau: float, alpha: float = ALPHA) -> float:
    """Of the confidence sequence of an estimate, by a mixture over effects that are normal around it.

    Inverts `p_value`: the estimate d is surely not of a mean m where the mixed likelihood ratio is 1 / alpha or more.

    Args:
        variance: Of the estimate, above 0.
        tau: Standard deviation of the mixture, above 0: the interval is tightest about when it is as narrow as tau.
        alpha: How often the sequence may miss at some time, (0, 1).
    """
    total = variance + tau**2
    return math.sqrt(variance * total / tau**2 * math.log(total / (alpha**2 * variance)))


def p_value(difference: float, variance: float, tau: float) -> float:
    """The inverse of the mixed likelihood ratio of no difference, at most 1; the least of all looks is always valid."""
    total = variance + tau**2
    exponent = 0.5 * math.log(total / variance) - difference**2 * tau**2 / (2 * variance * total)
    return math.exp(min(0.0, exponent))


def interval(of: Estimate, tau: float, *, share: bool, alpha: float = ALPHA) -> Interval:
    """Of a mean, within what it can be."""
    reach = half_width(of.variance, tau, alpha)
    return Interval(max(0.0, of.mean - reach), min(1.0, of.mean + reach) if share else of.mean + reach)


def difference_interval(first: Estimate, other: Estimate, tau: float, *, share: bool) -> Interval:
    """Of how much more the other mean is than the first, within what it can be."""
    difference = other.mean - first.mean
    reach = half_width(first.variance + other.variance, tau)
    if share:
        return Interval(max(-1.0, difference - reach), min(1.0, difference + reach))
    return Interval(difference - reach, difference + reach)


def difference_p_value(first: Estimate, other: Estimate, tau: float) -> float:
    return p_value(other.mean - first.mean, first.variance + other.variance, tau)


def split_p_value(counts: Sequence[int], weights: Sequence[float]) -> float:
    """How well units are split as weights say: the inverse of a likelihood ratio, valid whenever somebody looks.

    The ratio is mixed over other splits (Lindon and Malek 2022, "Anytime-valid inference for multinomial count data"),
    by a Dirichlet distribution about the weights.

    Args:
        counts: Of units, by arm.
        weights: As many, not all 0; a unit in an arm whose weight is 0 has the p-value 0.
    """
    shares = [weight / sum(weights) for weight in weights]
    if any(count and not share for count, share in zip(counts, shares, strict=True)):
        return 0.0
    ratio = math.lgamma(_SPLIT_PRIOR) - math.lgamma(_SPLIT_PRIOR + sum(counts))
    for count, share in zip(counts, shares, strict=True):
        if count:
            about = _SPLIT_PRIOR * share
            ratio += math.lgamma(about + count) - math.lgamma(about) - count * math.log(share)
    return math.exp(min(0.0, -ratio))


def units_needed(first: Estimate, other: Estimate, effect: float) -> int:
    """In each arm, so that an effect of that size, also the mixture's tau, is found with a chance of at least 80 %.

    With that many units the half width and 0.84 standard errors together are as large as the effect: the interval
    leaves out zero at that very look in 80 % of experiments, and in some more it has done so on the way.
    """
    return _units(first, other, effect**2 * _VARIANCE_AT_ANY_TIME)


def units_needed_at_once(first: Estimate, other: Estimate, effect: float) -> int:
    """The same for a test that looks but once: about half as many."""
    return _units(first, other, effect**2 * _VARIANCE_AT_ONCE)


def _largest_variance(reach: Callable[[float], float]) -> float:
    """At which what a variance reaches and 0.84 standard errors are not above an effect of 1; both grow with it."""
    low, high = 0.0, 1.0  # at the upper end the standard error alone is the effect
    for _ in range(60):
        middle = (low + high) / 2
        if reach(middle) + _POWER_Z * math.sqrt(middle) <= 1.0:
            low = middle
        else:
            high = middle
    return low


# For another effect both are as its square: a half width scales as tau and the standard error do.
_VARIANCE_AT_ANY_TIME = _largest_variance(lambda variance: half_width(variance, tau=1.0))
_VARIANCE_AT_ONCE = _largest_variance(lambda variance: _FIXED_Z * math.sqrt(variance))


def _units(first: Estimate, other: Estimate, variance: float) -> int:
    """How many in each arm give their difference that variance: spread / n + caution / n^2, solved for n."""
    spread, caution = first.spread + other.spread, first.caution + other.caution
    units = (spread + math.sqrt(spread**2 + 4 * variance * caution)) / (2 * variance)
    return max(MIN_UNITS, math.ceil(units))
