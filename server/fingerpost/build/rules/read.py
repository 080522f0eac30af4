"""Read: an expression, checked, with all that is known of it before it is evaluated."""

from dataclasses import dataclass

from fingerpost.build.rules.kinds import check, patterns, reads
from fingerpost.build.rules.needs import needs
from fingerpost.build.rules.syntax import ConditionFault, FaultKind, Node, parse
from fingerpost.patterns import compiled
from fingerpost.types import Need, RuleStage


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression that the engine can evaluate."""

    node: Node
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
    return Condition(node, tuple(sorted(reads(node))), needs(node), tuple(pattern for pattern, _ in found))
