"""Head: what do the trained arrays say of a vector? Three small products."""

import numpy as np

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
    logits = (vector @ head.linear[:-1] + head.linear[-1]).astype(np.float64)
    top = float(logits.max())
    grown = np.exp(logits - top)
    total = float(grown.sum())
    distances = vector @ head.distances[:-1] + head.distances[-1]
    return Reading(
        probabilities=grown / total,
        energy=top + float(np.log(total / len(logits))),
        closeness=-(float(vector @ head.metric @ vector) + float(distances.min())),
    )
