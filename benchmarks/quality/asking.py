"""Measures how many labels are saved by asking for the texts that teach most instead of any.

    .venv/bin/python benchmarks/quality/asking.py --sets ../shared/data --data data

Starts from a few utterances a route, drawn from a set's training texts; the other training texts are the pool. Round by
round labels are asked for, by the rule of `fingerpost suggest --ask` or at random, the scorer is trained anew, and the
share of the validation texts whose best route is right, before any threshold, is measured. Prints the labels that each
way needs for the same accuracy, and writes results and a plot.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from entries import Row, read
from numpy.typing import NDArray
from public_sets import OUT_OF_SCOPE_LABEL
from recorded import ROOT, header

from fingerpost.bootstrap.building import encoder_source, open_workshop
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.build.linear import train_linear
from fingerpost.build.recipe import Part, vote_shares
from fingerpost.build.reindex import Workshop
from fingerpost.build.suggest.ask import choose
from fingerpost.build.vectorise import vectorise
from fingerpost.cli.progress import progress
from fingerpost.ports import NoProgress
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.types import Vectors

SETS = ("clinc150", "banking77")
PENALTIES = (0.1, 0.01)
BLEND = 0.2
BLOCK = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """A set: training texts as the pool, validation texts to measure on."""

    vectors: Vectors
    labels: NDArray[np.int64]
    asked: Vectors
    truth: NDArray[np.int64]

    @property
    def routes(self) -> int:
        return int(self.labels.max()) + 1


@dataclass(slots=True, eq=False)
class Scorer:
    """The mean of heads blended with the vote, as `build.fit` trains it, without the search for settings."""

    part: Part
    heads: list[NDArray[np.float32]]

    def scores(self, vectors: Vectors) -> NDArray[np.float64]:
        """Of every route; shape (n, routes)."""
        head = np.mean(self.heads, axis=0)
        logits = (vectors @ head[:-1] + head[-1]).astype(np.float64)
        grown = np.exp(logits - logits.max(axis=1, keepdims=True))
        mixed: NDArray[np.float64] = BLEND * vote_shares(vectors, self.part, DEFAULT_VOTE) + (1 - BLEND) * (
            grown / grown.sum(axis=1, keepdims=True)
        )
        return mixed


def train(vectors: Vectors, labels: NDArray[np.int64], count: int, before: Scorer | None) -> Scorer:
    part = Part(vectors, labels, vectors[:0], labels[:0], np.arange(count), 1.0)
    starts = before.heads if before else [None] * len(PENALTIES)
    heads = [train_linear(vectors, labels, count, p, start) for p, start in zip(PENALTIES, starts, strict=True)]
    return Scorer(part, heads)


# --- Ways to choose -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a way may look at."""

    pool: Vectors  # of the texts that have no label yet
    scores: NDArray[np.float64]  # theirs
    known: Vectors  # of those that have one
    rng: np.random.Generator

    @property
    def uncertainty(self) -> NDArray[np.float64]:
        """1 less the margin between the two best."""
        two = np.partition(self.scores, -2, axis=1)[:, -2:]
        return 1.0 - (two[:, 1] - two[:, 0])


Way = Callable[[State, int], Sequence[int]]


def at_random(state: State, count: int) -> Sequence[int]:
    return [int(row) for row in state.rng.permutation(len(state.pool))[:count]]


def ours(state: State, count: int) -> Sequence[int]:
    return choose(state.pool, state.uncertainty, np.ones(len(state.pool)), state.known, count)


def margin(state: State, count: int) -> Sequence[int]:
    return [int(row) for row in np.argsort(-state.uncertainty, kind="stable")[:count]]


def entropy(state: State, count: int) -> Sequence[int]:
    information = (state.scores * np.log(state.scores + 1e-12)).sum(axis=1)
    return [int(row) for row in np.argsort(information, kind="stable")[:count]]


def filtered(state: State, count: int) -> Sequence[int]:
    """Facility location on the ten times as many least sure (Wei, Iyer & Bilmes 2015)."""
    rows = np.argsort(-state.uncertainty, kind="stable")[: 10 * count]
    picked = choose(state.pool[rows], np.ones(len(rows)), np.ones(len(rows)), state.known[:0], count)
    return [int(rows[place]) for place in picked]


