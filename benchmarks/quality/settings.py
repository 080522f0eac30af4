"""Settings of a selection that are swept: each is what a route file may say under `selection`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fingerpost.types import Selection, SelectionMode

MIXED = (25, 50, 75)  # per cent of the requests for the dearer of two models


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of a curve."""

    value: float | str  # of the knob; of a mixture its weights
    selection: Selection


def by_cost_weight() -> list[Setting]:
    """`best_value` from all quality to all cost."""
    values = [0.0, *(float(f"{value:.2g}") for value in np.geomspace(0.01, 1000, 16))]
    return [Setting(value, Selection(SelectionMode.BEST_VALUE, cost_weight=value)) for value in values]


def by_quality_floor() -> list[Setting]:
    """`cheapest` with floors from none to one that hardly a model passes."""
    values = [round(0.05 * step, 2) for step in range(20)]
    return [Setting(value, Selection(SelectionMode.CHEAPEST, quality_floor=value)) for value in values]


def by_weights(models: Sequence[str]) -> list[Setting]:
    """`weighted` between each of the models and the next."""
    found = []
    for cheaper, dearer in pairwise(models):
        for share in MIXED:
            weights = {cheaper: 100.0 - share, dearer: float(share)}
            told = f"{100 - share} {cheaper}, {share} {dearer}"
            found.append(Setting(told, Selection(SelectionMode.WEIGHTED, weights=weights)))
    return found
