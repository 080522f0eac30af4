"""Expected: how the held-out texts were decided, so that traffic that drifts away from them shows."""

from fingerpost.build.held_out import Sample
from fingerpost.build.maps import Floats, Maps
from fingerpost.types import MEASURE_BOUNDS, Calibration, Expected

_DIGITS = 4


def expected_of(sample: Sample, maps: Maps) -> Expected | None:
    """Distributions over the sample, each text weighed as the expected traffic; None without calibration or texts."""
    if maps.pick.calibration is Calibration.NONE or not len(sample.best):
        return None
    confidence = maps.confidences(sample)
    margin = confidence - maps.second_confidences(sample)
    return Expected(*(_shares(values, sample.weights) for values in (sample.pick[:, 0], margin, confidence)))


def _shares(values: Floats, weights: Floats) -> tuple[float, ...]:
    total = float(weights.sum())
    return tuple(round(float(weights[values <= bound + 1e-9].sum()) / total, _DIGITS) for bound in MEASURE_BOUNDS)
