"""Lab: which arms of a catalog's experiments is a request in, and which arms are stopped? Of the event loop."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fingerpost.guard.assignment import arm_of, in_sample
from fingerpost.guard.guardrail import Watched, first_breach
from fingerpost.serve.decision_id import name_hash
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.shadow import ShadowTally
from fingerpost.serve.situation import Offer
from fingerpost.types import (
    Arm,
    ArmState,
    ArmTaken,
    CallStatus,
    CostSource,
    Decision,
    Experiment,
    ExperimentState,
    ExperimentUnit,
    GuardedMeasure,
    Outcome,
    ReportRow,
    RouteQuery,
)


@dataclass(frozen=True, slots=True)
class SetByHand:
    """What somebody, or a guardrail, set of an experiment."""

    running: bool = True
    weights: Mapping[str, float] = field(default_factory=dict)  # per cent, by arm; empty: the policy's
    stopped: Mapping[str, str] = field(default_factory=dict)  # why, by arm


AS_THE_POLICY_SAYS = SetByHand()


@dataclass(frozen=True, slots=True)
class Entered:
    """A request with the experiments that it is in."""

    snapshot: Snapshot  # that decides
    offers: Mapping[str | None, Offer] = field(default_factory=dict)  # see `situation.Situation`
    shadows: tuple["Shadowed", ...] = ()


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A revision that decides a request too, and never serves."""

    snapshot: Snapshot
    tally: ShadowTally


@dataclass(frozen=True, slots=True)
class Breach:
    """An arm that a guardrail has stopped just now."""

    experiment: str
    arm: str
    why: str


OnBreach = Callable[[str, Breach], None]
"""Told the catalog and the arm that a guardrail stopped."""


class Lab:
    """The experiments of one catalog, as they run in this process."""

    def __init__(self, catalog: str) -> None:
        """None yet."""
        self._catalog = catalog
        self._running: dict[str, _Running] = {}
        self._by_hand: Mapping[str, SetByHand] = {}

    def adopt(self, experiments: Iterable[Experiment]) -> None:
        """Those of a new revision; one that is as before goes on with its counts."""
        running: dict[str, _Running] = {}
        for experiment in experiments:
            known = self._running.get(experiment.name)
            same = known is not None and known.experiment == experiment
            running[experiment.name] = known if known is not None and same else _Running(experiment)
        self._running = running  # at once: others may look from another thread

    def set_by_hand(self, by_hand: Mapping[str, SetByHand]) -> None:
        """Take over what is set, by experiment, in the place of what was set before."""
        for name, running in self._running.items():
            before, now = self._by_hand_of(name).stopped, by_hand.get(name, AS_THE_POLICY_SAYS).stopped
            if before != now:
                running.stopped.clear()  # what a guardrail stopped here is in the ledger by now, or was reset there
                running.begin_anew(before.keys() - now.keys())
        self._by_hand = by_hand

    def enter(self, query: RouteQuery, served: Snapshot) -> Entered:
        """The arms that a request is in, by what is drawn for it."""
        if not self._running:
            return Entered(served)
        decides, offers, shadows = served, dict[str | None, Offer](), list[Shadowed]()
        for running in self._running.values():
            experiment, by_hand = running.experiment, self._by_hand_of(running.experiment.name)
            if not by_hand.running:
                continue
            if experiment.shadow is not None:
                shadow = served.others.get(experiment.shadow)
                if shadow is not None and in_sample(experiment.name, query.request_id, experiment.share):
                    shadows.append(Shadowed(shadow, running.shadow))
                continue
            stopped = self._stopped(running, served)
            drawn = arm_of(experiment, _unit(query, experiment.unit), by_hand.weights or None, stopped.keys())
            if drawn is None:
                continue
            arm = drawn.arm
            if arm.revision is not None and arm.revision not in served.others:
                continue  # the first one's, whose units are nobody else's
            taken = ArmTaken(experiment.name, arm.name, drawn.propensity, drawn.unit)
            offers[experiment.route] = Offer(taken, arm.model, arm.revision)
            if arm.revision is not None:
                decides = served.others[arm.revision]
        return Entered(decides, offers, tuple(shadows))

    def decided(self, decision: Decision) -> Breach | None:
        """Count a decision of an arm; the breach, if that was one too many."""
        if decision.arm is None:
            return None
        running = self._running.get(decision.arm.experiment)
        if running is None:
            return None
        fell_back = decision.outcome is Outcome.FALLBACK
        running.watched(decision.arm.arm).decided(decision.arm.unit, fell_back=fell_back)
        return self._breach(running, decision.arm.arm)

    def arm_named(self, hashed: str) -> str:
        """EXPERIMENT/ARM of a decision's id; empty when it is of none that runs."""
        return next(
            (
                f"{name}/{arm.name}"
                for name, running in self._running.items()
                for arm in running.experiment.arms
                if name_hash(f"{name}/{arm.name}") == hashed
            ),
            "",
        )

    def reported(self, row: ReportRow) -> Breach | None:
        """Count a report of an arm; the breach, if that was one too many."""
        experiment, _, arm = row.arm.partition("/")
        running = self._running.get(experiment)
        if running is None:
            return None
        running.watched(arm).reported(row.unit, failed=_failed(row), cost_usd=_cost_usd(row))
        return self._breach(running, arm)

    def states(self, served: Snapshot) -> Sequence[ExperimentState]:
        """How they run here, by name."""
        return [self._state(running, served) for _, running in sorted(self._running.items())]

    def _breach(self, running: "_Running", arm: str) -> Breach | None:
        experiment = running.experiment
        if arm in running.stopped or arm == experiment.arms[0].name:
            return None
        why = first_breach(experiment, running.watched(arm))
        if why is None:
            return None
        running.stopped[arm] = why
        return Breach(experiment.name, arm, why)

    def _stopped(self, running: "_Running", served: Snapshot) -> Mapping[str, str]:
        by_hand = self._by_hand_of(running.experiment.name).stopped
        missing = {
            arm.name: "its revision cannot be served here"
            for arm in running.experiment.arms
            if arm.revision is not None and arm.revision not in served.others
        }
        return {**missing, **running.stopped, **by_hand}

    def _by_hand_of(self, experiment: str) -> SetByHand:
        return self._by_hand.get(experiment, AS_THE_POLICY_SAYS)

    def _state(self, running: "_Running", served: Snapshot) -> ExperimentState:
        experiment, by_hand = running.experiment, self._by_hand_of(running.experiment.name)
        stopped = self._stopped(running, served)
        arms = tuple(
            _arm_state(arm, by_hand.weights.get(arm.name, arm.weight), stopped.get(arm.name, ""), running)
            for arm in experiment.arms
        )
        shadow = None
        if experiment.shadow is not None:
            missing = "" if experiment.shadow in served.others else "its revision cannot be served here"
            shadow = running.shadow.state(missing)
        return ExperimentState(self._catalog, experiment, "" if by_hand.running else "stopped by hand", arms, shadow)


