"""What rules need of engines, as Protocols: expressions evaluated over facts, and the language of a text."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol


class Condition(Protocol):
    """A rule's expression, made ready."""

    @property
    def source(self) -> str: ...


class ConditionFailed(Exception):
    """An expression has no value for these facts; the message says why, without their contents."""


class Evaluation(Protocol):
    """One request's facts, given to expressions one after the other."""

    def holds(self, condition: Condition, reads: Collection[str], facts: Mapping[str, object]) -> bool:
        """Whether an expression is true; each fact is taken over when it is first read.

        Args:
            condition: Of the same engine.
            reads: Names of the facts that it reads.
            facts: These and others, by name.

        Raises:
            ConditionFailed: a fact is of another kind than expected, or the expression has no value.
        """


class ConditionEngine(Protocol):
    """Makes expressions ready and evaluates them; of one thread."""

    def compile(self, source: str, patterns: Sequence[str]) -> Condition:
        """An expression, made ready.

        Args:
            source: In CEL.
            patterns: Regular expressions that it matches.

        Raises:
            ValueError: the engine cannot read the expression or one of the patterns.
        """

    def begin(self) -> Evaluation: ...


class LanguageDetector(Protocol):
    """Tells which language a text is in."""

    def detect(self, text: str) -> str:
        """Its ISO 639-1 code; "und" where the text says too little."""
