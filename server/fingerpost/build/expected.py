"""Expected: how the held-out texts were decided, so that traffic that drifts away from them shows."""

import numpy as np

from fingerpost.build.held_out import NO_ROUTE, Sample
from fingerpost.build.maps import Floats, Maps
from fingerpost.serve.calibrate import confidence_of, in_scope_of
from fingerpost.types import MEASURE_BOUNDS, Calibration, Expected

_DIGITS = 4


def expected_of(sample: Sample, maps: Maps) -> Expected | None:
    """Distributions over the sample, each text weighed as the expected traffic; None without calibration or texts."""
    if maps.pick.calibration is Calibration.NONE or not len(sample.best):
        return None
    confidence = maps.confidences(sample)
    margin = confidence - np.minimum(_second(sample, maps), confidence)
    return Expected(*(_shares(values, sample.weights) for values in (sample.pick[:, 0], margin, confidence)))


def _second(sample: Sample, maps: Maps) -> Floats:
    """Confidence of each row's second best route, 0 where there is none."""
    found = [
        0.0
        if number == NO_ROUTE
        else (confidence_of(values, maps.pick, int(number)) or 0.0)
        * (in_scope_of(scope, maps.scope) if maps.scope else 1.0)
        for values, scope, number in zip(sample.second, sample.scope, sample.second_best, strict=True)
    ]
    return np.array(found, dtype=np.float64)


def _shares(values: Floats, weights: Floats) -> tuple[float, ...]:
    total = float(weights.sum())
    return tuple(round(float(weights[values <= bound + 1e-9].sum()) / total, _DIGITS) for bound in MEASURE_BOUNDS)
