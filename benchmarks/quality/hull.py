"""Cost against quality: the best that mixtures of points reach, and the area below it. Pure.

RouterBench (Hu et al. 2024, RouterBench: A Benchmark for Multi-LLM Routing System, arXiv 2403.12031) joins what a
router reaches at its settings to a non-decreasing convex hull: between two points lies the coin that takes the one or
the other, and whoever may spend more need not. The same hull of fixed models is its zero router, which looks at no
request.
"""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Shape (p, 2): costs, in any unit of money, and qualities."""


def hull_of(points: Points) -> Points:
    """The corners of the non-decreasing convex hull, by rising cost and quality; shape (h, 2), h at least 1."""
    corners: list[tuple[float, float]] = []
    for cost, quality in sorted(points.tolist(), key=lambda point: (point[0], -point[1])):
        if corners and quality <= corners[-1][1]:
            continue
        while len(corners) > 1 and _under(corners[-1], corners[-2], (cost, quality)):
            corners.pop()
        corners.append((cost, quality))
    return np.array(corners, dtype=np.float64)


def _under(middle: tuple[float, float], left: tuple[float, float], right: tuple[float, float]) -> bool:
    """Whether the middle point lies on or under the line between the others."""
    rise = (right[1] - left[1]) * (middle[0] - left[0])
    return (middle[1] - left[1]) * (right[0] - left[0]) <= rise


def quality_at(hull: Points, cost: float) -> float:
    """What is reached for that much at most; NaN where the hull has nothing as cheap."""
    return float(np.interp(cost, hull[:, 0], hull[:, 1], left=np.nan))


def cost_for(hull: Points, quality: float) -> float:
    """The least cost of that much quality; infinite where the hull has nothing as good."""
    if quality <= hull[0, 1]:
        return float(hull[0, 0])
    return float(np.interp(quality, hull[:, 1], hull[:, 0], right=np.inf))


def aiq(hull: Points, low: float, high: float) -> float:
    """The mean height of a hull between two costs, RouterBench's average improvement in quality.

    AIQ = 1 / (high - low) times the integral of the hull over costs from low to high (arXiv 2403.12031, section 3).
    Beyond its last corner the hull goes on level. `low` is at least the cost of the first corner, and under `high`.
    """
    inside = hull[(hull[:, 0] > low) & (hull[:, 0] < high), 0]
    costs = np.concatenate(([low], inside, [high]))
    return float(np.trapezoid(np.interp(costs, hull[:, 0], hull[:, 1]), costs) / (high - low))


def aiq_gain(hull: Points, other: Points) -> float:
    """AIQ less the other's, where both have something: from the dearer of the first corners to the dearer of the last.

    NaN where that is no range, as when both have one and the same corner.
    """
    low, high = max(hull[0, 0], other[0, 0]), max(hull[-1, 0], other[-1, 0])
    return aiq(hull, low, high) - aiq(other, low, high) if low < high else float("nan")
