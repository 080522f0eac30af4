"""Intervals of shares."""

import math

Z = 1.959964  # of the normal distribution: 95 % lie within


def wilson(share: float, count: float) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927), in [0, 1].

    Unlike resampling it allows for chance where all or none of the cases were right.

    Args:
        share: In [0, 1].
        count: Of the cases that it was counted on, above 0; an effective number need not be whole.
    """
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    reach = Z / (1 + Z**2 / count) * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)
