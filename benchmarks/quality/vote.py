"""Measures the vote's two numbers, neighbours and temperature, on public validation texts.

    .venv/bin/python benchmarks/quality/vote.py --sets ../shared/data --data data

Prints the share of validation texts whose best route is right, before any threshold, with ten utterances a route. Rows
are {"text", "label"} in `<set>/train_10shot.jsonl` and `<set>/validation.jsonl`; texts labelled `oos` are left out. The
sets are CLINC150 (Larson et al. 2019), BANKING77 (Casanueva et al. 2020) and HWU64 (Liu et al. 2019).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from public_sets import SETS, arguments, in_scope

from fingerpost.bootstrap.building import encoder_source, open_workshop
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.build.reindex import Workshop
from fingerpost.build.vectorise import vectorise
from fingerpost.cli.progress import progress
from fingerpost.ports import NoProgress
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.types import Exemplar, Found, Neighbour, VoteParameters

NEIGHBOURS = (5, 10, 20, 50)
TEMPERATURES = (0.03, 0.05, 0.07, 0.1, 0.15)


@dataclass(frozen=True, slots=True)
class Searched:
    """A set whose validation texts have met its utterances."""

    exemplars: list[Exemplar]
    neighbours: list[list[Neighbour]]  # of each text, nearest first, as many as the largest vote needs
    routes: list[int]  # of each text


def main() -> None:
    given = arguments(__doc__)
    with progress() as bar, open_workshop(DataFolder(given.data), encoder_source("minilm", "int8"), bar) as shop:
        searched = [_search(given.sets / name, shop) for name in SETS]
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
    train, held_out = in_scope(folder / "train_10shot.jsonl"), in_scope(folder / "validation.jsonl")
    numbers = {label: number for number, label in enumerate(sorted({label for _, label in train}))}
    exemplars = [Exemplar(text, numbers[label]) for text, label in train]
    vectors = vectorise([text for text, _ in (*train, *held_out)], shop.plain.embedders, shop.cache, NoProgress())
    similarities = vectors[len(train) :] @ vectors[: len(train)].T
    nearest = np.argsort(-similarities, axis=1, kind="stable")[:, : max(NEIGHBOURS)]
    neighbours = [
        [Neighbour(int(number), float(line[number])) for number in ids]
        for ids, line in zip(nearest, similarities, strict=True)
    ]
    return Searched(exemplars, neighbours, [numbers[label] for _, label in held_out])


def _right(searched: Searched, vote: VoteParameters) -> float:
    """Share of the texts whose best route is their own."""
    best = [
        score(Found(neighbours[: vote.neighbours]), searched.exemplars, vote).routes[0].route
        for neighbours in searched.neighbours
    ]
    return sum(a == b for a, b in zip(best, searched.routes, strict=True)) / len(best)


if __name__ == "__main__":
    main()
