"""Read: an expression, checked, with all that is known of it before it is evaluated."""

from dataclasses import dataclass

from fingerpost.build.rules.kinds import check, columns_of, patterns, reads
from fingerpost.build.rules.needs import needs
from fingerpost.build.rules.syntax import ConditionFault, FaultKind, Node, parse
from fingerpost.patterns import MATCHES, compiled
from fingerpost.types import Need, RuleStage


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression that the engine can evaluate."""

    node: Node
    expression: str  # as the engine reads it
    reads: tuple[str, ...]  # facts
    needs: tuple[Need, ...]
    patterns: tuple[str, ...]


def read_condition(source: str, stage: RuleStage) -> Condition:
    """Read and check an expression.

    Raises:
        ConditionFault: the first thing that is wrong.
    """
    node = parse(source)
    check(node, stage)
    found = patterns(node)
    for pattern, column in found:
        try:
            compiled(pattern)
        except ValueError as error:
            raise ConditionFault(FaultKind.PATTERN, column, str(error)) from error
    expression = source
    for column in sorted(columns_of(node, "matches"), reverse=True):
        expression = f"{expression[:column]}{MATCHES}{expression[column + len('matches') :]}"
    kept = tuple(pattern for pattern, _ in found)
    return Condition(node, expression, tuple(sorted(reads(node))), needs(node), kept)
