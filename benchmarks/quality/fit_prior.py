"""Fits the maps that are shipped for the default encoder (`build/priors.py`) on public training data.

    .venv/bin/python benchmarks/quality/fit_prior.py --sets ../shared/data --data data

Catalogs are drawn of each set's training texts: the published 5-shot and 10-shot samples, and small ones of 6 to 16
routes with 3 to 6 utterances each, as people have them who need a shipped map. Each is scored as a reindex would score
it, held out fold by fold; sets weigh the same, and within a set the samples as much as the small catalogs together.
Beside the maps it prints each set's calibration error when that set itself was left out of the fit. Rows are
{"text", "label"} in `<set>/train_5shot.jsonl` and `<set>/train_10shot.jsonl`; the sets are CLINC150 (Larson et al.
2019), BANKING77 (Casanueva et al. 2020) and HWU64 (Liu et al. 2019).
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from public_sets import SETS, arguments, in_scope

from fingerpost.bootstrap.building import encoder_source, open_workshop
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.build.fit import fit
from fingerpost.build.held_out import Sample
from fingerpost.build.maps import Maps, fit_pick_map, fit_scope_map, similarity_floor
from fingerpost.build.metrics import weighted_ece
from fingerpost.build.reindex import Workshop, source_of
from fingerpost.build.threshold import Graded
from fingerpost.cli.progress import progress
from fingerpost.ports import NoProgress, Progress
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.types import Exemplar, Policy, Route

SHARE = 0.15
TARGET_PRECISION = 0.95
DRAWN = 40  # small catalogs a set
SEED = 1

Rows = Sequence[tuple[str, str]]


def main() -> None:
    given = arguments(__doc__)
    samples: list[tuple[str, Sample]] = []
    with progress() as bar, open_workshop(DataFolder(given.data), encoder_source("minilm", "int8"), bar) as shop:
        for name in SETS:
            samples += [(name, sample) for sample in _samples(given.sets / name, shop, bar)]
    for left_out in SETS:
        others = _together([sample for name, sample in samples if name != left_out])
        own = _together([sample for name, sample in samples if name == left_out])
        print(f"{left_out}: calibration error {_error(own, others):.3f} with maps of the other sets")
    _print(_together([sample for _, sample in samples]))


def _samples(folder: Path, shop: Workshop, bar: Progress) -> list[Sample]:
    """The published samples, then the small catalogs; each kind weighs one in all."""
    random = np.random.default_rng(SEED)
    published = [in_scope(folder / f"train_{shots}shot.jsonl") for shots in (5, 10)]
    drawn = [_draw(published[1], random) for _ in range(DRAWN)]
    bar.step(folder.name, len(published) + len(drawn))
    made = []
    for group in (published, drawn):
        for rows in group:
            made.append(_weighing(_scored(rows, shop), 1.0 / len(group)))
            bar.advance()
    return made


def _draw(rows: Rows, random: np.random.Generator) -> Rows:
    labels = random.permutation(sorted({label for _, label in rows}))[: random.integers(6, 17)]
    each = int(random.integers(3, 7))
    return [row for label in labels for row in [row for row in rows if row[1] == label][:each]]


def _scored(rows: Rows, shop: Workshop) -> Sample:
    labels = sorted({label for _, label in rows})
    ordered = sorted(set(rows), key=lambda row: (row[1], row[0]))
    exemplars = [Exemplar(text, labels.index(label)) for text, label in ordered]
    routes = [Route(label, "", "model", None, (), ()) for label in labels]
    source = source_of(routes, exemplars, shop.plain, shop)
    fitted = fit(source, DEFAULT_VOTE, Policy("model", out_of_scope_share=SHARE), None, NoProgress())
    return fitted.sample


def _weighing(sample: Sample, whole: float) -> Sample:
    return replace(sample, weights=sample.weights * whole / sample.weights.sum())


def _together(samples: list[Sample]) -> Sample:
    """One sample; its weights have the mean 1, and routes' own offsets mean nothing across catalogs."""
    joined = Sample(*(np.concatenate([getattr(sample, one.name) for sample in samples]) for one in fields(Sample)))
    weights = joined.weights * len(joined.weights) / joined.weights.sum()
    return replace(joined, weights=weights, best=np.zeros_like(joined.best))


def _maps(sample: Sample) -> Maps:
    return Maps(replace(fit_pick_map(sample, 1, None), route_offsets=()), fit_scope_map(sample, SHARE, None))


def _error(sample: Sample, others: Sample) -> float:
    """Expected calibration error at the share, in bins of equal weight."""
    return weighted_ece(_maps(others).confidences(sample), sample.right, np.maximum(sample.weights, 1e-12))


def _print(sample: Sample) -> None:
    maps = _maps(sample)
    pick, scope = maps.pick, maps.scope
    assert scope is not None, "the background is out of scope"  # noqa: S101
    graded = Graded(maps.confidences(sample), sample.right, sample.weights, sample.source)
    alone = replace(graded, confidence=(sample.pick[:, 0] + 1.0) / 2.0)
    numbers = {
        "intercept": round(pick.intercept, 3),
        "weights": tuple(round(weight, 3) for weight in pick.weights),
        "scope_intercept": round(scope.intercept, 3),
        "scope_weights": tuple(round(weight, 3) for weight in scope.weights),
        "scope_share": SHARE,
        "threshold": _lowest_holding(graded),
        "similarity_floor": round(similarity_floor(sample), 3),
        "similarity_alone": round(2.0 * _lowest_holding(alone) - 1.0, 3),
    }
    print(f"Prior({', '.join(f'{name}={value}' for name, value in numbers.items())})")


def _lowest_holding(graded: Graded) -> float:
    """The lowest confidence from which on the weighted texts were right at the target rate."""
    order = np.argsort(-graded.confidence, kind="stable")
    weights = graded.weights[order]
    holding = np.flatnonzero(np.cumsum(weights * graded.right[order]) >= TARGET_PRECISION * np.cumsum(weights))
    return round(float(graded.confidence[order][holding[-1]]), 3)


if __name__ == "__main__":
    main()
