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

    @property
    def are_tokens_alone(self) -> bool:
        """Whether nothing is asked of a model but room."""
        named = self.allowed or self.forbidden or self.regions or self.languages
        return not (named or self.capabilities or self.forbidden_capabilities)


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


class BudgetOf(StrEnum):
    """What a budget is of: each catalog, route, model or tenant has its own account."""

    CATALOG = "catalog"
    ROUTE = "route"
    MODEL = "model"
    TENANT = "tenant"


class BudgetPer(StrEnum):
    """How long an account lasts before a new one begins: the hour, day or month of the calendar, UTC."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class WhenSpent(StrEnum):
    """What becomes of a request that a budget has nothing left for."""

    ALERT = "alert"  # soft: it goes on as if there were no budget
    DOWNGRADE = "downgrade"  # soft: the cheapest model that fits answers
    REFUSE = "refuse"  # hard: it is refused
    CHEAPEST = "cheapest"  # hard: the cheapest model that fits answers if that much is left, else it is refused


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent in each hour, day or month."""

    name: str  # unique in the catalog
    of: BudgetOf
    per: BudgetPer
    limit_usd_micros: int  # of each account, at least 1
    when_spent: WhenSpent
    only: tuple[str, ...] = ()  # names of the routes, models or tenants that it is for; empty: of all
    covers_fallbacks: bool = False  # reserved is what the dearest model costs that a reply names

    @property
    def hard(self) -> bool:
        """Whether nothing is ever spent beyond its limit."""
        return self.when_spent in (WhenSpent.REFUSE, WhenSpent.CHEAPEST)


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a model is left alone for a while because its calls fail."""

    consecutive_failures: int = 5  # at least 1: so many in a row
    failure_share: float = 0.5  # (0, 1]: or this share of the calls in the window
    min_calls: int = 20  # at least 1: but not with fewer calls in the window
    window_seconds: int = 60
    cool_down_seconds: int = 30  # after the first failure of its kind; doubled each time a trial call fails
    max_cool_down_seconds: int = 600
    max_ejected_share: float = 0.5  # [0, 1] of the catalog's models that may be left alone at a time; one may always
    trial_seconds: int = 60  # after it a trial call of which nothing was heard is taken for lost


class ExperimentUnit(StrEnum):
    """What is drawn for an arm: all requests of one unit get the same."""

    TENANT = "tenant"
    SESSION = "session"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of answering that an experiment compares; without model and revision: as without the experiment."""

    name: str
    weight: float  # per cent of the units, [0, 100]
    model: str | None = None  # answers in place of the route's own
    revision: str | None = None  # digest of the revision that decides


class GuardedMeasure(StrEnum):
    """What a guardrail watches, each as a mean over an arm's requests."""

    FALLBACK_SHARE = "fallback_share"  # [0, 1] of the decisions
    ERROR_SHARE = "error_share"  # [0, 1] of the reported calls
    COST_USD = "cost_usd"  # dollars per reported call


@dataclass(frozen=True, slots=True)
class Guardrail:
    """The band in which an arm must stay; one that is surely outside of it is stopped."""

    of: GuardedMeasure
    max: float | None = None
    min: float | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms among which requests are split; or, with `shadow`, a revision that decides too and never serves."""

    name: str  # unique in the catalog
    route: str | None = None  # whose requests are split; None: all of the catalog
    unit: ExperimentUnit = ExperimentUnit.REQUEST
    arms: tuple[Arm, ...] = ()  # the first is what the others are compared with; weights are 100 together
    guardrails: tuple[Guardrail, ...] = ()
    shadow: str | None = None  # digest of a revision
    share: float = 100.0  # per cent of requests that the shadow decides too, (0, 100]