class _Running:
    """An experiment and what is counted of it."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.stopped: dict[str, str] = {}  # why, by arm: by guardrails of this process
        self.shadow = ShadowTally()
        self._watched: dict[str, Watched] = {}

    def watched(self, arm: str) -> Watched:
        return self._watched.setdefault(arm, Watched(self.experiment.unit))

    def begin_anew(self, arms: Iterable[str]) -> None:
        """Count arms from nothing: by what stopped them they would be stopped again at once."""
        for arm in arms:
            self._watched.pop(arm, None)


def revisions_of(experiments: Iterable[Experiment]) -> list[str]:
    """Digests of the revisions that experiments name, each once, sorted."""
    shadows = {one.shadow for one in experiments}
    arms = {arm.revision for one in experiments for arm in one.arms}
    return sorted(digest for digest in shadows | arms if digest is not None)


def _unit(query: RouteQuery, unit: ExperimentUnit) -> str:
    """What is drawn for; empty: the request does not say, and is in no arm."""
    keys = {
        ExperimentUnit.TENANT: query.tenant,
        ExperimentUnit.SESSION: query.session_id and f"{query.tenant}\0{query.session_id}",
        ExperimentUnit.REQUEST: query.request_id,
    }
    return keys[unit]


def _failed(row: ReportRow) -> bool | None:
    """None: the report says nothing of the model."""
    if row.report.has_failed:
        return True
    return False if row.report.status is CallStatus.OK else None


def _cost_usd(row: ReportRow) -> float | None:
    """None: nobody said what it cost, or no model answered."""
    return row.cost_usd_micros / 1e6 if row.cost_source in (CostSource.REPORTED, CostSource.TOKENS) else None


def _arm_state(arm: Arm, weight: float, stopped: str, running: _Running) -> ArmState:
    watched = running.watched(arm.name)
    return ArmState(
        arm,
        weight,
        stopped,
        watched.decisions,
        watched.mean(GuardedMeasure.FALLBACK_SHARE),
        watched.reports,
        watched.mean(GuardedMeasure.ERROR_SHARE),
        watched.mean(GuardedMeasure.COST_USD),
    )
