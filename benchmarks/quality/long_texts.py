"""Measures what becomes of an instruction in a long text: a public validation text beside 2,000 tokens of filler.

    .venv/bin/python benchmarks/quality/long_texts.py --sets ../shared/data --data data

Prints, of a seeded sample of validation texts and with ten utterances a route, the share whose best route is right,
before any threshold: the text alone, in the long text read as one vector, and in the long text with its ends, of which
the surest view decides. Then the shares that are accepted at a threshold, right and wrong, with one vector and with the
ends. The threshold is the lowest at which 0.95 of the short texts accepted are right, where 0.15 of all are out of
scope (texts labelled `oos` of CLINC150, for every set). In the last row there is no instruction: whatever is accepted
is wrong.

| place | the long text |
|---|---|
| before, line | text, line feed, filler |
| before, colon | text, colon, filler |
| before, bare | text, blank, filler without lines and punctuation |
| before, greeted | "Hi there!", text, line feed, filler |
| inside | half of the filler, line feed, text, line feed, the other half |
| after, line | filler, line feed, text |
| after, sentence | filler, full stop, text |
| after, bare | filler without lines and punctuation, blank, text |
| after, thanked | filler, line feed, text, line feed, "Thanks!" |
| none | filler |

Filler is cut, seeded, by turns from the passages of NarrativeQA (Kocisky et al. 2018), from prompts with code and from
descriptions of roles: `routerarena/sub_10.jsonl` and `prompts/prompts.jsonl.gz` in the folder of the sets.
"""

import gzip
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from public_sets import OUT_OF_SCOPE_LABEL, SETS, arguments, in_scope

from fingerpost.bootstrap.building import encoder_source, open_workshop
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.build.linear import train_linear
from fingerpost.build.reindex import Workshop
from fingerpost.build.vectorise import vectorise
from fingerpost.cli.progress import progress
from fingerpost.ports import NoProgress
from fingerpost.types import Vectors

SEED = 1
SAMPLE = 240  # texts of each set
FILLER_CHARS = 8_000  # about 2,000 tokens of prose
TARGET_PRECISION = 0.95
OUT_OF_SCOPE_SHARE = 0.15
PENALTY = 0.03

PLACES: dict[str, Callable[[str, str], str]] = {
    "before, line": lambda text, filler: f"{text}\n{filler}",
    "before, colon": lambda text, filler: f"{text}: {filler}",
    "before, bare": lambda text, filler: f"{text} {_bare(filler)}",
    "before, greeted": lambda text, filler: f"Hi there! {text}\n{filler}",
    "inside": lambda text, filler: f"{filler[: FILLER_CHARS // 2]}\n{text}\n{filler[FILLER_CHARS // 2 :]}",
    "after, line": lambda text, filler: f"{filler}\n{text}",
    "after, sentence": lambda text, filler: f"{filler.rstrip(' .!?:;')}. {text}",
    "after, bare": lambda text, filler: f"{_bare(filler)} {text}",
    "after, thanked": lambda text, filler: f"{filler}\n{text}\nThanks!",
    "none": lambda _, filler: filler,
}


@dataclass(frozen=True, slots=True)
class Task:
    """A set's routes as learnt, the threshold, and the sample that is asked."""

    head: NDArray[np.float32]
    threshold: float
    texts: list[str]
    routes: NDArray[np.int64]
    vectors: Vectors  # of the texts alone


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the sample: best route right; accepted and right; accepted and wrong."""

    best: float
    right: float
    wrong: float


def main() -> None:
    given = arguments(__doc__)
    fillers = [filler for _, filler in zip(range(SAMPLE), _fillers(given.sets), strict=False)]
    print("| set | place | alone | one vector | with ends | one vector, accepted | with ends, accepted |")
    print("|---|---|---|---|---|---|---|")
    with progress() as bar, open_workshop(DataFolder(given.data), encoder_source("minilm", "int8"), bar) as shop:
        out_of_scope = vectorise(_out_of_scope(given.sets), shop.plain.embedders, shop.cache, NoProgress())
        for name in SETS:
            task = _task(given.sets / name, out_of_scope, shop)
            alone = _shares(task, [vector[None] for vector in task.vectors]).best
            for place, put in PLACES.items():
                views = _views([put(*pair) for pair in zip(task.texts, fillers, strict=True)], shop)
                one, ends = _shares(task, [view[:1] for view in views]), _shares(task, views)
                print(_line(name, place, alone, one, ends), flush=True)


def _line(name: str, place: str, alone: float, one: Shares, ends: Shares) -> str:
    accepted = [f"{shares.right:.3f} right, {shares.wrong:.3f} wrong" for shares in (one, ends)]
    best = [f"{share:.3f}" for share in (alone, one.best, ends.best)]
    if place == "none":  # no route is right
        accepted, best = [f"{shares.right + shares.wrong:.3f} wrong" for shares in (one, ends)], ["-"] * len(best)
    return f"| {name} | {place} | " + " | ".join((*best, *accepted)) + " |"


def _task(folder: Path, out_of_scope: Vectors, shop: Workshop) -> Task:
    train, held_out = in_scope(folder / "train_10shot.jsonl"), in_scope(folder / "validation.jsonl")
    names = sorted({label for _, label in train})
    vectors = vectorise([text for text, _ in (*train, *held_out)], shop.plain.embedders, shop.cache, NoProgress())
    numbers = np.array([names.index(label) for _, label in (*train, *held_out)])
    head = train_linear(vectors[: len(train)], numbers[: len(train)], len(names), PENALTY)
    own, asked = vectors[len(train) :], numbers[len(train) :]
    chosen = random.Random(SEED).sample(range(len(held_out)), SAMPLE)  # noqa: S311  nothing secret hangs on it
    texts = [held_out[row][0] for row in chosen]
    return Task(head, _threshold(head, own, asked, out_of_scope), texts, asked[chosen], own[chosen])


def _score(head: NDArray[np.float32], vectors: Vectors) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best route of each vector and how sure it is: the only place that knows the scorer."""
    logits = vectors @ head[:-1] + head[-1]
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits.argmax(axis=1), grown.max(axis=1) / grown.sum(axis=1)


