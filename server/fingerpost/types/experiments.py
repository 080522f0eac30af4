"""What is known of experiments, breakers and budgets as they run, for people who look after them."""

from dataclasses import dataclass
from enum import StrEnum

from fingerpost.types.money import Standing
from fingerpost.types.policy import Arm, Budget, Experiment


class Measure(StrEnum):
    """What arms are compared by; each is a mean over reports that tell it."""

    ERROR_SHARE = "error_share"  # of calls that failed, [0, 1]
    FALLBACK_SHARE = "fallback_share"  # of decisions that fell back, [0, 1]
    GOOD_FIT_SHARE = "good_fit_share"  # of verdicts, [0, 1]
    SCORE = "score"  # [0, 1]
    COST_USD = "cost_usd"
    LATENCY_MS = "latency_ms"


@dataclass(frozen=True, slots=True)
class ArmMeasure:
    """A measure of one arm; without reports that tell it, none."""

    arm: str
    measure: Measure
    units: int
    reports: int
    mean: float | None
    low: float | None  # of its 95 % interval, good at any time
    high: float | None


class Direction(StrEnum):
    """What a comparison says so far."""

    MORE = "more"  # surely more than the first arm
    LESS = "less"
    OPEN = "open"  # nothing is sure


@dataclass(frozen=True, slots=True)
class Effect:
    """What an arm changes against the first one; the interval holds at all times at once, whenever somebody looks."""

    arm: str
    measure: Measure
    difference: float | None
    low: float | None  # of its 95 % interval
    high: float | None
    p_value: float  # [0, 1]; under 0.05 somewhere on the way by chance alone in at most 5 % of experiments
    direction: Direction
    units_needed: int | None  # in each arm, to see the smallest effect that matters; None: not known yet


@dataclass(frozen=True, slots=True)
class Look:
    """An effect as it stood at a time."""

    time_us: int
    effect: Effect


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """An experiment so far."""

    catalog: str
    experiment: Experiment
    reports: int
    first_us: int | None
    last_us: int | None
    arms: tuple[ArmMeasure, ...]
    effects: tuple[Effect, ...]
    looks: tuple[Look, ...]  # on the way, oldest first, for a plot


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget, the limit in force, and its accounts of running windows."""

    catalog: str
    budget: Budget
    limits_by_hand: tuple[tuple[str, int], ...]  # holder ("" for all), micro-dollars
    accounts: tuple[Standing, ...]


class BreakerPosition(StrEnum):
    CLOSED = "closed"  # calls go through
    OPEN = "open"  # the model is left alone
    HALF_OPEN = "half_open"  # one call at a time goes through, to try


@dataclass(frozen=True, slots=True)
class BreakerState:
    """A model's breaker in one process."""

    catalog: str
    model: str
    position: BreakerPosition
    # Of its being open or half-open: consecutive, rate, rate_limited, misconfigured, by_hand; when closed: spared, if
    # its calls fail too but as many as may be are left alone already, else empty.
    cause: str
    seconds_left: float | None  # until it may be called, or tried; None: not by itself, or it is closed
    calls: int  # reported in the window, without those that say nothing of the model
    failures: int  # of these
    ejections: int  # in a row: the cool-down grows with them
    by_hand: str  # who set it; empty: nobody


@dataclass(frozen=True, slots=True)
class ArmState:
    """An arm as it runs in one process."""

    arm: Arm
    weight: float  # per cent, in force
    stopped: str  # why it is given to nobody; empty: it is
    decisions: int
    fallback_share: float | None  # [0, 1]
    reports: int
    error_share: float | None  # [0, 1]
    cost_usd: float | None  # mean of a report


@dataclass(frozen=True, slots=True)
class ShadowState:
    """What a shadow has decided beside the revision in force, in one process."""

    decisions: int
    dropped: int  # that it had no time for
    other_route: int
    other_model: int  # of the same route
    other_outcome: int
    cost_difference_usd_micros: int  # expected, of all together: the shadow's less the served
    error: str  # why it does not run; empty: it does


@dataclass(frozen=True, slots=True)
class ExperimentState:
    """An experiment as it runs in one process."""

    catalog: str
    experiment: Experiment
    stopped: str  # why nobody is in it; empty: it runs
    arms: tuple[ArmState, ...]
    shadow: ShadowState | None
