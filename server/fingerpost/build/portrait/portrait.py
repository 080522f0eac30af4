"""Portrait: a revision as a page shows it to the people who own its routes, all numbers and no words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fingerpost.build.judging import Judged
from fingerpost.build.metrics import Measured
from fingerpost.build.portrait.confusion import ConfusionMap, Pair, confusion_map
from fingerpost.build.portrait.reliability import Reliability, reliability_of
from fingerpost.build.portrait.scatter import Scatter
from fingerpost.build.report import Mistake, Near, Report, RouteReport
from fingerpost.types import OUT_OF_SCOPE, Catalog, Decider, EncoderId, Exemplar, Finding, Promise

_WORST_COUNT = 20
_WORST_OF_ROUTE = 5


class Verdict(StrEnum):
    """How a case came out."""

    RIGHT = "right"
    UNSURE = "unsure"  # it belongs to a route and fell back
    WRONG = "wrong"  # it got another route, or one although it belongs to none


class Origin(StrEnum):
    """Where the labelled texts come from."""

    FILE = "file"
    ROUTES = "routes"
    REVISION = "revision"  # counts that the reindex left; the texts themselves are not at hand


@dataclass(frozen=True, slots=True)
class CaseSource:
    """Which labelled texts a portrait rests on."""

    origin: Origin
    name: str  # of the file or folder; empty for a revision


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case and how it came out."""

    text: str
    file: str
    line: int
    expected: str | None
    decided: str | None
    best: str | None  # before the threshold
    confidence: float | None
    verdict: Verdict
    nearest: tuple[Near, ...]


