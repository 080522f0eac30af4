"""Study: a published revision, opened to be looked at: what it decides for texts, and how its encoder sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from fingerpost.build.judging import Case, Judge, Judged, Opinion
from fingerpost.build.report import Report
from fingerpost.build.vectorise import vectorise
from fingerpost.engine_ports import VectorCache
from fingerpost.ports import Progress
from fingerpost.serve.plan import Plan
from fingerpost.serve.retrieve import Retriever
from fingerpost.types import Decider, Exemplar, Revision, Text, Vectors


@dataclass(frozen=True, slots=True)
class Study:
    """One revision. Whatever compares, explains or proposes asks it, so that all of them decide as the server does."""

    digest: str
    revision: Revision
    plan: Plan
    report: Report | None  # of its reindex; None: of a version that this program does not read
    retriever: Retriever
    cache: VectorCache
    progress: Progress

    @property
    def decider(self) -> Decider:
        return self.revision.decider

    @property
    def exemplars(self) -> tuple[Exemplar, ...]:
        """By id in the index."""
        return self.revision.exemplars

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Of n texts as they stand: shape (n, dim), float32, unit rows; known ones come from the cache."""
        return vectorise(texts, self.retriever.embedders, self.cache, self.progress)

    def judge(self, cases: Sequence[Case]) -> list[Judged]:
        """What the server would decide for each."""
        return self._judge.cases(cases)

    def opinions(self, texts: Sequence[Text]) -> list[Opinion]:
        """What the server would decide for texts that nobody has labelled."""
        return self._judge.texts(texts)

    @property
    def _judge(self) -> Judge:
        return Judge(self.retriever.speller, self.retriever.space, self.plan, self.vectors, self.progress)
