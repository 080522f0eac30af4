"""FaissIndex beside semantic-router's LocalIndex: the table of decision 0016, and whether both choose the same.

    .venv/bin/python -m benchmarks.micro.semantic_router_index ENCODERS --sets ../shared/data [--texts 1000]

ENCODERS is a folder of built encoders, such as `data/encoders`. The utterances are CLINC150's training texts, 15,000 of
150 routes in 384 dimensions, and the requests its validation texts. The indexes take turns, so that other load on the
machine hits both alike; times are medians. Then IndexedRouter decides the texts with either index and each of its
aggregations, and so do our search and `build.aggregate`; the vectors are the same everywhere.
"""

import argparse
import asyncio
import gzip
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from semantic_router import IndexedRouter, Route
from semantic_router.encoders import DenseEncoder
from semantic_router.index import LocalIndex

from benchmarks.catalogs import SIZES, SetsMissingError, existing, queries
from fingerpost.backends.encoder.embedder import OnnxEmbedder, OnnxEncoder
from fingerpost.backends.encoder.folder import find
from fingerpost.backends.encoder.source import EncoderSource
from fingerpost.backends.index.selective import SelectiveVectors
from fingerpost.build.aggregate import TOP_K, Aggregation, best_routes
from fingerpost.integrations.semantic_router import FaissIndex
from fingerpost.ports import NoProgress
from fingerpost.types import Vectors

_UTTERANCES = 15_000
_CHANGES = 5  # records added one by one, and routes deleted, by either index


def main() -> None:
    arguments = _arguments()
    digest = find(arguments.encoders, EncoderSource())
    if digest is None:
        sys.exit(f"semantic_router_index: {arguments.encoders} holds no default encoder: reindex first")
    embedder = OnnxEncoder.open(arguments.encoders / digest, digest).embedder()
    try:
        rows = list(dict.fromkeys(_rows(arguments.sets)))
        asked = queries(arguments.sets, arguments.texts)
    except SetsMissingError as error:
        sys.exit(f"semantic_router_index: {error}")
    vectors, queried = embedder.embed([text for _, text in rows]), embedder.embed(asked)
    _time(rows, vectors, queried[: arguments.rounds])
    _compare(rows, vectors, asked, queried)
    _encoder_alone(embedder, asked[: arguments.rounds])


def _rows(sets: Path) -> list[tuple[str, str]]:
    """Routes and texts."""
    with gzip.open(existing(sets, f"clinc150/{SIZES[_UTTERANCES]}"), "rt", encoding="utf-8") as lines:
        parsed = [json.loads(line) for line in lines]
    return [(row["label"], row["text"]) for row in parsed if row["label"] != "oos"]


def _time(rows: Sequence[tuple[str, str]], vectors: Vectors, queried: Vectors) -> None:
    indexes: dict[str, Any] = {"LocalIndex": LocalIndex(), "FaissIndex": FaissIndex()}
    routes = sorted({route for route, _ in rows})
    given = ([vector.tolist() for vector in vectors], [route for route, _ in rows], [text for _, text in rows])
    spent = {name: {"add all": [_seconds(partial(index.add, *given))]} for name, index in indexes.items()}
    works: dict[str, Callable[[Any, int], object]] = {
        "query": lambda index, number: index.query(queried[number].astype(np.float64)),
        "query, of 1 route": lambda index, number: index.query(queried[number], route_filter=routes[:1]),
        "query, of 75 routes": lambda index, number: index.query(queried[number], route_filter=routes[::2]),
        "query, 100 nearest": lambda index, number: index.query(queried[number], top_k=100),
    }
    for name, work in works.items():
        for number in range(len(queried) if name == "query" else min(50, len(queried))):
            for key, index in indexes.items():
                spent[key].setdefault(name, []).append(_seconds(partial(work, index, number)))
    for number in range(_CHANGES):
        one = ([queried[number].tolist()], [routes[number]], [f"a new text {number}"])
        for key, index in indexes.items():
            spent[key].setdefault("add one", []).append(_seconds(partial(index.add, *one)))
            spent[key].setdefault("delete a route", []).append(_seconds(partial(index.delete, routes[number])))
    table = Table("milliseconds", *indexes, title=f"{len(rows):,} records of {vectors.shape[1]} dimensions", box=None)
    for name in spent["FaissIndex"]:
        table.add_row(name, *(f"{median(spent[key][name]) * 1e3:.3f}" for key in indexes))
    Console().print(table)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _compare(rows: Sequence[tuple[str, str]], vectors: Vectors, asked: Sequence[str], queried: Vectors) -> None:
    known = dict(zip((text for _, text in rows), vectors, strict=True)) | dict(zip(asked, queried, strict=True))
    names = list(dict.fromkeys(route for route, _ in rows))
    route_of = [names.index(route) for route, _ in rows]
    own = SelectiveVectors(vectors)
    title = f"choices that differ from IndexedRouter with LocalIndex, of {len(asked):,}"
    table = Table("aggregation", "with FaissIndex", "our search and score", title=title, box=None)
    for how in Aggregation:
        library = _choices(rows, known, asked, LocalIndex(), how)
        swapped = _choices(rows, known, asked, FaissIndex(), how)
        ours = [names[best] for best in best_routes(own, route_of, len(names), queried, how, NoProgress())]
        table.add_row(how.value, *(str(_differing(library, other)) for other in (swapped, ours)))
    Console().print(table)


def _choices(
    rows: Sequence[tuple[str, str]],
    known: dict[str, Any],
    asked: Sequence[str],
    index: Any,  # noqa: ANN401  the library has no types
    how: Aggregation,
) -> list[str]:
    class Known(DenseEncoder):  # type: ignore[misc]  # the library is not typed for us
        def __call__(self, docs: list[str]) -> list[list[float]]:
            return [known[text].tolist() for text in docs]

        async def acall(self, docs: list[str]) -> list[list[float]]:
            return self(docs)

    texts: dict[str, list[str]] = {}
    for route, text in rows:
        texts.setdefault(route, []).append(text)
    routes = [Route(name=name, utterances=own) for name, own in texts.items()]
    router = IndexedRouter(encoder=Known(name="known"), routes=routes, index=index, aggregation=how.value, top_k=TOP_K)

    async def choose() -> list[str]:
        return [(await router.acall(text)).name for text in asked]

    return asyncio.run(choose())


def _differing(one: Sequence[str], other: Sequence[str]) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _encoder_alone(embedder: OnnxEmbedder, asked: Sequence[str]) -> None:
    taken = median(_seconds(partial(embedder.embed_one, text)) for text in asked)
    Console().print(f"for comparison, the encoder takes {taken * 1e3:.3f} ms a text")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", type=Path, help="folder of built encoders")
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--texts", type=int, default=1000, help="texts whose choices are compared")
    parser.add_argument("--rounds", type=int, default=200, help="timed searches of either index")
    return parser.parse_args()


if __name__ == "__main__":
    main()
