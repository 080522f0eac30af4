"""Maps shipped for encoders, for catalogs with too little data of their own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prior:
    """Maps fitted on public data: `serve.calibrate` tells the weights' order."""

    intercept: float
    weights: tuple[float, ...]  # one for each of FEATURES
    scope_intercept: float
    scope_weights: tuple[float, ...]  # one for each of SCOPE_FEATURES
    scope_share: float  # (0, 1); of out-of-scope texts where it was fitted
    threshold: float  # [0, 1]; for a precision of 0.95
    similarity_floor: float  # [-1, 1]; less is out of scope
    similarity_alone: float  # [-1, 1]; enough for a precision of 0.95 when nothing else is known


PRIORS = {
    # Written by benchmarks/quality/fit_prior.py.
    "minilm": Prior(
        intercept=1.641,
        weights=(0.0, 1.25, 2.498),
        scope_intercept=-0.793,
        scope_weights=(5.877, 0.795, 0.0, 0.0, 0.131),
        scope_share=0.15,
        threshold=0.816,
        similarity_floor=0.234,
        similarity_alone=0.732,
    ),
}
"""By name of the encoder; a name here is given only to the very weights that the maps were fitted with."""
