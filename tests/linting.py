"""Lint as the tests ask it: a route folder, looked at with an embedder and with what decides for it."""

from collections.abc import Sequence
from pathlib import Path

from fingerpost.build.lint.lint import lint, see
from fingerpost.build.load import load
from fingerpost.build.reindex import cases_of, exemplars_of
from fingerpost.build.vectorise import vectorise
from fingerpost.engine_ports import Embedder
from fingerpost.ports import NoProgress
from fingerpost.types import Finding, Vectors
from tests.fakes import MemoryCache


class Linter:
    """Looks at folders; texts that were seen before are not embedded again."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._cache = MemoryCache()

    def vectors(self, texts: Sequence[str]) -> Vectors:
        return vectorise(texts, [self._embedder], self._cache, NoProgress())

    def lint(self, folder: Path) -> tuple[Finding, ...]:
        """Everything that lint finds beside what loading finds."""
        loaded = load(folder)
        exemplars, cases = exemplars_of(loaded.catalog), cases_of(loaded.catalog)
        vectors = self.vectors([exemplar.text for exemplar in exemplars])
        return lint(loaded, see(loaded, exemplars, vectors, cases, self.vectors), None, NoProgress())
