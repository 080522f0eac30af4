"""Report: what a reindex or an evaluation found, as it is shown and stored."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from fingerpost.build.metrics import Measured
from fingerpost.build.recipe import Recipe
from fingerpost.build.threshold import Point
from fingerpost.types import Promise, TuningVerdict


@dataclass(frozen=True, slots=True)
class Near:
    """An utterance near a case; `route` is None for an out-of-scope text."""

    text: str
    route: str | None
    similarity: float


@dataclass(frozen=True, slots=True)
class RouteReport:
    """Of one route's cases; counts."""

    route: str
    cases: int
    best: int  # the route was the best, before the threshold
    accepted: int
    accepted_right: int
    confusions: dict[str, int]  # best route -> count, where it was another


@dataclass(frozen=True, slots=True)
class Confusion:
    """Cases of one route whose best route was another; None: out of scope, and accepted all the same."""

    expected: str | None
    best: str
    count: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """A case that was decided wrongly, how sure that was, and the utterances that led there."""

    text: str
    file: str
    line: int
    expected: str | None
    decided: str | None
    confidence: float | None
    nearest: tuple[Near, ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """How another system does on the same cases; metrics that need a probability are None: it has none."""

    name: str
    metrics: dict[str, Measured]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Of utterances that the scorer had not seen, and of the catalog's out-of-scope texts."""

    texts: int
    metrics: dict[str, Measured]
    promise: Promise | None
    curve: tuple[Point, ...]  # thresholds from the strictest, at the expected out-of-scope share


@dataclass(frozen=True, slots=True)
class Learned:
    """What a revision's scorer, maps and threshold were learned from."""

    version: int  # of the way to learn
    recipe: Recipe
    left_out_accuracy: float | None  # share of held-out utterances whose best route is their own; None without any
    texts: int  # utterances and out-of-scope texts that settings, maps and threshold were learned from
    changed: int  # texts added to or taken from these since


@dataclass(frozen=True, slots=True)
class Indexed:
    """Which index a revision searches; see `build.index`."""

    kind: str
    settings: dict[str, int]
    recall: float  # share of the true nearest neighbours of its own vectors that it finds


@dataclass(frozen=True, slots=True)
class Report:
    """Of all cases."""

    cases: int
    out_of_scope_cases: int
    metrics: dict[str, Measured]  # see `build.metrics`
    at_share: dict[str, dict[str, float | None]]  # out-of-scope share -> calibration and precision, were it that
    threshold: float
    calibration: str
    confusions: tuple[Confusion, ...]  # most frequent first
    routes: tuple[RouteReport, ...]
    mistakes: tuple[Mistake, ...]  # most confident first
    held_out: HeldOut | None = None  # of a reindex: what its utterances say when held out
    learned: Learned | None = None  # likewise: what its decider rests on
    tuning: TuningVerdict | None = None  # likewise, where the encoder was to be tuned
    index: Indexed | None = None  # likewise, of a reindex that measured it
    baseline: Baseline | None = None  # another system on the same vectors, when asked for


_report = TypeAdapter(Report)


def report_bytes(report: Report) -> bytes:
    """As a revision keeps it."""
    return _report.dump_json(report, indent=1) + b"\n"


def read_report(data: bytes) -> Report:
    """The report of a revision.

    Raises:
        ValueError: it is of a version that this program does not read.
    """
    return _report.validate_json(data)