@dataclass(frozen=True, slots=True)
class RoutePortrait:
    """A route; or, with `name` None, the texts that belong to none."""

    name: str | None
    description: str
    model: str
    threshold: float
    threshold_given: bool
    promise: Promise | None
    utterances: tuple[str, ...]
    counts: RouteReport
    takes: dict[str, int]  # routes whose cases have this one as their best -> how many
    takes_outside: int  # cases of no route that got this one
    outcomes: tuple[Outcome, ...]  # its cases, where the texts are at hand
    worst: tuple[Outcome, ...]  # of these and of others' that it got: wrong ones first, surest first
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Another system on the same cases and vectors."""

    name: str
    ours: dict[str, Measured]
    theirs: dict[str, Measured]
    cases: int  # that were compared
    outside: int  # of these out of scope
    of: int  # that there are


@dataclass(frozen=True, slots=True)
class Drift:
    """How route files differ from the revision that is served."""

    added: int  # utterances that only the files have
    removed: int  # that only the revision has


@dataclass(frozen=True, slots=True)
class Portrait:
    """Everything that a page tells."""

    catalog: str
    revision: str
    encoder: EncoderId
    decider: Decider
    source: CaseSource
    report: Report  # of the cases
    promise: Promise | None
    curve: Report | None  # of the reindex: its `held_out` has the curve
    reliability: Reliability | None
    confusion: ConfusionMap
    scatter: Scatter
    routes: tuple[RoutePortrait, ...]  # by number
    outside: RoutePortrait
    worst: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    unknown_labels: dict[str, int]  # labels of cases that the catalog has no route for -> how many
    drift: Drift | None  # None without route files
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Subject:
    """The revision that is portrayed, and what is at hand about it."""

    catalog: str
    revision: str
    encoder: EncoderId
    decider: Decider
    exemplars: tuple[Exemplar, ...]
    built: Report | None  # of the reindex
    files: Catalog | None  # the route files, where they are given
    findings: tuple[Finding, ...]


def portray(
    subject: Subject,
    source: CaseSource,
    report: Report,
    judged: Sequence[Judged],
    scatter: Scatter,
    comparison: Comparison | None,
) -> Portrait:
    """Put everything together.

    Args:
        subject: The revision.
        source: Of the cases.
        report: What was counted on the cases.
        judged: The cases; none where only the counts are at hand.
        scatter: The map of the utterances.
        comparison: With another system, if it was made.
    """
    decider = subject.decider
    outcomes = [outcome_of(j) for j in judged] or [_told(mistake) for mistake in report.mistakes]
    passed: Counter[Pair] = Counter((o.expected, o.best) for o in outcomes if o.verdict is Verdict.WRONG and o.best)
    held_out = subject.built.held_out if subject.built else None
    texts_of = _texts_of(subject.exemplars)
    findings_of = _findings_of(subject)
    known = {route.name for route in decider.routes}
    routes = tuple(
        RoutePortrait(
            name=route.name,
            description=route.description,
            model=route.model,
            threshold=route.threshold,
            threshold_given=route.threshold_given,
            promise=route.promise,
            utterances=texts_of.get(number, ()),
            counts=counts,
            takes={c.expected: c.count for c in report.confusions if c.best == route.name and c.expected is not None},
            takes_outside=sum(c.count for c in report.confusions if c.best == route.name and c.expected is None),
            outcomes=tuple(o for o in outcomes if o.expected == route.name) if judged else (),
            worst=worst_of([o for o in outcomes if route.name in (o.expected, o.decided)], _WORST_OF_ROUTE),
            findings=findings_of.get(route.name, ()),
        )
        for number, (route, counts) in enumerate(zip(decider.routes, report.routes, strict=True))
    )
    return Portrait(
        catalog=subject.catalog,
        revision=subject.revision,
        encoder=subject.encoder,
        decider=decider,
        source=source,
        report=report,
        promise=held_out.promise if held_out else decider.promise,
        curve=subject.built if held_out and held_out.curve else None,
        reliability=reliability_of(judged, decider.policy.out_of_scope_share),
        confusion=confusion_map(report.routes, report.confusions, passed if judged else None),
        scatter=scatter,
        routes=routes,
        outside=_outside(report, texts_of.get(OUT_OF_SCOPE, ()), outcomes, at_hand=bool(judged)),
        worst=worst_of([o for o in outcomes if o.verdict is Verdict.WRONG], _WORST_COUNT),
        findings=subject.findings,
        unknown_labels=dict(
            Counter(o.expected for o in outcomes if o.expected is not None and o.expected not in known)
        ),
        drift=_drift(subject),
        comparison=comparison,
    )


def outcome_of(judged: Judged) -> Outcome:
    """How a case came out."""
    if judged.right:
        verdict = Verdict.RIGHT
    elif judged.fell_back:
        verdict = Verdict.UNSURE
    else:
        verdict = Verdict.WRONG
    return Outcome(
        text=judged.case.text.text,
        file=judged.case.text.file,
        line=judged.case.text.line,
        expected=judged.case.route,
        decided=judged.decision.route,
        best=judged.best,
        confidence=judged.confidence,
        verdict=verdict,
        nearest=judged.nearest,
    )


def _told(mistake: Mistake) -> Outcome:
    return Outcome(
        text=mistake.text,
        file=mistake.file,
        line=mistake.line,
        expected=mistake.expected,
        decided=mistake.decided,
        best=mistake.decided,
        confidence=mistake.confidence,
        verdict=Verdict.WRONG,
        nearest=mistake.nearest,
    )


def worst_of(outcomes: Sequence[Outcome], most: int) -> tuple[Outcome, ...]:
    """Wrong ones, the surest first, then those that fell back, the least sure first."""

    def rank(outcome: Outcome) -> tuple[bool, float]:
        sure = outcome.confidence or 0.0
        return (outcome.verdict is not Verdict.WRONG, -sure if outcome.verdict is Verdict.WRONG else sure)

    return tuple(sorted((o for o in outcomes if o.verdict is not Verdict.RIGHT), key=rank)[:most])


def _outside(report: Report, texts: tuple[str, ...], outcomes: Sequence[Outcome], *, at_hand: bool) -> RoutePortrait:
    own = [outcome for outcome in outcomes if outcome.expected is None]
    got = {c.best: c.count for c in report.confusions if c.expected is None}
    counts = RouteReport("", report.out_of_scope_cases, 0, sum(got.values()), 0, got)
    return RoutePortrait(
        name=None,
        description="",
        model="",
        threshold=0.0,
        threshold_given=False,
        promise=None,
        utterances=texts,
        counts=counts,
        takes={},
        takes_outside=0,
        outcomes=tuple(own) if at_hand else (),
        worst=worst_of(own, _WORST_OF_ROUTE),
        findings=(),
    )


def _texts_of(exemplars: Sequence[Exemplar]) -> dict[int, tuple[str, ...]]:
    texts: dict[int, list[str]] = {}
    for exemplar in exemplars:
        texts.setdefault(exemplar.route, []).append(exemplar.text)
    return {route: tuple(own) for route, own in texts.items()}


def _findings_of(subject: Subject) -> Mapping[str, tuple[Finding, ...]]:
    """Findings by route, told from the files that its texts stand in."""
    if subject.files is None:
        return {}
    owner: dict[str, set[str]] = {}
    for route in subject.files.routes:
        for text in (*route.utterances, *route.tests):
            owner.setdefault(text.file, set()).add(route.name)
    found: dict[str, list[Finding]] = {}
    for finding in subject.findings:
        for name in owner.get(finding.file, ()):
            found.setdefault(name, []).append(finding)
    return {name: tuple(own) for name, own in found.items()}


def _drift(subject: Subject) -> Drift | None:
    if subject.files is None:
        return None
    names = [route.name for route in subject.decider.routes]
    served = {(e.text, None if e.route == OUT_OF_SCOPE else names[e.route]) for e in subject.exemplars}
    written: set[tuple[str, str | None]] = {
        (u.text, route.name) for route in subject.files.routes for u in route.utterances
    }
    written |= {(text.text, None) for text in subject.files.out_of_scope}
    return Drift(len(written - served), len(served - written))
