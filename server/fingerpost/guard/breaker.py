"""Breaker: which models are left alone just now, because their calls fail? Pure: the clock is an argument."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from fingerpost.guard.window import ShareWindow
from fingerpost.types import FAILED_CALLS, BreakerPosition, BreakerRules, BreakerState, CallStatus

_NEVER, _ALWAYS = -math.inf, math.inf

ByHand = Literal[BreakerPosition.OPEN, BreakerPosition.CLOSED]
"""What a person may set a breaker to."""


class Cause(StrEnum):
    """Why a model is left alone; the texts are those of `BreakerState.cause`."""

    CONSECUTIVE = "consecutive"
    RATE = "rate"
    RATE_LIMITED = "rate_limited"
    MISCONFIGURED = "misconfigured"
    BY_HAND = "by_hand"
    SPARED = "spared"  # it is not, although its calls fail: too many others are


_CAPPED = (Cause.CONSECUTIVE, Cause.RATE)
"""Of these only a share of the models may be left alone at a time."""


@dataclass(slots=True)
class _Breaker:
    """One model's; times are seconds of the clock, and what they end is over when they have come."""

    window: ShareWindow
    row: int = 0  # failures since the last good call
    ejections: int = 0  # in a row, as of when it was opened or closed last
    closed_since: float = _NEVER
    cause: Cause | None = None  # of its being open or half-open; None: it is closed
    spared: bool = False
    open_until: float = _NEVER
    trial_until: float = _NEVER
    limited_until: float = _NEVER
    hand: ByHand | None = None  # until then
    hand_until: float = _NEVER
    who: str = ""

    def standing(self, now: float) -> tuple[bool, float]:
        """Whether it may not be called, and when that may change by itself."""
        if now < self.hand_until:
            return self.hand is BreakerPosition.OPEN, self.hand_until
        until = self.open_until if self.open_until > self.limited_until else self.limited_until
        if self.trial_until > until:
            until = self.trial_until
        return (True, until) if now < until else (False, _ALWAYS)

    def free_at(self, now: float) -> float:
        """When it may be called again by itself; not after `now`: it may be called."""
        if now >= self.hand_until:
            return self._blocked_until()
        return max(self.hand_until, self._blocked_until()) if self.hand is BreakerPosition.OPEN else now

    def _blocked_until(self) -> float:
        return max(self.limited_until, self.open_until, self.trial_until)

    def held_closed(self, now: float) -> bool:
        return self.hand is BreakerPosition.CLOSED and now < self.hand_until

    def holds_seat(self, now: float) -> bool:
        """Whether it is one of the share that may be left alone.

        Not while it is half-open and nobody tries it: a model that no request has asked for since its cool-down was
        over would otherwise have others called on, whose calls fail.
        """
        return self.cause in _CAPPED and now < max(self.open_until, self.trial_until)

    def close(self) -> None:
        self.cause, self.spared = None, False
        self.open_until = self.trial_until = _NEVER