def _threshold(head: NDArray[np.float32], own: Vectors, routes: NDArray[np.int64], out_of_scope: Vectors) -> float:
    best, sure = _score(head, own)
    _, strange = _score(head, out_of_scope)
    for threshold in np.sort(sure):
        accepted = sure >= threshold
        right = float((accepted & (best == routes)).mean()) * (1 - OUT_OF_SCOPE_SHARE)
        wrong = float((accepted & (best != routes)).mean()) * (1 - OUT_OF_SCOPE_SHARE)
        wrong += float((strange >= threshold).mean()) * OUT_OF_SCOPE_SHARE
        if right >= TARGET_PRECISION * (right + wrong):
            return float(threshold)
    return 1.0


def _views(texts: list[str], shop: Workshop) -> list[Vectors]:
    """Each text's vector and those of its ends."""
    embedded = [shop.plain.embedders[0].embed_one(text) for text in texts]
    return [np.stack([one.vector, *one.ends]) for one in embedded]


def _shares(task: Task, views: list[Vectors]) -> Shares:
    """What the surest of each text's views says."""
    routes, sure = np.empty(len(views), dtype=np.int64), np.empty(len(views))
    for row, vectors in enumerate(views):
        best, confidences = _score(task.head, vectors)
        surest = int(confidences.argmax())
        routes[row], sure[row] = best[surest], confidences[surest]
    right, accepted = routes == task.routes, sure >= task.threshold
    return Shares(float(right.mean()), float((right & accepted).mean()), float((~right & accepted).mean()))


def _out_of_scope(sets: Path) -> list[str]:
    return [row["text"] for row in _rows(sets / "clinc150" / "validation.jsonl") if row["label"] == OUT_OF_SCOPE_LABEL]


def _fillers(sets: Path) -> Iterator[str]:
    """Pieces of `FILLER_CHARS`, by turns from each kind, each from the start of a line or sentence."""
    missing = [name for name in ("prompts/prompts.jsonl.gz", "routerarena/sub_10.jsonl") if not (sets / name).is_file()]
    if missing:
        sys.exit(f"{sets} lacks {', '.join(missing)}: the filler is made of them")
    chance = random.Random(SEED)  # noqa: S311  nothing secret hangs on it
    kinds = _kinds(sets)
    while True:
        for kind in kinds:
            start = chance.randrange(len(kind) - 2 * FILLER_CHARS)
            boundary = re.compile(r"\n+|(?<=[.!?])\s+").search(kind, start)
            start = boundary.end() if boundary else start
            yield kind[start : start + FILLER_CHARS].strip()


def _kinds(sets: Path) -> list[str]:
    prompts = _rows(sets / "prompts" / "prompts.jsonl.gz")
    arena = _rows(sets / "routerarena" / "sub_10.jsonl")
    return [
        "\n".join(row["prompt"].split("Context:")[1].strip() for row in arena if row["dataset"] == "NarrativeQA"),
        "\n".join(row["text"] for row in prompts if "arena-hard" in row["source"] and row["chars"] > 1_500),
        "\n".join(row["text"] for row in prompts if "awesome" in row["source"] and row["category"] == "text"),
    ]


def _bare(filler: str) -> str:
    return re.sub(r"[\W_]+", " ", filler).lower().strip()


def _rows(path: Path) -> list[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.decode().splitlines()]


if __name__ == "__main__":
    main()
