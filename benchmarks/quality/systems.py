"""The systems that are compared: Fingerpost as it serves, and semantic-router's IndexedRouter, on the same vectors."""

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from entries import Row
from numpy.typing import NDArray
from public_sets import OUT_OF_SCOPE_LABEL

from fingerpost.backends.encoder.source import EncoderSource
from fingerpost.bootstrap.building import encoder_source, open_workshop
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.studying import evaluate_active, open_archive
from fingerpost.build.imports.formats import import_file
from fingerpost.build.load import load
from fingerpost.build.metrics import Rows
from fingerpost.build.reindex import Workshop, reindex
from fingerpost.build.report import Report
from fingerpost.build.study import Study
from fingerpost.build.vectorise import vectorise
from fingerpost.cli.local import local_server
from fingerpost.client import Client, Options
from fingerpost.errors import FingerpostError
from fingerpost.integrations.semantic_router import baseline_decisions
from fingerpost.ports import NoProgress, Progress
from fingerpost.types import Catalog, Exemplar

CATALOG = "quality"
_BATCH = 128
_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Answers:
    """What a system said about n cases."""

    best: tuple[str | None, ...]  # before any threshold
    decided: tuple[str | None, ...]  # None: fell back
    score: NDArray[np.float64]  # of the best; nan where there is none

    def rows(self, cases: Sequence[Row]) -> Rows:
        """As Fingerpost's own metrics read them."""
        labels = [case.label for case in cases]
        inside = np.array([label != OUT_OF_SCOPE_LABEL for label in labels], dtype=bool)
        best = np.array([a == b for a, b in zip(self.best, labels, strict=True)], dtype=bool)
        accepted = np.array([route is not None for route in self.decided], dtype=bool)
        right = np.array([a == b for a, b in zip(self.decided, labels, strict=True)], dtype=bool)
        return Rows(inside, inside & best, accepted, inside & right & accepted, self.score)


@dataclass(frozen=True, slots=True)
class Published:
    """What a reindex said of itself."""

    routes: int
    utterances: int
    threshold: float
    calibration: str
    seconds: float


class Bench:
    """A data folder of its own that borrows the encoders and vectors of the user's: no catalog of theirs changes."""

    def __init__(self, folder: Path, shop: Workshop, tuning: Workshop, progress: Progress) -> None:
        self._folder = folder
        self._shop = shop
        self._tuning = tuning
        self._progress = progress

    def publish(
        self, train: Sequence[Row], *, tuned: bool = False, out_of_scope_share: float | None = None
    ) -> Published:
        """Make the rows the active catalog, as `fingerpost import` and `fingerpost reindex` would."""
        routes = Path(tempfile.mkdtemp(dir=self._folder)) / "routes"
        import_file(_write(self._folder / "train.jsonl", train), routes, "labelled-jsonl")
        if out_of_scope_share is not None:
            with (routes / "_policy.yaml").open("a", encoding="utf-8") as policy:
                policy.write(f"out_of_scope_share: {out_of_scope_share:.4f}\n")
        return self.publish_folder(routes, tuned=tuned)

    def publish_folder(self, routes: Path, *, tuned: bool = False) -> Published:
        """Make a route folder the active catalog, as `fingerpost reindex` would."""
        started = time.monotonic()
        made = reindex(routes, CATALOG, self._tuning if tuned else self._shop, refit=True)
        seconds = time.monotonic() - started
        self._routes = routes
        return Published(
            made.routes_count, made.exemplars_count, made.report.threshold, made.report.calibration, seconds
        )

    @contextmanager
    def served(self) -> Iterator["Served"]:
        """The active catalog behind a server."""
        with local_server(self._folder) as address, Client(address, timeout_seconds=_TIMEOUT_SECONDS) as client:
            yield Served(client, self._progress)

    def evaluate(self, cases: Sequence[Row]) -> Report:
        """What `fingerpost evaluate` says of the active catalog."""
        return evaluate_active(self._folder, CATALOG, _write(self._folder / "cases.jsonl", cases), NoProgress())

    @contextmanager
    def studied(self) -> Iterator[tuple[Study, Catalog]]:
        """The active catalog, opened to be looked at, and its route files."""
        with open_archive(self._folder, NoProgress()) as archive:
            yield archive.active(CATALOG), load(self._routes).catalog

    def ask_semantic_router(self, cases: Sequence[Row]) -> Answers:
        """The utterances of the active catalog and the cases, in an IndexedRouter with its own settings."""
        catalog = load(self._routes).catalog
        exemplars = [
            Exemplar(utterance.text, number)
            for number, route in enumerate(catalog.routes)
            for utterance in route.utterances
        ]
        names = [route.name for route in catalog.routes]
        texts = [case.text for case in cases]
        own = self._vectors([exemplar.text for exemplar in exemplars])
        decisions = baseline_decisions(exemplars, own, names, texts, self._vectors(texts), _Advancing(self._progress))
        scores = [np.nan if decision.score is None else decision.score for decision in decisions]
        return Answers(tuple(d.best for d in decisions), tuple(d.decided for d in decisions), np.array(scores))

    def _vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return vectorise(texts, self._shop.plain.embedders, self._shop.cache, NoProgress())


class Served:
    """A running server."""

    def __init__(self, client: Client, progress: Progress) -> None:
        self._client = client
        self._progress = progress

    def ask(self, texts: Sequence[str]) -> Answers:
        """What is served for each text."""
        options = Options(catalog=CATALOG, alternatives_count=1)
        best: list[str | None] = []
        decided: list[str | None] = []
        scores: list[float] = []
        for start in range(0, len(texts), _BATCH):
            for decision in self._client.route_batch(texts[start : start + _BATCH], options):
                if isinstance(decision, FingerpostError):
                    raise decision
                first = decision.alternatives[0] if decision.alternatives else None
                best.append(first.route if first else None)
                decided.append(decision.route or None)
                scores.append(np.nan if first is None or first.confidence is None else first.confidence)
                self._progress.advance()
        return Answers(tuple(best), tuple(decided), np.array(scores, dtype=np.float64))


class _Advancing:
    """Advances the step that is under way instead of beginning its own."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, name: str, total: int | None = None) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        self._progress.advance(count)


@contextmanager
def open_bench(data: Path, progress: Progress) -> Iterator[Bench]:
    """Build the encoder in `data` when it has none, and work beside it."""
    source = encoder_source("minilm", "int8")
    with open_workshop(DataFolder(data), source, progress):
        pass
    with tempfile.TemporaryDirectory(prefix="fingerpost-quality-") as name:
        folder = Path(name)
        (folder / "encoders").mkdir()
        for encoder in (data / "encoders").resolve().iterdir():
            (folder / "encoders" / encoder.name).symlink_to(encoder)
        (folder / "vectors.sqlite").symlink_to((data / "vectors.sqlite").resolve())
        with open_workshop(DataFolder(folder), source, NoProgress()) as shop, _tuning(folder, source) as tuning:
            yield Bench(folder, shop, tuning, progress)


def _tuning(folder: Path, source: EncoderSource) -> AbstractContextManager[Workshop]:
    return open_workshop(DataFolder(folder), source, NoProgress(), tuning=True)


def _write(path: Path, rows: Sequence[Row]) -> Path:
    lines = (json.dumps({"text": row.text, "label": row.label}, ensure_ascii=False) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
