"""Head: what do the trained arrays say of a vector? Three small products.

Between two runs of the encoder every line of code is as cold as the arrays: `dot` and `reduce` reach the work through
less of numpy than `@`, `max` and `sum` do (docs/decisions/0010-index-choice.md).
"""

import math

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Head, Reading, Vector


def read(head: Head, vector: Vector) -> Reading:
    """Probability of each route, and two kinds of evidence that any of them fits.

    Energy is the log of the summed exponentiated logits (Liu et al. 2020, "Energy-based Out-of-distribution
    Detection"), less that of as many logits of 0. Closeness is minus the relative Mahalanobis distance (Ren et al.
    2021, "A Simple Fix to Mahalanobis Distance"): the distance to the nearest route's mean less that to the mean of
    all, each in the spread of its own kind. `head.metric` and `head.distances` hold it multiplied out, as
    `build.linear` says.

    Args:
        head: Of r routes and d dimensions.
        vector: Shape (d,), float32, unit length.
    """
    logits = _affine(head.linear, vector).astype(np.float64)
    top = float(np.maximum.reduce(logits))
    grown = np.exp(logits - top)
    total = float(np.add.reduce(grown))
    nearest = float(np.minimum.reduce(_affine(head.distances, vector)))
    return Reading(
        probabilities=grown / total,
        energy=top + math.log(total / len(logits)),
        closeness=-(float(vector.dot(head.metric).dot(vector)) + nearest),
    )


def _affine(array: NDArray[np.float32], vector: Vector) -> NDArray[np.float32]:
    """Product of the array, whose last row is a constant, with (vector, 1)."""
    out: NDArray[np.float32] = vector.dot(array[:-1])
    out += array[-1]
    return out
