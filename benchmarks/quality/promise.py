"""How often is a promise broken? Catalogs drawn again and again, each asked texts drawn alike that it never saw.

A catalog promises that at least its target share of the accepted decisions is right, and may be wrong about that once
in ten times. Each run draws routes of a set and halves their texts: one half becomes the catalog, the other is asked,
together with as many texts out of scope as the policy expects. A promise is broken when too many of the accepted
decisions are wrong.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compare import share
from entries import Row, read
from public_sets import OUT_OF_SCOPE_LABEL
from systems import Bench

from fingerpost.ports import Progress

_FILES = {
    "clinc150": ("train.jsonl.gz", "train_oos_plus.jsonl", "validation.jsonl"),
    "banking77": ("train.jsonl.gz", "validation.jsonl"),
    "hwu64": ("train.jsonl", "validation.jsonl"),
}
_ROUTES = 30
_TEXTS = 80  # of a route, at most, catalog and asked together
_OUT_OF_SCOPE = 60  # texts in the catalog
_EXPECTED_SHARE = 0.15  # the default policy's
_TARGET = 0.95  # likewise


def measure_promise(bench: Bench, sets: Path, runs: int, bar: Progress) -> dict[str, Any]:
    """For each set and all together: runs that accepted anything, the share broken, mean coverage and precision."""
    found: dict[str, Any] = {}
    bar.step("promise", runs)
    for number, (name, files) in enumerate(_FILES.items()):
        texts = _distinct([row for file in files for row in read(sets / name / file)])
        found[name] = []
        for seed in range(number, runs, len(_FILES)):
            found[name].append(_run(bench, texts, seed))
            bar.advance()
    found["all"] = [run for own in list(found.values()) for run in own]
    return {name: _summary(own) for name, own in found.items()}


def _run(bench: Bench, rows: Sequence[Row], seed: int) -> dict[str, float | None]:
    train, cases = _split(rows, random.Random(seed))  # noqa: S311  # a seeded split is no secret
    bench.publish(train)
    metrics = bench.evaluate(cases).metrics
    return {name: metrics[name].value for name in ("coverage", "precision")}


def _split(rows: Sequence[Row], draw: random.Random) -> tuple[list[Row], list[Row]]:
    """A catalog's texts and those that it is asked; texts of routes that were not drawn are out of scope too."""
    labels = sorted({row.label for row in rows} - {OUT_OF_SCOPE_LABEL})
    chosen = set(draw.sample(labels, _ROUTES))
    train: list[Row] = []
    asked: list[Row] = []
    for label in sorted(chosen):
        own = _shuffled([row for row in rows if row.label == label], draw)[:_TEXTS]
        train += own[: len(own) // 2]
        asked += own[len(own) // 2 :]
    outside = _shuffled(_outside(rows, chosen), draw)
    train += outside[:_OUT_OF_SCOPE]
    outside = outside[_OUT_OF_SCOPE:]
    count = min(len(asked), round(len(outside) * (1 - _EXPECTED_SHARE) / _EXPECTED_SHARE))
    return train, draw.sample(asked, count) + outside[: round(count * _EXPECTED_SHARE / (1 - _EXPECTED_SHARE))]


def _outside(rows: Sequence[Row], chosen: set[str]) -> list[Row]:
    """The set's own texts out of scope; where it has none, those of the routes that were not drawn."""
    own = [row for row in rows if row.label == OUT_OF_SCOPE_LABEL]
    return own or [Row(row.text, OUT_OF_SCOPE_LABEL) for row in rows if row.label not in chosen]


def _shuffled(rows: Sequence[Row], draw: random.Random) -> list[Row]:
    ordered = sorted(rows, key=lambda row: row.text)
    draw.shuffle(ordered)
    return ordered


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Each text once, whatever its case; the first label counts."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row.text.casefold(), row)
    return list(found.values())


def _summary(runs: Sequence[dict[str, float | None]]) -> dict[str, Any]:
    accepting = [run for run in runs if run["precision"] is not None]
    broken = share(sum((run["precision"] or 0.0) < _TARGET for run in accepting), len(accepting))
    means = {name: _mean([run[name] or 0.0 for run in accepting]) for name in ("coverage", "precision")}
    return {"runs": len(runs), "accepting": len(accepting), "broken": broken, **means}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
