"""Fits the map that is shipped for the default encoder (`build/priors.py`) on public training data.

    .venv/bin/python benchmarks/quality/fit_prior.py --sets ../shared/data --data data

Each set is scored as a reindex would score it, every text left out in turn; the sets weigh the same. Beside the map it
prints each set's calibration error when that set itself was left out of the fit. Rows are {"text", "label"} in
`<set>/train_5shot.jsonl` and `<set>/train_10shot.jsonl`; the sets are CLINC150 (Larson et al. 2019), BANKING77
(Casanueva et al. 2020) and HWU64 (Liu et al. 2019).
"""

from pathlib import Path

import numpy as np
from public_sets import SETS, arguments, in_scope

from fingerpost.bootstrap import encoder_source, open_workshop
from fingerpost.build.fit import Sample, choose_threshold, collect, fit_map, lowest_holding, similarity_floor
from fingerpost.build.vectorise import vectorise
from fingerpost.cli.progress import progress
from fingerpost.ports import NoProgress
from fingerpost.serve.calibrate import confidence_of
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.types import ConfidenceMap, Exemplar

SHOTS = ("train_5shot.jsonl", "train_10shot.jsonl")
SHARE = 0.15
TARGET_PRECISION = 0.95
BINS = 15


def main() -> None:
    given = arguments(__doc__)
    samples = _samples(given.sets, given.data)
    for left_out in SETS:
        others = _together([sample for name, sample in samples if name != left_out])
        own = _together([sample for name, sample in samples if name == left_out])
        print(f"{left_out}: calibration error {_error(own, fit_map(others, None)):.3f} with a map of the other sets")
    everything = _together([sample for _, sample in samples])
    confidence_map = fit_map(everything, None)
    threshold = choose_threshold(everything, confidence_map, TARGET_PRECISION)
    alone = lowest_holding(everything.features[:, 0], everything, TARGET_PRECISION)
    weights = ", ".join(f"{weight:.3f}" for weight in confidence_map.weights)
    print(
        f"Prior(intercept={confidence_map.intercept:.3f}, weights=({weights}), threshold={threshold:.3f}, "
        f"similarity_floor={similarity_floor(everything):.3f}, similarity_alone={alone})"
    )


def _samples(sets: Path, data: Path) -> list[tuple[str, Sample]]:
    found = []
    with progress() as bar, open_workshop(data, encoder_source("minilm", "int8"), bar) as shop:
        for name in SETS:
            for shots in SHOTS:
                rows = in_scope(sets / name / shots)
                routes = {label: number for number, label in enumerate(sorted({label for _, label in rows}))}
                exemplars = [Exemplar(text, routes[label]) for text, label in rows]
                vectors = vectorise([e.text for e in exemplars], shop.embedders, shop.cache, NoProgress())
                found.append((name, collect(vectors, exemplars, DEFAULT_VOTE, SHARE, NoProgress())))
    return found


def _together(samples: list[Sample]) -> Sample:
    """One sample in which each set weighs the same."""
    mean_rows = sum(len(sample.right) for sample in samples) / len(samples)
    return Sample(
        np.concatenate([sample.features for sample in samples]),
        np.concatenate([sample.right for sample in samples]),
        np.concatenate([sample.weights * mean_rows / len(sample.right) for sample in samples]),
        sum(sample.in_scope_count for sample in samples),
        sum(sample.in_scope_right for sample in samples),
    )


def _error(sample: Sample, confidence_map: ConfidenceMap) -> float:
    """Expected calibration error in bins of equal weight (Naeini et al. 2015)."""
    confidences = np.array([confidence_of(row, confidence_map) for row in sample.features])
    order = np.argsort(confidences, kind="stable")
    share = sample.weights[order] / sample.weights.sum()
    bins = np.minimum((np.cumsum(share) * BINS).astype(int), BINS - 1)
    gaps = share * (confidences[order] - sample.right[order])
    return float(np.abs(np.bincount(bins, gaps, BINS)).sum())


if __name__ == "__main__":
    main()