def badge(state: State, count: int) -> Sequence[int]:
    """k-means++ on the gradients of the head, were its guess right (Ash et al. 2020)."""
    errors = state.scores.copy()
    errors[np.arange(len(errors)), errors.argmax(axis=1)] -= 1.0
    lengths = (errors**2).sum(axis=1)
    distances = lengths.copy()
    chosen: list[int] = []
    for _ in range(count):
        if chosen:
            row = chosen[-1]
            inner = (errors @ errors[row]) * (state.pool @ state.pool[row])
            distances = np.minimum(distances, np.maximum(lengths + lengths[row] - 2.0 * inner, 0.0))
        distances[chosen] = 0.0
        chosen.append(int(state.rng.choice(len(distances), p=distances / distances.sum())))
    return chosen


def clustered(state: State, count: int) -> Sequence[int]:
    """The least sure of each of as many clusters: k-means weighted by uncertainty (Zhdanov 2019)."""
    from sklearn.cluster import MiniBatchKMeans

    rows = np.argsort(-state.uncertainty, kind="stable")[: 10 * count]
    weights = state.uncertainty[rows]
    found = MiniBatchKMeans(count, n_init=1, random_state=0).fit(state.pool[rows], sample_weight=weights)
    near = state.pool[rows] @ found.cluster_centers_.T.astype(np.float32)
    chosen: list[int] = []
    for column in range(near.shape[1]):
        order = np.argsort(-near[:, column])
        chosen.append(int(rows[next(int(place) for place in order if int(rows[place]) not in chosen)]))
    return chosen


WAYS: Mapping[str, Way] = {
    "random": at_random,
    "ours": ours,
    "margin": margin,
    "entropy": entropy,
    "filtered": filtered,
    "badge": badge,
    "clustered": clustered,
}


# --- Runs ---------------------------------------------------------------------------------------------------------

Curve = list[tuple[int, float]]
"""Labels asked for beyond the first utterances, and the accuracy with them."""


def run(data: Pooled, way: Way, seed: int, first: int, step: int, most: int) -> Curve:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.labels))
    starting = [row for route in range(data.routes) for row in order[data.labels[order] == route][:first]]
    has_label = np.zeros(len(data.labels), dtype=bool)
    has_label[starting] = True
    scorer: Scorer | None = None
    curve: Curve = []
    while True:
        known = np.flatnonzero(has_label)
        scorer = train(data.vectors[known], data.labels[known], data.routes, scorer)
        curve.append(
            (len(known) - len(starting), float((scorer.scores(data.asked).argmax(axis=1) == data.truth).mean()))
        )
        if curve[-1][0] >= most:
            return curve
        rows = np.flatnonzero(~has_label)
        need = way is not at_random
        scores = scorer.scores(data.vectors[rows]) if need else np.zeros((len(rows), 2))
        state = State(data.vectors[rows], scores, data.vectors[known], rng)
        has_label[rows[np.array(way(state, step))]] = True


def needed(curve: Curve, accuracy: float) -> float | None:
    """Labels at which the curve, made rising and joined by lines, first has the accuracy."""
    best = curve[0]
    if best[1] >= accuracy:
        return 0.0
    for labels, value in curve[1:]:
        if value >= accuracy:
            share = (accuracy - best[1]) / (value - best[1])
            return best[0] + share * (labels - best[0])
        best = (labels, value) if value > best[1] else (labels, best[1])
    return None


def mean_curve(curves: Sequence[Curve]) -> Curve:
    return [(points[0][0], float(np.mean([value for _, value in points]))) for points in zip(*curves, strict=True)]


def compared(curves: Mapping[str, Sequence[Curve]], way: str) -> list[dict[str, Any]]:
    """For accuracies that random choice reaches: what each way needs, seed by seed."""
    random_mean = mean_curve(curves["random"])
    low, high = random_mean[0][1], random_mean[-1][1]
    found = []
    for share in (0.3, 0.5, 0.7, 0.85, 1.0):
        accuracy = low + share * (high - low)
        pairs = [(needed(a, accuracy), needed(b, accuracy)) for a, b in zip(curves["random"], curves[way], strict=True)]
        ratios = [b / a for a, b in pairs if a and b is not None]
        means = [needed(mean_curve(curves[name]), accuracy) for name in ("random", way)]
        found.append(
            {
                "accuracy": round(accuracy, 4),
                "random": None if means[0] is None else round(means[0]),
                "asked": None if means[1] is None else round(means[1]),
                "ratio": None if not means[0] or means[1] is None else round(means[1] / means[0], 3),
                "ratios": [round(ratio, 3) for ratio in ratios],
                "median_ratio": round(median(ratios), 3) if ratios else None,
            }
        )
    return found


