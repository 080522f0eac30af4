"""When the calls of an open loop are due: settled before the first is sent, whatever the server does."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Arrivals(StrEnum):
    """How calls follow each other."""

    CONSTANT = "constant"
    POISSON = "poisson"  # as independent callers do


def due_times(arrivals: Arrivals, rate: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Ascending times in [0, seconds) at which `rate` calls a second are due; equal seeds give equal times."""
    if arrivals is Arrivals.CONSTANT:
        return np.arange(int(np.ceil(rate * seconds)), dtype=np.float64) / rate
    # A Poisson process seen whole: a Poisson number of times, each anywhere.
    chance = np.random.default_rng(seed)
    return np.sort(chance.uniform(0.0, seconds, chance.poisson(rate * seconds)))
