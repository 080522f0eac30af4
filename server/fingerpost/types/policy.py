"""What a policy says of requests and models: rules, demands, selections, limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class RuleStage(StrEnum):
    """When a rule is judged: before similarity is asked, or when the scores are known."""

    BEFORE = "before"
    AFTER = "after"


class NeedKind(StrEnum):
    """How a fact must stand to its literals."""

    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    EQUALS = "equals"  # one of them


@dataclass(frozen=True, slots=True)
class Need:
    """Something without which a rule's expression is false: known without evaluating it."""

    fact: str  # text, tenant, language, route or metadata
    kind: NeedKind
    literals: tuple[str, ...]  # one but for EQUALS
    key: str = ""  # of `metadata`


@dataclass(frozen=True, slots=True)
class Demands:
    """What a model must satisfy to answer a request; empty: nothing."""

    allowed: tuple[frozenset[str], ...] = ()  # names of models; it must be in each of them
    forbidden: frozenset[str] = frozenset()  # names of models
    capabilities: frozenset[str] = frozenset()  # all of them
    forbidden_capabilities: frozenset[str] = frozenset()  # none of them
    regions: tuple[frozenset[str], ...] = ()  # it must run in one of each
    languages: frozenset[str] = frozenset()  # all of them
    input_tokens: int = 0  # that will be sent
    output_tokens: int = 0  # that the answer may need


@dataclass(frozen=True, slots=True)
class Rule:
    """If `when` holds, its actions are taken."""

    name: str
    stage: RuleStage
    when: str  # a CEL expression, as a person wrote it
    expression: str  # the same as the engine reads it
    reads: tuple[str, ...] = ()  # facts that it reads
    needs: tuple[Need, ...] = ()
    patterns: tuple[str, ...] = ()  # regular expressions that it matches, RE2's
    route: str | None = None  # is set
    model: str | None = None  # is set
    demands: Demands = field(default_factory=Demands)  # are added
    min_confidence: float | None = None  # [0, 1]; at least this much is needed to take a route
    final: bool = False  # nothing overrides it
    goes_on: bool = False  # the rules after it are judged too


class SelectionMode(StrEnum):
    """How a route chooses among its models."""

    FIXED = "fixed"  # the first that fits
    WEIGHTED = "weighted"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"
    BEST_VALUE = "best_value"


@dataclass(frozen=True, slots=True)
class Selection:
    """How a route chooses among its models."""

    mode: SelectionMode = SelectionMode.FIXED
    weights: Mapping[str, float] = field(default_factory=dict)  # per cent of requests, by model
    task: str = ""  # family whose quality counts; empty: the route's name
    quality_floor: float = 0.0  # [0, 1]; models under it are passed over
    cost_weight: float = 0.0  # quality points, [0, 1], that a dollar per thousand requests must bring; 0: all quality
    output_tokens: int = 0  # that an answer is expected to have, for its cost
    switch_margin: float = 0.0  # [0, 1]; a session changes its model only for a gain of more than this


@dataclass(frozen=True, slots=True)
class EscalationLimit:
    """How much of the traffic may go to the strong tier before requests that no route is sure of stay out of it."""

    max_share: float  # [0, 1] of the decisions in the window
    window_seconds: int
    min_decisions: int  # with fewer in the window nothing is limited
    tier: str = "strong"