class Breakers:
    """Those of one catalog's models. One thread at a time; the clock is the caller's.

    A model is closed, open for a cool-down, then half-open: one call tries it. Beside that it may be limited, for as
    long as its provider asked for, or set by hand. A clock that goes back stands still instead. Reports do not tell of
    which call they are, so that the first one after a trial has begun is taken for the trial's.

    The rules follow Envoy's outlier detection ("Ejection algorithm" in its architecture overview); where they differ,
    decision record 25 says why.
    """

    def __init__(self, catalog: str, rules: BreakerRules, models: Iterable[str]) -> None:
        self._catalog = catalog
        self._breakers: dict[str, _Breaker] = {}
        self._marked: dict[str, _Breaker] = {}  # those of which something is to be watched; the others may be called
        self._blocked: frozenset[str] = frozenset()
        self._holds_until = _NEVER  # of `_blocked`
        self._now = _NEVER  # the latest that was told
        self.adopt(rules, models)

    def adopt(self, rules: BreakerRules, models: Iterable[str]) -> None:
        """Go on under the rules and with the models of another revision.

        Models that stay keep their state, times that run already among it; others are new. Where more are open than
        the new share allows, they stay so, and no further one opens.
        """
        self._rules = rules
        known = self._breakers
        self._breakers = {name: known.get(name) or self._new() for name in models}
        self._marked = {name: one for name, one in self._marked.items() if name in self._breakers}
        for breaker in self._breakers.values():
            breaker.window.resize(rules.window_seconds, self._now)
        # A hair more, since 0.29 of 100 is 28.999999999999996.
        self._seats = max(1, math.floor(rules.max_ejected_share * len(self._breakers) + 1e-9))
        self._most_ejections = 1
        while self._cool_down(self._most_ejections) < self._cool_down(self._most_ejections + 1):
            self._most_ejections += 1
        self._holds_until = _NEVER

    def blocked(self, now: float) -> frozenset[str]:
        """The models that may not be called; the same object as long as they are the same.

        Args:
            now: Seconds of a clock that never goes back.
        """
        if now > self._now:
            self._now = now
        if self._now < self._holds_until:
            return self._blocked
        return self._look()

    def took(self, model: str, now: float) -> None:
        """Note that a model was chosen: of a half-open one this is the trial, and others must wait for its report.

        Nothing is noted when as many are left alone as may be: then any number may call it, and the first good call
        closes it.
        """
        now = self._tell(now)
        breaker = self._breakers.get(model)
        if breaker is None or breaker.cause is None or breaker.standing(now)[0]:
            return
        if breaker.cause in _CAPPED and not self._has_seat(now):
            return
        breaker.trial_until = now + self._rules.trial_seconds
        self._mark(model, breaker)

    def report(self, model: str, status: CallStatus, now: float, retry_after_seconds: float | None = None) -> None:
        """Note how a call ended; `retry_after_seconds` that is not above 0 was not told.

        With RATE_LIMITED it is what the provider asked for, and says nothing beside other statuses.
        """
        now = self._tell(now)
        breaker = self._breakers.get(model)
        if breaker is None:
            return
        if status is CallStatus.OK:
            self._good(model, breaker, now)
        elif retry_after_seconds is not None and retry_after_seconds > 0 and status is CallStatus.RATE_LIMITED:
            self._limit(model, breaker, now, retry_after_seconds)
        elif status in FAILED_CALLS:
            self._bad(model, breaker, status, now)
        else:
            self._end_trial(model, breaker)

    def set_by_hand(self, model: str, position: ByHand, until: float | None, who: str) -> None:
        """Leave a model alone, or have it called, whatever happens: until then or, with None, for ever.

        What opens and closes by itself goes on behind OPEN. CLOSED closes it; calls are counted, so that afterwards the
        next failure opens it if the counts say so.

        Raises:
            KeyError: the catalog has no such model.
        """
        breaker = self._breakers[model]
        breaker.hand, breaker.who = position, who
        breaker.hand_until = _ALWAYS if until is None else until
        if position is BreakerPosition.CLOSED and breaker.cause is not None:
            breaker.close()
            breaker.closed_since = self._now
        self._mark(model, breaker)

    def by_itself(self, model: str, now: float) -> None:
        """As new: closed, nothing counted, not set by hand.

        Raises:
            KeyError: the catalog has no such model.
        """
        self._tell(now)
        if model not in self._breakers:
            raise KeyError(model)
        self._breakers[model] = self._new()
        self._marked.pop(model, None)
        self._holds_until = _NEVER

    def states(self, now: float) -> list[BreakerState]:
        """Of all models, by name."""
        return [self.why(model, now) for model in sorted(self._breakers)]

    def why(self, model: str, now: float) -> BreakerState:
        """A model's state.

        Raises:
            KeyError: the catalog has no such model.
        """
        now = self._tell(now)
        breaker = self._breakers[model]
        breaker.window.forget(now)
        position, cause, left = self._shown(breaker, now)
        return BreakerState(
            catalog=self._catalog,
            model=model,
            position=position,
            cause=cause,
            seconds_left=left,
            calls=breaker.window.events,
            failures=breaker.window.hits,
            ejections=self._ejections(breaker, now),
            by_hand=breaker.who if now < breaker.hand_until else "",
        )

    def positions(self, now: float) -> dict[str, BreakerPosition]:
        """Of all models; only looks, so that any thread may ask."""
        return {model: self._shown(breaker, now)[0] for model, breaker in list(self._breakers.items())}

    def retry_in(self, models: Iterable[str], now: float) -> float | None:
        """Seconds until the first of them may be called, 0 if one may be now; None if none will by itself."""
        now = self._tell(now)
        known = (self._breakers[model] for model in models if model in self._breakers)
        first = min((breaker.free_at(now) for breaker in known), default=_ALWAYS)
        return None if first == _ALWAYS else max(0.0, first - now)

    def _new(self) -> _Breaker:
        return _Breaker(ShareWindow(self._rules.window_seconds))

    def _tell(self, now: float) -> float:
        """The time; that which was told last where the clock went back."""
        if now > self._now:
            self._now = now
        return self._now

    def _mark(self, model: str, breaker: _Breaker) -> None:
        """Something changed that `blocked` must see."""
        self._marked[model] = breaker
        self._holds_until = _NEVER

    def _look(self) -> frozenset[str]:
        """What is blocked, anew; what needs no watching any more is let go."""
        now, blocked, settled, holds_until = self._now, [], [], _ALWAYS
        for model, breaker in self._marked.items():
            held, until = breaker.standing(now)
            if held:
                blocked.append(model)
            elif until == _ALWAYS:
                settled.append(model)
            if until < holds_until:
                holds_until = until
        for model in settled:
            del self._marked[model]
        self._holds_until = holds_until
        if self._blocked != set(blocked):  # else the same object, by which callers see that nothing changed
            self._blocked = frozenset(blocked)
        return self._blocked

    def _limit(self, model: str, breaker: _Breaker, now: float, seconds: float) -> None:
        """The provider asked to be left alone: that is no failure, and what was tried is tried again after it."""
        until = now + min(seconds, self._rules.max_cool_down_seconds)
        breaker.limited_until = max(breaker.limited_until, until)
        breaker.trial_until = _NEVER
        self._mark(model, breaker)

    def _end_trial(self, model: str, breaker: _Breaker) -> None:
        """Without a verdict: the next request may try."""
        if breaker.trial_until != _NEVER:
            breaker.trial_until = _NEVER
            self._mark(model, breaker)

    def _good(self, model: str, breaker: _Breaker, now: float) -> None:
        breaker.row = 0
        breaker.window.count(hit=False, now=now)
        if breaker.cause is None:
            breaker.spared = breaker.spared and self._failing(breaker) is not None
        elif now >= breaker.open_until:
            # Anew, or late reports of calls from before it opened would open it again.
            breaker.window.clear()
            breaker.close()
            breaker.closed_since = now
            self._mark(model, breaker)

    def _bad(self, model: str, breaker: _Breaker, status: CallStatus, now: float) -> None:
        breaker.row += 1
        breaker.window.count(hit=True, now=now)
        if breaker.held_closed(now) or now < breaker.open_until:
            return  # in the latter case it is late: the call began before the breaker opened
        if status is CallStatus.MISCONFIGURED:
            self._open(model, breaker, Cause.MISCONFIGURED, now)
        elif breaker.cause is None:
            cause = self._failing(breaker)
            if cause is not None:
                breaker.spared = not self._open(model, breaker, cause, now)
        elif now < breaker.trial_until:
            cause = breaker.cause if breaker.cause in _CAPPED else Cause.CONSECUTIVE
            self._end_trial(model, breaker)
            self._open(model, breaker, cause, now)

    def _failing(self, breaker: _Breaker) -> Cause | None:
        """What its counts say; None: that nothing is wrong."""
        if breaker.row >= self._rules.consecutive_failures:
            return Cause.CONSECUTIVE
        window = breaker.window
        enough = window.events >= self._rules.min_calls
        return Cause.RATE if enough and window.share >= self._rules.failure_share else None

    def _open(self, model: str, breaker: _Breaker, cause: Cause, now: float) -> bool:
        """Whether there was a seat for it; without one a closed breaker stays closed, and a half-open one half-open."""
        if cause in _CAPPED and not self._has_seat(now):
            return False
        breaker.ejections = self._ejections(breaker, now)
        if cause in _CAPPED:
            breaker.ejections = min(breaker.ejections + 1, self._most_ejections)
            cool_down = self._cool_down(breaker.ejections)
        else:  # no more calls will mend it: somebody must
            cool_down = self._rules.max_cool_down_seconds
        breaker.close()
        breaker.cause, breaker.open_until = cause, now + cool_down
        self._mark(model, breaker)
        return True

    def _has_seat(self, now: float) -> bool:
        return sum(breaker.holds_seat(now) for breaker in self._marked.values()) < self._seats

    def _cool_down(self, ejections: int) -> int:
        """Seconds of the first, second, ... in a row."""
        return min(self._rules.cool_down_seconds << (ejections - 1), self._rules.max_cool_down_seconds)

    def _ejections(self, breaker: _Breaker, now: float) -> int:
        """In a row; each whole window that it is closed takes one off.

        A good trial does not take off all of them, since every other trial of a model that fails half of its calls is
        good. Such a model mostly opens again before a window is over, so that its cool-down grows up to the longest;
        one that is well again has the shortest after a few windows.
        """
        if breaker.cause is not None or not breaker.ejections:
            return breaker.ejections
        return max(0, breaker.ejections - int((now - breaker.closed_since) / self._rules.window_seconds))

    def _shown(self, breaker: _Breaker, now: float) -> tuple[BreakerPosition, str, float | None]:
        """Position, cause and seconds until it may be tried."""
        if now < breaker.hand_until:
            if breaker.hand is BreakerPosition.CLOSED:
                return BreakerPosition.CLOSED, "", None
            until = breaker.free_at(now)
            return BreakerPosition.OPEN, Cause.BY_HAND, None if until == _ALWAYS else until - now
        if now < breaker.limited_until and breaker.limited_until >= breaker.open_until:
            return BreakerPosition.OPEN, Cause.RATE_LIMITED, breaker.limited_until - now
        if breaker.cause is None:
            spared = breaker.spared and self._failing(breaker) is not None
            return BreakerPosition.CLOSED, Cause.SPARED if spared else "", None
        if now < breaker.open_until:
            return BreakerPosition.OPEN, breaker.cause, breaker.open_until - now
        return BreakerPosition.HALF_OPEN, breaker.cause, max(0.0, breaker.trial_until - now)
