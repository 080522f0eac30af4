"""What a client hears of budgets, breakers and experiments."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """A limit that is set by hand."""

    holder: str  # empty: all
    limit_usd_micros: int


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """How an account of a budget stands."""

    budget: str
    holder: str  # the route, model or tenant; empty: the catalog
    start: datetime
    end: datetime
    limit_usd_micros: int
    hard: bool
    used_usd_micros: int  # what counts against the limit
    reported_usd_micros: int
    reserved_usd_micros: int
    sliced_usd_micros: int
    cleared_usd_micros: int


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget of the policy in force, and its accounts of running windows."""

    name: str
    of: str  # catalog, route, model or tenant
    per: str  # hour, day or month
    limit_usd_micros: int  # the policy's
    when_spent: str  # alert, downgrade, refuse or cheapest
    only: tuple[str, ...] = ()
    limits_by_hand: tuple[BudgetLimit, ...] = ()
    accounts: tuple[BudgetAccount, ...] = ()


@dataclass(frozen=True, slots=True)
class Cleared:
    """Accounts whose spending was put out of the count."""

    accounts: tuple[BudgetAccount, ...]  # the first 1,000
    count: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """A model's breaker in the server that was asked."""

    model: str
    position: str  # closed, open or half_open
    cause: str  # of its being open
    seconds_left: float | None  # until a trial call
    calls: int
    failures: int
    ejections: int
    by_hand: str  # who set it


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of answering that an experiment compares."""

    name: str
    weight: float  # per cent
    model: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Guardrail:
    """The band in which an arm must stay."""

    of: str  # fallback_share, error_share or cost_usd
    max: float | None = None
    min: float | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment as the policy has it."""

    name: str
    route: str | None
    unit: str  # tenant, session or request
    arms: tuple[Arm, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    shadow: str | None = None
    share: float = 100.0  # per cent


@dataclass(frozen=True, slots=True)
class RunningArm:
    """An arm as it runs in the server that was asked; None where nothing tells it."""

    name: str
    weight: float  # per cent, in force
    stopped: str  # why it is given to nobody
    decisions: int
    fallback_share: float | None  # [0, 1]
    reports: int
    error_share: float | None  # [0, 1]
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Shadow:
    """What a shadow has decided beside the revision in force."""

    decisions: int
    dropped: int
    other_route: int
    other_model: int
    other_outcome: int
    cost_difference_usd_micros: int
    error: str


@dataclass(frozen=True, slots=True)
class RunningExperiment:
    """An experiment as it runs in the server that was asked."""

    experiment: Experiment
    stopped: str  # why nobody is in it
    arms: tuple[RunningArm, ...] = ()
    shadow: Shadow | None = None


@dataclass(frozen=True, slots=True)
class ArmMeasure:
    """A measure of one arm; None where nothing tells it."""

    arm: str
    measure: str  # error_share, fallback_share, good_fit_share, score, cost_usd or latency_ms
    units: int
    reports: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What an arm changes against the first one; None where nothing tells it."""

    arm: str
    measure: str
    difference: float | None
    low: float | None
    high: float | None
    p_value: float
    direction: str  # more, less or open
    units_needed: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """An effect as it stood at a time."""

    time: datetime
    effect: Effect


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """An experiment so far."""

    experiment: Experiment
    reports: int
    first: datetime | None
    last: datetime | None
    arms: tuple[ArmMeasure, ...] = ()
    effects: tuple[Effect, ...] = ()
    looks: tuple[Look, ...] = ()
