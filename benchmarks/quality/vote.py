"""Measures the vote's two numbers, neighbours and temperature, on public validation texts.

    .venv/bin/python benchmarks/quality/vote.py --sets ../shared/data --data data

Prints the share of validation texts whose best route is right, before any threshold, with ten utterances a route. Rows
are {"text", "label"} in `<set>/train_10shot.jsonl` and `<set>/validation.jsonl`; texts labelled `oos` are left out. The
sets are CLINC150 (Larson et al. 2019), BANKING77 (Casanueva et al. 2020) and HWU64 (Liu et al. 2019).
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fingerpost.bootstrap import encoder_source, open_workshop
from fingerpost.build.reindex import Workshop
from fingerpost.build.vectorise import vectorise
from fingerpost.cli.progress import progress
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.types import Exemplar, Neighbour, NoProgress, VoteParameters

SETS = ("clinc150", "banking77", "hwu64")
NEIGHBOURS = (5, 10, 20, 50)
TEMPERATURES = (0.03, 0.05, 0.07, 0.1, 0.15)
OUT_OF_SCOPE_LABEL = "oos"


@dataclass(frozen=True, slots=True)
class Searched:
    """A set whose validation texts have met its utterances."""

    exemplars: list[Exemplar]
    neighbours: list[list[Neighbour]]  # of each text, nearest first, as many as the largest vote needs
    routes: list[int]  # of each text


def main() -> None:
    arguments = _arguments()
    missing = [name for name in SETS if not (arguments.sets / name).is_dir()]
    if missing:
        sys.exit(f"vote: {arguments.sets} lacks {', '.join(missing)}: give the folder of the sets with --sets")
    with progress() as bar, open_workshop(arguments.data, encoder_source("minilm", "int8"), bar) as shop:
        searched = [_search(arguments.sets / name, shop) for name in SETS]
    print("| neighbours | temperature | " + " | ".join(SETS) + " | mean |")
    print("|---|---|" + "---|" * (len(SETS) + 1))
    for neighbours in NEIGHBOURS:
        for temperature in TEMPERATURES:
            shares = [_right(one, VoteParameters(neighbours, temperature)) for one in searched]
            cells = [f"{share:.4f}" for share in (*shares, sum(shares) / len(shares))]
            print(f"| {neighbours} | {temperature} | " + " | ".join(cells) + " |")
    chosen = [_right(one, DEFAULT_VOTE) for one in searched]
    squares = [share * (1 - share) / len(one.routes) for share, one in zip(chosen, searched, strict=True)]
    print(f"standard error of the mean at the default: {sum(squares) ** 0.5 / len(SETS):.4f}")


def _search(folder: Path, shop: Workshop) -> Searched:
    train, held_out = _rows(folder / "train_10shot.jsonl"), _rows(folder / "validation.jsonl")
    numbers = {label: number for number, label in enumerate(sorted({label for _, label in train}))}
    exemplars = [Exemplar(text, numbers[label]) for text, label in train]
    vectors = vectorise([text for text, _ in (*train, *held_out)], shop.embedders, shop.cache, NoProgress())
    similarities = vectors[len(train) :] @ vectors[: len(train)].T
    nearest = np.argsort(-similarities, axis=1, kind="stable")[:, : max(NEIGHBOURS)]
    neighbours = [
        [Neighbour(int(number), float(line[number])) for number in ids]
        for ids, line in zip(nearest, similarities, strict=True)
    ]
    return Searched(exemplars, neighbours, [numbers[label] for _, label in held_out])


def _rows(path: Path) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["text"], row["label"]) for row in rows if row["label"] != OUT_OF_SCOPE_LABEL]


def _right(searched: Searched, vote: VoteParameters) -> float:
    """Share of the texts whose best route is their own."""
    best = [
        score(neighbours[: vote.neighbours], searched.exemplars, vote).routes[0].route
        for neighbours in searched.neighbours
    ]
    return sum(a == b for a, b in zip(best, searched.routes, strict=True)) / len(best)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder that holds or gets the encoder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
