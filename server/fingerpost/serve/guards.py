"""Guards: what stands between a decision and its model, by catalog: breakers, experiments, the strong tier's share."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fingerpost.guard.breaker import Breakers
from fingerpost.guard.escalation import EscalationWindow
from fingerpost.serve.lab import Breach, Lab, OnBreach, SetByHand
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.situation import NOTHING_BLOCKED, Blocked
from fingerpost.serve.spending import Limits, Spending
from fingerpost.types import BreakerPosition, Decision


@dataclass(frozen=True, slots=True)
class BreakerByHand:
    """A breaker that somebody set."""

    position: Literal[BreakerPosition.OPEN, BreakerPosition.CLOSED]
    until_s: float | None  # seconds since the epoch; None: until it is reset
    who: str


@dataclass(frozen=True, slots=True)
class ByHand:
    """Everything that is set by hand in a catalog."""

    limits: Limits = field(default_factory=dict)
    breakers: Mapping[str, BreakerByHand] = field(default_factory=dict)  # by model
    experiments: Mapping[str, SetByHand] = field(default_factory=dict)  # by name


NOTHING_BY_HAND = ByHand()


class CatalogGuards:
    """Those of one catalog; of the event loop."""

    def __init__(self, snapshot: Snapshot) -> None:
        policy = snapshot.decider.policy
        self.snapshot = snapshot
        self.breakers = Breakers(snapshot.catalog, policy.breakers, snapshot.decider.models)
        self.lab = Lab(snapshot.catalog)
        self.lab.adopt(policy.experiments)
        self._escalation: EscalationWindow | None = None
        self._set_escalation()

    def adopt(self, snapshot: Snapshot) -> None:
        """Go on with another revision in force: what was learned of models that stay is kept."""
        policy = snapshot.decider.policy
        self.snapshot = snapshot
        self.breakers.adopt(policy.breakers, snapshot.decider.models)
        self.lab.adopt(policy.experiments)
        self._set_escalation()

    def blocked(self, now: float) -> Blocked:
        """Models that are left alone, at seconds of a clock that never goes back."""
        names = self.breakers.blocked(now)
        if not names:
            return NOTHING_BLOCKED
        limited = frozenset(name for name in names if self.breakers.why(name, now).cause == "rate_limited")
        waits = {name: self.breakers.retry_in((name,), now) for name in names}
        return Blocked(names, limited, {name: seconds for name, seconds in waits.items() if seconds is not None})

    def escalation_spent(self, now: float) -> bool:
        return self._escalation is not None and self._escalation.is_spent(now)

    def decided(self, decision: Decision, tier: str, now: float) -> Breach | None:
        """Note which model a request was given, and of which tier it is; the breach, if that was one too many."""
        self.breakers.took(decision.model, now)
        if self._escalation is not None:
            self._escalation.count(strong=tier == self._escalation.limit.tier, now=now)
        return self.lab.decided(decision)

    def set_breakers(
        self, before: Mapping[str, BreakerByHand], by_hand: Mapping[str, BreakerByHand], now: float, now_s: float
    ) -> None:
        """Set what is set by hand, and leave to itself what was and is no more; a model that is gone is passed over.

        Args:
            before: What was set, by model.
            by_hand: What is set.
            now: Seconds of a clock that never goes back.
            now_s: Seconds since the epoch.
        """
        models = self.snapshot.decider.models
        for model in (before.keys() - by_hand.keys()) & models.keys():
            self.breakers.by_itself(model, now)
        for model, one in by_hand.items():
            until = None if one.until_s is None else now + one.until_s - now_s
            if model in models and before.get(model) != one and (until is None or until > now):
                self.breakers.set_by_hand(model, one.position, until, one.who)

    def _set_escalation(self) -> None:
        limit = self.snapshot.decider.policy.escalation
        if limit is None:
            self._escalation = None
        elif self._escalation is None or self._escalation.limit != limit:
            self._escalation = EscalationWindow(limit)


class Guards:
    """Those of all catalogs, and the purses that they share."""

    def __init__(
        self,
        spending: Spending,
        on_breach: OnBreach = lambda catalog, breach: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """None yet.

        Args:
            spending: The purses.
            on_breach: Told of arms that a guardrail stopped.
            now: Seconds of a clock that never goes back.
        """
        self.spending = spending
        self.on_breach = on_breach
        self.now = now
        self._of: dict[str, CatalogGuards] = {}
        self._by_hand: Mapping[str, ByHand] = {}

    def of(self, served: Snapshot) -> CatalogGuards:
        """Of the catalog whose revision is in force."""
        guards = self._of.get(served.catalog)
        if guards is not None and guards.snapshot is served:
            return guards
        if guards is None:
            guards = self._of[served.catalog] = CatalogGuards(served)
        else:
            guards.adopt(served)
        self._apply(served.catalog, guards, NOTHING_BY_HAND)
        return guards

    def known(self) -> Sequence[CatalogGuards]:
        """Of catalogs that were asked for."""
        return tuple(self._of.values())

    def set_by_hand(self, by_hand: Mapping[str, ByHand]) -> None:
        """Take over what is set, by catalog, in the place of what was set before."""
        before, self._by_hand = self._by_hand, by_hand
        for catalog in before.keys() | by_hand.keys():
            self.spending.set_limits(catalog, self._set_in(catalog).limits)
        for catalog, guards in self._of.items():
            self._apply(catalog, guards, before.get(catalog, NOTHING_BY_HAND))

    def _apply(self, catalog: str, guards: CatalogGuards, before: ByHand) -> None:
        by_hand = self._set_in(catalog)
        guards.lab.set_by_hand(by_hand.experiments)
        guards.set_breakers(before.breakers, by_hand.breakers, self.now(), self.spending.now_s())

    def _set_in(self, catalog: str) -> ByHand:
        return self._by_hand.get(catalog, NOTHING_BY_HAND)