def pooled(folder: Path, shop: Workshop) -> Pooled:
    train_rows, held_out = (_in_scope(read(folder / name)) for name in ("train.jsonl.gz", "validation.jsonl"))
    numbers = {label: number for number, label in enumerate(sorted({row.label for row in train_rows}))}
    vectors = vectorise([row.text for row in (*train_rows, *held_out)], shop.plain.embedders, shop.cache, NoProgress())
    return Pooled(
        vectors[: len(train_rows)],
        np.array([numbers[row.label] for row in train_rows], dtype=np.int64),
        vectors[len(train_rows) :],
        np.array([numbers[row.label] for row in held_out], dtype=np.int64),
    )


def _in_scope(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.label != OUT_OF_SCOPE_LABEL]


def main() -> None:
    given = _arguments()
    results: dict[str, Any] = {**header(), "sets": {}}
    with progress() as bar, open_workshop(DataFolder(given.data), encoder_source("minilm", "int8"), bar) as shop:
        for name in given.only.split(","):
            started = time.monotonic()
            data = pooled(given.sets / name, shop)
            ways = given.ways.split(",")
            most = {way: given.most * data.routes if way == "random" else given.most * data.routes // 2 for way in ways}
            curves = {way: _curves(data, way, most[way], given) for way in ways}
            rows = {way: compared(curves, way) for way in ways if way != "random"}
            results["sets"][name] = {
                "routes": data.routes,
                "pool": len(data.labels),
                "cases": len(data.truth),
                "first": given.first,
                "seconds": round(time.monotonic() - started, 1),
                "curves": {way: mean_curve(own) for way, own in curves.items()},
                "needed": rows,
            }
            for way, lines in rows.items():
                print(f"\n{name}, {way}, {given.first} utterances a route at first:")
                for line in lines:
                    print(
                        f"  accuracy {line['accuracy']:.3f}: random {line['random']}, asked {line['asked']}, ratio "
                        f"{line['ratio']} (seeds: {line['ratios']})",
                        flush=True,
                    )
            given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if given.plot:
        draw(results, given.plot)


def _curves(data: Pooled, way: str, most: int, given: argparse.Namespace) -> list[Curve]:
    """Random choice goes by larger steps: its curve needs no more."""
    size = data.routes * (2 if way == "random" else 1)
    return [run(data, WAYS[way], seed, given.first, size, most) for seed in range(given.seeds)]


def draw(results: dict[str, Any], path: Path) -> None:
    """Accuracy over labels."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "fingerpost", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    panels = figure.subplots(1, len(results["sets"]), squeeze=False)[0]
    for axes, (name, found) in zip(panels, results["sets"].items(), strict=True):
        for way, label, colour in (("ours", "asked", "#1f6f8b"), ("random", "at random", "#d98e04")):
            axes.plot(*zip(*found["curves"][way], strict=True), "o-", color=colour, label=label, markersize=3)
        axes.set_title(f"{name}, {found['first']} utterances a route at first")
        axes.set_xlabel("labels asked for")
        axes.set_ylabel("best route right")
    panels[0].legend(frameon=False, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder that holds or gets the encoder")
    parser.add_argument("--only", default=",".join(SETS), help="sets")
    parser.add_argument("--ways", default="random,ours", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--seeds", type=int, default=3, help="draws of the first utterances")
    parser.add_argument("--first", type=int, default=3, help="utterances a route at first")
    parser.add_argument("--most", type=int, default=20, help="labels a route that random choice gets")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/asking.json", help="results")
    parser.add_argument("--plot", type=Path, default=None, help="SVG file to draw")
    return parser.parse_args()


if __name__ == "__main__":
    main()
