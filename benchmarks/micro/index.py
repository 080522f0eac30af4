"""Kinds of index against each other: the tables of decision 0010.

    .venv/bin/python -m benchmarks.micro.index ENCODERS --sets ../shared/data [--sizes 1500,15000] [--rounds 300]

ENCODERS is a folder of built encoders, such as `data/encoders`. The vectors are those of CLINC150's 10-shot file up to
1,500 and of its training texts up to 15,000; beyond, seeded mixtures of two of these with some noise stand in for
texts that there are not. Requests are its validation texts. A search is timed hot, after another one, and cold, after a
run of the encoder: as in a server, its weights have pushed the index out of the caches. The kinds take turns, so that
other load on the machine hits all of them alike.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import faiss
import numpy as np
from rich.console import Console
from rich.table import Column, Table
from threadpoolctl import threadpool_limits

from benchmarks.catalogs import SIZES, SetsMissingError, queries, texts_of
from fingerpost.backends.encoder.embedder import OnnxEmbedder, OnnxEncoder
from fingerpost.backends.encoder.folder import find
from fingerpost.backends.encoder.source import EncoderSource
from fingerpost.backends.index.codes import FaissCodesEngine
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.backends.index.hnsw import FaissHnswEngine
from fingerpost.backends.index.stored import ExactVectors, found
from fingerpost.engine_ports import IndexEngine, VectorIndex
from fingerpost.serve.score import DEFAULT_VOTE, EXACT_SIMILARITY
from fingerpost.types import Neighbour, Vector, Vectors

_COUNT = DEFAULT_VOTE.neighbours
_SEED = 7
_LARGEST = max(SIZES)
_BYTES = 127 / 0.35  # no number of these vectors is larger


@dataclass(frozen=True, slots=True)
class Kind:
    """A built index and what it took."""

    index: VectorIndex
    build_s: float
    megabytes: float | None  # None: never written down


class Refined(ExactVectors):
    """A candidate that lost: FAISS's `coarse` finds, exact vectors rank `candidates` for each neighbour wanted."""

    def __init__(self, coarse: Any, vectors: Vectors, candidates: int, scale: float = 1.0) -> None:  # noqa: ANN401
        faiss.omp_set_num_threads(1)
        coarse.train(vectors * np.float32(scale))
        coarse.add(vectors * np.float32(scale))
        flat = faiss.IndexFlatIP(vectors.shape[1])
        flat.add(vectors)
        super().__init__(flat)  # keeps it
        self._scale, self._coarse = np.float32(scale), coarse
        self._refined = faiss.IndexRefine(coarse, flat)
        self._refined.k_factor = float(candidates)

    def search(self, vector: Vector, count: int) -> list[Neighbour]:
        scaled = found(self._refined, vector * self._scale, count)
        return [Neighbour(n.exemplar, n.similarity / float(self._scale)) for n in scaled]


def main() -> None:
    arguments = _arguments()
    digest = find(arguments.encoders, EncoderSource())
    if digest is None:
        sys.exit(f"index: {arguments.encoders} holds no default encoder: reindex first")
    embedder = OnnxEncoder.open(arguments.encoders / digest, digest).embedder()
    with threadpool_limits(1, user_api="blas"):
        try:
            for size in map(int, arguments.sizes.split(",")):
                _report(size, _vectors(arguments.sets, size, embedder), arguments, embedder)
        except SetsMissingError as error:
            sys.exit(f"index: {error}")


def _vectors(sets: Path, size: int, embedder: OnnxEmbedder) -> Vectors:
    file = next((SIZES[known] for known in sorted(SIZES) if size <= known), SIZES[_LARGEST])
    real = embedder.embed(sorted(set(texts_of(sets, f"clinc150/{file}"))))
    chance = np.random.default_rng(_SEED)
    if size <= len(real):
        kept: Vectors = real[np.sort(chance.choice(len(real), size, replace=False))]
        return kept
    first, second = chance.integers(0, len(real), (2, size - len(real)))
    mixed = real[first] + 0.5 * real[second] + 0.02 * chance.standard_normal((len(first), real.shape[1]))
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.concatenate([real, mixed.astype(np.float32)])


