"""CEL expressions over a request's facts, by the engine of `common-expression-language`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cel

from fingerpost.patterns import MATCHES, compiled
from fingerpost.rule_ports import Condition, ConditionFailed

_FAILURES = (ValueError, RuntimeError, TypeError, KeyError, ArithmeticError, IndexError)
"""What the engine raises where an expression has no value."""


@dataclass(frozen=True, slots=True)
class CelCondition:
    """A compiled expression."""

    source: str
    program: cel.Program


class CelEngine:
    """Compiles expressions, and remembers the patterns that they match."""

    def __init__(self) -> None:
        self._patterns: dict[str, Any] = {}

    def compile(self, source: str, patterns: Sequence[str]) -> Condition:
        """An expression, made ready; `ValueError` where it or one of its patterns cannot be read."""
        for pattern in patterns:
            self._patterns[pattern] = compiled(pattern)
        return CelCondition(source, cel.compile(source))

    def begin(self) -> "CelEvaluation":
        return CelEvaluation(self)

    def matches(self, text: str, pattern: str) -> bool:
        found = self._patterns.get(pattern)
        if found is None:
            raise ValueError("the pattern was not compiled with the expression")
        return found.search(text) is not None


class CelEvaluation:
    """One request's facts, as the engine has them."""

    def __init__(self, engine: CelEngine) -> None:
        self._context = cel.Context()
        self._context.add_function(MATCHES, engine.matches)
        self._context.add_function("lower", str.lower)
        self._context.add_function("length", len)
        self._given: set[str] = set()

    def holds(self, condition: Condition, reads: Collection[str], facts: Mapping[str, object]) -> bool:
        """Whether the expression is true of the facts; `ConditionFailed` where it has no value."""
        given = self._given
        for name in reads:
            if name not in given:
                self._context.add_variable(name, facts[name])
                given.add(name)
        try:
            value = cast("CelCondition", condition).program.execute(self._context)
        except _FAILURES as error:
            raise ConditionFailed(_told(error)) from error
        if not isinstance(value, bool):
            raise ConditionFailed(f"it is no truth but a {type(value).__name__}")
        return value


_TOLD: Mapping[type[Exception], str] = {
    KeyError: "a key of metadata is missing",
    TypeError: "an operation meets values of other types",
    ArithmeticError: "a number is divided by zero or too large",
    IndexError: "a list has no such place",
    Exception: "a value cannot be converted",
}


def _told(error: Exception) -> str:
    """What went wrong, without what the request holds: the engine's words may quote it."""
    return next(told for kind, told in _TOLD.items() if isinstance(error, kind))
