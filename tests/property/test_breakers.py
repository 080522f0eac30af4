"""Breakers under any history: what they say, an obvious twin that keeps all of it says too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fingerpost.guard.breaker import Breakers, ByHand
from fingerpost.types import FAILED_CALLS, BreakerPosition, BreakerRules, BreakerState, CallStatus

OPEN: Final = BreakerPosition.OPEN
CLOSED: Final = BreakerPosition.CLOSED
HALF_OPEN: Final = BreakerPosition.HALF_OPEN
MODELS = ("a", "b", "c", "d", "e")


@dataclass(frozen=True)
class Took:
    model: str
    time: float


@dataclass(frozen=True)
class Reported:
    model: str
    status: CallStatus
    time: float
    retry_after: float | None


@dataclass(frozen=True)
class SetByHand:
    model: str
    position: ByHand
    until: float | None
    who: str
    time: float


@dataclass(frozen=True)
class ByItself:
    model: str
    time: float


@dataclass(frozen=True)
class Adopted:
    rules: BreakerRules
    models: tuple[str, ...]
    time: float


Event = Took | Reported | SetByHand | ByItself | Adopted


@dataclass
class Told:
    """All that is known of one model."""

    calls: list[tuple[int, bool]] = field(default_factory=list)  # slot, failed: since it was closed last
    row: list[bool] = field(default_factory=list)  # failed, of all calls
    cause: str = ""
    open_until: float = 0.0
    trial_until: float = 0.0
    limits: list[float] = field(default_factory=list)
    ejections: int = 0
    healthy_from: float = 0.0
    spared: bool = False
    hand: SetByHand | None = None


class Twin:
    """Plays the whole history from its beginning, counting everything anew at each step."""

    def __init__(self, history: Sequence[Event]) -> None:
        self.told: dict[str, Told] = {}
        self.rules = BreakerRules()
        for event in history:
            self._play(event)

    def _play(self, event: Event) -> None:
        if isinstance(event, Adopted):
            self._adopt(event)
        elif event.model not in self.told:
            pass
        elif isinstance(event, ByItself):
            self.told[event.model] = Told()
        elif isinstance(event, SetByHand):
            self._set(event)
        elif isinstance(event, Took):
            self._took(event)
        else:
            self._reported(event)

    def _adopt(self, event: Adopted) -> None:
        self.told = {model: self.told.get(model, Told()) for model in event.models}
        for told in self.told.values():
            old, new = self.rules.window_seconds, event.rules.window_seconds
            oldest = self._slot(event.time) - 20
            told.calls = [(slot * old // new, failed) for slot, failed in told.calls if slot > oldest]
        self.rules = event.rules

    def _set(self, event: SetByHand) -> None:
        told = self.told[event.model]
        told.hand = event
        if event.position is CLOSED and told.cause:
            self._close(told, event.time)

    def _took(self, event: Took) -> None:
        told, now = self.told[event.model], event.time
        is_free = told.cause == "misconfigured" or self.ejected(now) < self.seats()
        if told.cause and not self.is_blocked(event.model, now) and is_free:
            told.trial_until = now + self.rules.trial_seconds

    def _reported(self, event: Reported) -> None:
        told, now = self.told[event.model], event.time
        if event.status is CallStatus.RATE_LIMITED and event.retry_after is not None and event.retry_after > 0:
            told.limits.append(now + min(event.retry_after, self.rules.max_cool_down_seconds))
            told.trial_until = 0.0
            return
        if event.status not in FAILED_CALLS and event.status is not CallStatus.OK:
            told.trial_until = 0.0
            return
        failed = event.status in FAILED_CALLS
        told.calls.append((self._slot(now), failed))
        told.row.append(failed)
        if failed:
            self._failed(told, event.status, now)
        elif not told.cause:
            told.spared = told.spared and bool(self._reason(told, now))
        elif now >= told.open_until:
            told.calls = []
            self._close(told, now)

    def _failed(self, told: Told, status: CallStatus, now: float) -> None:
        by_hand = told.hand is not None and self._is_set(told.hand, now) and told.hand.position is CLOSED
        if by_hand or now < told.open_until:
            return
        if status is CallStatus.MISCONFIGURED:
            told.ejections = self._left(told, now)
            told.cause, told.trial_until, told.spared = "misconfigured", 0.0, False
            told.open_until = now + self.rules.max_cool_down_seconds
        elif told.cause and now < told.trial_until:
            told.trial_until = 0.0
            self._eject(told, "consecutive" if told.cause == "misconfigured" else told.cause, now)
        elif not told.cause and (reason := self._reason(told, now)):
            told.spared = not self._eject(told, reason, now)

    def _reason(self, told: Told, now: float) -> str:
        good = [number for number, failed in enumerate(told.row) if not failed]
        in_a_row = len(told.row) - (good[-1] + 1 if good else 0)
        if in_a_row >= self.rules.consecutive_failures:
            return "consecutive"
        recent = self._recent(told, now)
        if len(recent) >= self.rules.min_calls and sum(recent) / len(recent) >= self.rules.failure_share:
            return "rate"
        return ""

    def _eject(self, told: Told, cause: str, now: float) -> bool:
        if self.ejected(now) >= self.seats():
            return False
        seconds = self.rules.cool_down_seconds
        for _ in range(self._left(told, now)):
            seconds *= 2
        told.ejections = min(self._left(told, now) + 1, self._longest())
        told.cause, told.spared = cause, False
        told.open_until = now + min(seconds, self.rules.max_cool_down_seconds)
        return True

    def _longest(self) -> int:
        """How many ejections it takes to the longest cool-down."""
        number, seconds = 1, self.rules.cool_down_seconds
        while seconds < self.rules.max_cool_down_seconds:
            number, seconds = number + 1, seconds * 2
        return number

    def _close(self, told: Told, now: float) -> None:
        told.cause, told.spared, told.open_until, told.trial_until, told.healthy_from = "", False, 0.0, 0.0, now

    def _left(self, told: Told, now: float) -> int:
        """Of the ejections, when each window of health has taken one."""
        ejections, healthy = told.ejections, told.healthy_from
        while not told.cause and ejections > 0 and healthy + self.rules.window_seconds <= now:
            ejections, healthy = ejections - 1, healthy + self.rules.window_seconds
        return ejections

    def _slot(self, now: float) -> int:
        return int(now * 20 / self.rules.window_seconds)

    def _recent(self, told: Told, now: float) -> list[bool]:
        return [failed for slot, failed in told.calls if slot > self._slot(now) - 20]

    def _is_set(self, hand: SetByHand, now: float) -> bool:
        return hand.until is None or now < hand.until

    def seats(self) -> int:
        return max(1, math.floor(round(self.rules.max_ejected_share * len(self.told), 6)))

    def ejected(self, now: float) -> int:
        return sum(
            told.cause in ("consecutive", "rate") and (now < told.open_until or now < told.trial_until)
            for told in self.told.values()
        )

    def is_blocked(self, model: str, now: float) -> bool:
        told = self.told[model]
        if told.hand is not None and self._is_set(told.hand, now):
            return told.hand.position is OPEN
        return now < told.open_until or now < told.trial_until or any(now < limit for limit in told.limits)

    def free_at(self, model: str, now: float) -> float:
        """When it may be called: of the times at which anything ends the first at which nothing blocks it."""
        ends = [now, *self._ends(self.told[model])]
        return min((end for end in ends if end >= now and not self.is_blocked(model, end)), default=math.inf)

    def next_end(self, now: float) -> float:
        """When the next of all the times that run is over; now, if none runs."""
        return min((end for told in self.told.values() for end in self._ends(told) if end > now), default=now)

    def _ends(self, told: Told) -> list[float]:
        by_hand = [told.hand.until] if told.hand is not None and told.hand.until is not None else []
        return [told.open_until, told.trial_until, *told.limits, *by_hand]

    def state(self, model: str, now: float) -> BreakerState:
        told = self.told[model]
        recent = self._recent(told, now)
        position, cause, seconds = self._shown(model, told, now)
        set_now = told.hand is not None and self._is_set(told.hand, now)
        who = told.hand.who if told.hand is not None and set_now else ""
        ejections = self._left(told, now)
        return BreakerState("main", model, position, cause, seconds, len(recent), sum(recent), ejections, who)

    def _shown(self, model: str, told: Told, now: float) -> tuple[BreakerPosition, str, float | None]:
        limit = max(told.limits, default=0.0)
        if told.hand is not None and self._is_set(told.hand, now):
            if told.hand.position is CLOSED:
                return CLOSED, "", None
            free = self.free_at(model, now)
            return OPEN, "by_hand", None if free == math.inf else free - now
        if now < limit and told.open_until <= limit:
            return OPEN, "rate_limited", limit - now
        if now < told.open_until:
            return OPEN, told.cause, told.open_until - now
        if told.cause:
            return HALF_OPEN, told.cause, max(0.0, told.trial_until - now)
        return CLOSED, "spared" if told.spared and self._reason(told, now) else "", None


RULES = st.builds(
    BreakerRules,
    consecutive_failures=st.integers(1, 4),
    failure_share=st.sampled_from([0.3, 0.5, 1.0]),
    min_calls=st.integers(1, 6),
    window_seconds=st.sampled_from([10, 16, 60]),
    cool_down_seconds=st.integers(1, 10),
    max_cool_down_seconds=st.sampled_from([10, 25, 40]),
    max_ejected_share=st.sampled_from([0.0, 0.4, 0.5, 1.0]),
    trial_seconds=st.integers(1, 10),
)
CATALOGS = st.lists(st.sampled_from(MODELS), min_size=1, unique=True).map(tuple)
NAMES = st.sampled_from((*MODELS, "unknown"))
QUARTERS = st.integers(0, 200).map(lambda quarters: quarters / 4)  # exact, so that both sides reckon the same
SECONDS = st.one_of(st.just(0.0), st.just(0.25), QUARTERS)
STATUSES = st.one_of(st.just(CallStatus.SERVER_ERROR), st.just(CallStatus.OK), st.sampled_from(CallStatus))


class Histories(RuleBasedStateMachine):
    """Requests, reports, people and revisions, at times that mostly go on."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[Event] = []
        self.now = 100.0  # of the clock, which may go back
        self.latest = 100.0
        self.too_many = False  # are left alone, since a revision has fewer seats

    @initialize(rules=RULES, models=CATALOGS)
    def begin(self, rules: BreakerRules, models: tuple[str, ...]) -> None:
        self.breakers = Breakers("main", rules, models)
        self.breakers.blocked(self.now)
        self.models = models
        self.history.append(Adopted(rules, models, self.latest))

    @rule(seconds=SECONDS)
    def time_goes_on(self, seconds: float) -> None:
        self.now += seconds
        self.latest = max(self.latest, self.now)
        self.breakers.blocked(self.now)

    @rule()
    def something_is_just_over(self) -> None:
        self.now = self.latest
        self.time_goes_on(Twin(self.history).next_end(self.now) - self.now)

    @rule(seconds=QUARTERS)
    def the_clock_goes_back(self, seconds: float) -> None:
        self.now -= seconds

    @rule()
    def the_clock_is_put_right(self) -> None:
        self.now = self.latest

    @rule(model=NAMES)
    def one_is_chosen(self, model: str) -> None:
        self.breakers.took(model, self.now)
        self.history.append(Took(model, self.latest))

    @rule()
    def free_ones_are_chosen(self) -> None:
        """As requests do, each after another look."""
        for model in MODELS:
            if model not in self.breakers.blocked(self.now):
                self.one_is_chosen(model)

    @rule(model=NAMES, status=STATUSES, retry_after=st.none() | QUARTERS, times=st.integers(1, 4))
    def calls_are_reported(self, model: str, status: CallStatus, retry_after: float | None, times: int) -> None:
        for _ in range(times):
            self.breakers.report(model, status, self.now, retry_after)
            self.history.append(Reported(model, status, self.latest, retry_after))

    @rule(
        models=st.permutations(MODELS),
        status=st.sampled_from([CallStatus.SERVER_ERROR, CallStatus.TIMEOUT, CallStatus.MISCONFIGURED]),
        times=st.integers(1, 4),
    )
    def all_fail(self, models: list[str], status: CallStatus, times: int) -> None:
        for model in models:
            self.calls_are_reported(model, status, None, times)

    @rule(status=st.none() | STATUSES, times=st.integers(1, 3))
    def half_open_ones_are_tried(self, status: CallStatus | None, times: int) -> None:
        """When the next time is over, which may be a cool-down; without a status nothing is heard of the calls yet."""
        self.something_is_just_over()
        for model in [state.model for state in self.breakers.states(self.now) if state.position is HALF_OPEN]:
            self.one_is_chosen(model)
            if status is not None:
                self.calls_are_reported(model, status, None, times)

    @rule(model=NAMES, opened=st.booleans(), seconds=st.none() | QUARTERS)
    def one_is_set_by_hand(self, model: str, opened: bool, seconds: float | None) -> None:
        if model in self.models:
            until = None if seconds is None else self.latest + seconds
            position: ByHand = OPEN if opened else CLOSED
            self.breakers.set_by_hand(model, position, until, "olga")
            self.history.append(SetByHand(model, position, until, "olga", self.latest))

    @rule(model=NAMES)
    def one_is_by_itself_again(self, model: str) -> None:
        if model in self.models:
            self.breakers.by_itself(model, self.now)
            self.history.append(ByItself(model, self.latest))

    @rule(rules=RULES, models=CATALOGS)
    def another_revision(self, rules: BreakerRules, models: tuple[str, ...]) -> None:
        self.breakers.adopt(rules, models)
        self.models = models
        self.history.append(Adopted(rules, models, self.latest))
        self.too_many = True  # perhaps: the invariant looks

    @invariant()
    def both_say_the_same(self) -> None:
        """And no more than the share is left alone for failing, but where a revision took seats away."""
        twin, now = Twin(self.history), self.latest
        assert self.breakers.blocked(self.now) == {model for model in twin.told if twin.is_blocked(model, now)}
        assert self.breakers.states(self.now) == [twin.state(model, now) for model in sorted(twin.told)]
        for model in twin.told:
            free = twin.free_at(model, now)
            assert self.breakers.retry_in([model, "unknown"], self.now) == (None if free == math.inf else free - now)
        self.too_many = self.too_many and twin.ejected(now) > twin.seats()
        assert self.too_many or self.left_alone() <= twin.seats()

    def left_alone(self) -> int:
        failing = [state for state in self.breakers.states(self.now) if state.cause in ("consecutive", "rate")]
        return sum(bool(state.seconds_left) for state in failing)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
