"""What people write: the contents of a route folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fingerpost.types.policy import BreakerRules, Budget, EscalationLimit, Experiment, Rule, Selection


class Scorer(StrEnum):
    """What makes a route's score."""

    AUTO = "auto"
    VOTE = "vote"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a route file and where it stands."""

    text: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Route:
    """A named kind of request and the model that should answer it."""

    name: str
    description: str
    model: str
    min_confidence: float | None  # [0, 1]; None: chosen at reindex for the target precision
    utterances: tuple[Text, ...]
    tests: tuple[Text, ...]
    target_precision: float | None = None  # (0, 1); None: the policy's
    models: tuple[str, ...] = ()  # that the selection chooses from; empty: `model` alone
    selection: Selection = field(default_factory=Selection)
    fallback: tuple[str, ...] = ()  # models to try after its own, before the policy's


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the model list; prices in micro-dollars per million tokens, None where unknown."""

    name: str
    upstream_model: str
    provider: str = ""
    endpoint: str = ""
    description: str = ""
    input_price_usd_micros: int | None = None
    output_price_usd_micros: int | None = None
    context_window_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    latency_p50_ms: int | None = None
    tier: str = ""
    cached_input_price_usd_micros: int | None = None  # of input that the provider has in its prompt cache
    max_output_tokens: int | None = None
    languages: tuple[str, ...] = ()  # ISO 639-1 codes of those it is good at; empty: any
    regions: tuple[str, ...] = ()  # where it runs; empty: anywhere
    quality: Mapping[str, float] = field(default_factory=dict)  # task family -> [0, 1]; "default": any other
    latency_p95_ms: int | None = None
    requests_per_minute: int | None = None  # that the provider allows
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all routes of a catalog."""

    fallback_model: str
    fallback_chain: tuple[str, ...] = ()
    target_precision: float = 0.95  # (0, 1)
    out_of_scope_share: float = 0.15  # [0, 1)
    scorer: Scorer = Scorer.AUTO
    adapt_out_of_scope_share: bool = False
    sticky_session_seconds: int = 0  # at least 0; 0: each text is decided by itself
    approvals: int = 0  # 0 to 2; people who must approve a revision before it is served
    rules: tuple[Rule, ...] = ()  # those before similarity first, each stage in its order
    escalation: EscalationLimit | None = None
    budgets: tuple[Budget, ...] = ()
    breakers: BreakerRules = field(default_factory=BreakerRules)
    experiments: tuple[Experiment, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalog:
    """A route folder, read and checked; routes and models in the order of their names."""

    routes: tuple[Route, ...]
    models: tuple[Model, ...]
    policy: Policy
    out_of_scope: tuple[Text, ...] = ()
    out_of_scope_tests: tuple[Text, ...] = ()


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"  # does no harm


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a route folder; `code` is stable and has a page in the documentation."""

    code: str
    severity: Severity
    file: str
    line: int  # from 1; 0: the file as a whole
    message: str