def _report(size: int, vectors: Vectors, arguments: argparse.Namespace, embedder: OnnxEmbedder) -> None:
    texts = queries(arguments.sets, arguments.rounds)
    asked = embedder.embed(texts)
    kinds = _kinds(vectors, FaissHnswEngine(arguments.links, arguments.build_breadth))
    twin = kinds["flat"].index
    hot = _in_turns(kinds, asked, lambda number, index: index.search(asked[number - 1], _COUNT))
    cold = _in_turns(kinds, asked, lambda number, index: embedder.embed_one(texts[number]))
    table = Table(
        Column("", no_wrap=True),
        "recall",
        "itself",
        "build s",
        "MB",
        "hot us",
        "cold us",
        title=f"{size:,} vectors",
        box=None,
    )
    own = vectors[:: max(1, len(vectors) // 1000)]
    for name, kind in kinds.items():
        recall, itself = _recall(kind.index, twin, asked), _finds_itself(kind.index, own)
        row = (
            f"{recall:.4f}",
            f"{itself:.4f}",
            f"{kind.build_s:.2f}",
            f"{kind.megabytes:.1f}" if kind.megabytes else "",
        )
        table.add_row(name, *row, f"{hot[name]:.0f}", f"{cold[name]:.0f}")
    Console().print(table)


def _kinds(vectors: Vectors, graphs: FaissHnswEngine) -> dict[str, Kind]:
    kinds = {"flat": _built(FaissFlatEngine(), vectors)}
    for candidates in (2, 3, 4, 8):
        kinds[f"codes, {candidates} candidates a neighbour"] = _built(FaissCodesEngine(candidates), vectors)
    kinds |= _lost(vectors)
    started = time.perf_counter()
    graph = graphs.build(vectors)
    build_s = time.perf_counter() - started
    for breadth in (64, 128, 256):
        kinds[f"HNSW, breadth {breadth}"] = Kind(_with_breadth(graph, breadth), build_s, len(graph) / 1e6)
    return kinds


def _lost(vectors: Vectors) -> dict[str, Kind]:
    """Kinds that are no part of the program."""
    dim, inner, quantizer = vectors.shape[1], faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer.QT_8bit_direct_signed
    lists: Any = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(dim), dim, 128, quantizer, inner, False)
    lists.nprobe = 16
    makes: dict[str, Callable[[], VectorIndex]] = {
        "a byte a dimension, 2 candidates": lambda: Refined(
            faiss.IndexScalarQuantizer(dim, quantizer, inner), vectors, 2, _BYTES
        ),
        "a bit a dimension, 10 candidates": lambda: Refined(faiss.index_factory(dim, "RaBitQ", inner), vectors, 10),
        "bytes in 128 lists, 16 searched": lambda: Refined(lists, vectors, 2, _BYTES),
    }
    kinds = {}
    for name, make in makes.items():
        started = time.perf_counter()
        index = make()
        kinds[name] = Kind(index, time.perf_counter() - started, None)
    return kinds


def _built(engine: IndexEngine, vectors: Vectors) -> Kind:
    started = time.perf_counter()
    data = engine.build(vectors)
    return Kind(engine.open(data), time.perf_counter() - started, len(data) / 1e6)


def _with_breadth(graph: bytes, breadth: int) -> VectorIndex:
    """The same graph, searched otherwise."""
    index: Any = faiss.deserialize_index(np.frombuffer(graph, dtype=np.uint8))
    index.hnsw.efSearch = breadth
    return FaissHnswEngine().open(bytes(faiss.serialize_index(index)))


def _in_turns(
    kinds: Mapping[str, Kind], asked: Vectors, before: Callable[[int, VectorIndex], object]
) -> dict[str, float]:
    """Median microseconds of a search by kind; `before` runs, untimed, before each."""
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for number, vector in enumerate(asked):
        for name, kind in kinds.items():
            before(number, kind.index)
            started = time.perf_counter()
            kind.index.search(vector, _COUNT)
            times[name].append(time.perf_counter() - started)
    return {name: median(taken) * 1e6 for name, taken in times.items()}


def _recall(index: VectorIndex, twin: VectorIndex, asked: Vectors) -> float:
    hits = [len(_ids(index, vector) & _ids(twin, vector)) for vector in asked]
    return sum(hits) / (_COUNT * len(asked))


def _ids(index: VectorIndex, vector: Vector) -> set[int]:
    return {neighbour.exemplar for neighbour in index.search(vector, _COUNT)}


def _finds_itself(index: VectorIndex, own: Vectors) -> float:
    """Share of vectors of the index of which an equal one comes first."""
    return float(np.mean([index.search(vector, _COUNT)[0].similarity >= EXACT_SIMILARITY for vector in own]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", type=Path, help="folder of built encoders")
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--sizes", default="1500,15000", help="numbers of vectors, with commas")
    parser.add_argument("--rounds", type=int, default=300, help="searches of each kind")
    parser.add_argument("--links", type=int, default=16, help="of a vector in the graph (HNSW)")
    parser.add_argument("--build-breadth", type=int, default=100, help="of the graph's build")
    return parser.parse_args()


if __name__ == "__main__":
    main()
