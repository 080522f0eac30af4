"""Breakers: a model whose calls fail is left alone, tried by one call, and called again when that is good."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from fingerpost.guard.breaker import Breakers
from fingerpost.types import FAILED_CALLS, BreakerPosition, BreakerRules, BreakerState, CallStatus

OPEN: Final = BreakerPosition.OPEN
CLOSED: Final = BreakerPosition.CLOSED
HALF_OPEN: Final = BreakerPosition.HALF_OPEN
OK, ERROR, LIMITED = CallStatus.OK, CallStatus.SERVER_ERROR, CallStatus.RATE_LIMITED
NEUTRAL = sorted(set(CallStatus) - FAILED_CALLS - {OK})

RULES = BreakerRules(
    consecutive_failures=3,
    failure_share=0.5,
    min_calls=10,
    window_seconds=60,
    cool_down_seconds=30,
    max_cool_down_seconds=240,
    max_ejected_share=0.5,
    trial_seconds=20,
)


def breakers(models: Iterable[str] = ("a", "b", "c", "d"), rules: BreakerRules = RULES) -> Breakers:
    return Breakers("default", rules, models)


def fail(of: Breakers, model: str, now: float, times: int = 3, status: CallStatus = ERROR) -> None:
    for _ in range(times):
        of.report(model, status, now)


def try_it(of: Breakers, model: str, now: float, status: CallStatus) -> None:
    """The next call of a half-open one, and how it ends."""
    assert of.why(model, now).position is HALF_OPEN
    of.took(model, now)
    of.report(model, status, now)


def test_nothing_is_left_alone_at_first() -> None:
    """All models are closed, nothing is counted, and any may be called now."""
    of = breakers(["b", "a"])
    assert of.blocked(5.0) == frozenset()
    assert of.states(5.0) == [BreakerState("default", name, CLOSED, "", None, 0, 0, 0, "") for name in "ab"]
    assert of.retry_in(["a"], 5.0) == 0.0
    assert of.retry_in([], 5.0) is None
    assert of.retry_in(["unknown"], 5.0) is None


@pytest.mark.fault("U1")
@pytest.mark.parametrize("status", sorted(FAILED_CALLS - {CallStatus.MISCONFIGURED}))
def test_failures_in_a_row_open_it(status: CallStatus) -> None:
    """Errors, timeouts and refused connections leave a model alone at the given number in a row, not before."""
    of = breakers()
    fail(of, "a", 100.0, 2, status)
    of.report("a", OK, 100.0)
    fail(of, "a", 100.0, 2, status)
    assert of.blocked(100.0) == frozenset()
    of.report("a", status, 101.0)
    assert of.blocked(101.0) == {"a"}
    assert of.why("a", 111.0) == BreakerState("default", "a", OPEN, "consecutive", 20.0, 6, 5, 1, "")
    assert of.retry_in(["a"], 111.0) == 20.0
    assert of.retry_in(["a", "b"], 111.0) == 0.0
    assert of.blocked(130.9) == {"a"}
    assert of.blocked(131.0) == frozenset()


def test_a_share_of_failures_opens_it() -> None:
    """With enough calls in the window, and not with fewer, the share decides; what is older does not count."""
    of = breakers()
    for second in range(4):  # failures and good calls in turns: never three in a row
        of.report("a", ERROR, 10.0 + second)
        of.report("a", OK, 10.0 + second)
    of.report("a", ERROR, 14.0)
    assert of.blocked(14.0) == frozenset(), "nine calls are too few"
    of.report("a", ERROR, 14.0)
    assert of.blocked(14.0) == {"a"}
    assert of.why("a", 14.0) == BreakerState("default", "a", OPEN, "rate", 30.0, 10, 6, 1, "")

    for second in range(4):
        of.report("b", ERROR, 10.0 + second)
        of.report("b", OK, 10.0 + second)
    of.report("b", ERROR, 80.0)
    of.report("b", ERROR, 80.0)
    assert of.why("b", 80.0) == BreakerState("default", "b", CLOSED, "", None, 2, 2, 0, "")


def test_a_good_call_is_never_the_moment_to_open() -> None:
    """A share that is reached by a good call, as the number of calls is, opens with the next failure."""
    of = breakers()
    for _ in range(2):
        for status in (ERROR, ERROR, OK, OK):
            of.report("a", status, 10.0)
    of.report("a", ERROR, 10.0)
    of.report("a", OK, 10.0)
    assert of.why("a", 10.0) == BreakerState("default", "a", CLOSED, "", None, 10, 5, 0, "")
    of.report("a", ERROR, 10.0)
    assert of.why("a", 10.0).cause == "rate"


@pytest.mark.parametrize("status", NEUTRAL)
def test_what_says_nothing_of_the_model_never_opens_it(status: CallStatus) -> None:
    """Calls that were cancelled, wrong or filtered, however many: they open nothing and break no row of failures."""
    of = breakers()
    fail(of, "a", 10.0, 2)
    for number in range(10_000):
        of.report("a", status, 10.0 + number / 1_000)
        assert not of.blocked(10.0 + number / 1_000)
    assert of.why("a", 20.0) == BreakerState("default", "a", CLOSED, "", None, 2, 2, 0, "")
    of.report("a", ERROR, 20.0)
    assert of.blocked(20.0) == {"a"}


def test_a_thousand_askers_get_one_trial() -> None:
    """When the cool-down is over exactly one request goes through; the others wait for its report."""
    of = breakers()
    fail(of, "a", 10.0)
    through = 0
    for _ in range(1_000):
        if "a" not in of.blocked(40.0):
            of.took("a", 40.0)
            through += 1
    assert through == 1
    assert of.why("a", 45.0) == BreakerState("default", "a", HALF_OPEN, "consecutive", 15.0, 3, 3, 1, "")
    of.report("a", OK, 45.0)
    assert of.blocked(45.0) == frozenset()
    assert of.why("a", 45.0) == BreakerState("default", "a", CLOSED, "", None, 0, 0, 1, "")


def test_a_lost_trial_is_given_up() -> None:
    """A trial of which nothing is heard makes room for another one, and its late failure changes nothing."""
    of = breakers()
    fail(of, "a", 10.0)
    of.took("a", 40.0)
    of.took("a", 50.0)  # by somebody who did not look: the first one's time goes on
    assert of.blocked(59.9) == {"a"}
    assert of.blocked(60.0) == frozenset()
    of.report("a", ERROR, 61.0)
    assert of.why("a", 61.0) == BreakerState("default", "a", HALF_OPEN, "consecutive", 0.0, 4, 4, 1, "")
    of.took("a", 62.0)
    assert of.blocked(62.0) == {"a"}


@pytest.mark.parametrize("status", NEUTRAL)
def test_a_trial_may_end_without_a_verdict(status: CallStatus) -> None:
    """A trial that was cancelled, wrong or filtered is no verdict: the next request may try at once."""
    of = breakers()
    fail(of, "a", 10.0)
    try_it(of, "a", 40.0, status)
    assert of.blocked(40.0) == frozenset()
    assert of.why("a", 40.0).position is HALF_OPEN
    of.took("a", 41.0)
    assert of.blocked(41.0) == {"a"}


def test_the_cool_down_doubles_up_to_its_most() -> None:
    """Each failed trial leaves the model alone for twice as long, and never longer than the most."""
    of, now, lasted = breakers(), 10.0, []
    fail(of, "a", now)
    for _ in range(6):
        left = of.retry_in(["a"], now)
        assert left is not None
        lasted.append(left)
        now += left
        try_it(of, "a", now, ERROR)
    assert lasted == [30.0, 60.0, 120.0, 240.0, 240.0, 240.0]
    assert of.why("a", now).ejections == 4, "counted as long as it changes anything"


def test_being_well_takes_back_what_the_cool_down_grew() -> None:
    """A good trial closes it; each whole window after it makes the next cool-down half as long."""
    of = breakers()
    fail(of, "a", 0.0)
    try_it(of, "a", 30.0, ERROR)
    try_it(of, "a", 90.0, ERROR)
    try_it(of, "a", 210.0, OK)
    assert [of.why("a", now).ejections for now in (210.0, 269.9, 270.0, 330.0, 390.0, 1e6)] == [3, 3, 2, 1, 0, 0]
    other = breakers()
    fail(other, "a", 0.0)
    try_it(other, "a", 30.0, ERROR)
    try_it(other, "a", 90.0, OK)
    fail(other, "a", 155.0)
    assert other.retry_in(["a"], 155.0) == 60.0, "it was well for one window"


@pytest.mark.fault("U8")
@pytest.mark.parametrize("seed", range(5))
def test_a_flapping_model_is_left_alone_for_longer_and_longer(seed: int) -> None:
    """One that fails half of its calls: the share of time that it is left alone grows; it recovers wholly once well."""
    of, chance = breakers(rules=BreakerRules()), np.random.default_rng(seed)

    def asked_for(seconds: int, begin: int, failing: float) -> float:
        """Ten requests a second for so long; the share of them that found the model left alone."""
        blocked = 0
        for step in range(seconds * 10):
            now = begin + step / 10
            if "a" in of.blocked(now):
                blocked += 1
                continue
            of.took("a", now)
            of.report("a", ERROR if chance.random() < failing else OK, now + 0.05)
        return blocked / (seconds * 10)

    first, later = asked_for(300, 0, 0.5), asked_for(3_600, 300, 0.5)
    assert 0.5 < first < later
    assert later > 0.9
    asked_for(600, 3_900, 0.0)  # the longest cool-down
    assert asked_for(600, 4_500, 0.0) == 0.0
    assert of.why("a", 5_100.0).ejections == 0
    fail(of, "a", 5_100.0, 5)
    assert of.retry_in(["a"], 5_100.0) == 30.0


def test_late_failures_prolong_nothing() -> None:
    """Failures of calls that began before it opened are counted, and neither prolong the cool-down nor outlive it."""
    of = breakers()
    fail(of, "a", 10.0)
    fail(of, "a", 39.0, 1_000)
    of.report("a", CallStatus.MISCONFIGURED, 39.0)
    assert of.why("a", 39.0) == BreakerState("default", "a", OPEN, "consecutive", 1.0, 1_004, 1_004, 1, "")
    of.report("a", OK, 39.5)
    assert of.blocked(39.9) == {"a"}, "nor does a late good call shorten it"
    try_it(of, "a", 40.0, OK)
    fail(of, "a", 40.0, 2)
    assert of.blocked(40.0) == frozenset(), "the counts began anew"
    fail(of, "b", 50.0)
    of.took("b", 80.0)
    fail(of, "b", 81.0, 500)
    assert of.retry_in(["b"], 81.0) == 60.0, "the first one ended the trial, the others nothing"


def test_a_good_call_closes_a_half_open_one_without_a_trial() -> None:
    """A caller that went to it by itself, as a fallback, tells as much as a trial."""
    of = breakers()
    fail(of, "a", 10.0)
    of.report("a", OK, 41.0)
    assert of.why("a", 41.0).position is CLOSED


@pytest.mark.fault("U2")
def test_a_rate_limit_lasts_as_long_as_was_asked() -> None:
    """429 with Retry-After: left alone exactly so long, at most the longest cool-down, then simply called again."""
    of = breakers()
    of.report("a", LIMITED, 10.0, 7.5)
    assert of.why("a", 10.0) == BreakerState("default", "a", OPEN, "rate_limited", 7.5, 0, 0, 0, "")
    assert of.blocked(17.4) == {"a"}
    for _ in range(10):
        assert of.blocked(17.5) == frozenset(), "no trial: all may call"
        of.took("a", 17.5)
    for seconds in (10_000.0, math.inf):
        of.report("b", LIMITED, 20.0, seconds)
        assert of.retry_in(["b"], 20.0) == 240.0
    assert of.why("a", 20.0).ejections == of.why("b", 20.0).ejections == 0


@pytest.mark.fault("U2")
@pytest.mark.parametrize("seconds", [None, 0.0, -1.0, -math.inf, math.nan])
def test_a_rate_limit_without_a_time_is_a_failure(seconds: float | None) -> None:
    """What is not above zero was not told: so many in a row open it as other failures do."""
    of = breakers()
    for _ in range(2):
        of.report("a", LIMITED, 10.0, seconds)
    assert of.blocked(10.0) == frozenset()
    of.report("a", LIMITED, 10.0, seconds)
    assert of.why("a", 10.0).cause == "consecutive"


def test_a_longer_rate_limit_wins() -> None:
    """A shorter one that comes later takes nothing off a longer one."""
    of = breakers()
    of.report("a", LIMITED, 10.0, 50.0)
    of.report("a", LIMITED, 11.0, 5.0)
    assert of.retry_in(["a"], 11.0) == 49.0
    of.report("a", LIMITED, 12.0, 60.0)
    assert of.retry_in(["a"], 12.0) == 60.0


def test_a_rate_limit_is_no_failure_and_takes_no_seat() -> None:
    """All models may be limited at once; none of that counts, changes a cool-down, or keeps another from opening."""
    of = breakers()
    fail(of, "a", 10.0, 2)
    for _ in range(100):
        for name in "abcd":
            of.report(name, LIMITED, 10.0, 5.0)
    assert of.blocked(10.0) == set("abcd")
    assert of.why("a", 15.0) == BreakerState("default", "a", CLOSED, "", None, 2, 2, 0, "")
    fail(of, "a", 15.0, 1)
    fail(of, "b", 15.0)
    assert of.blocked(15.0) == {"a", "b"}
    try_it(of, "a", 45.0, ERROR)
    of.report("a", LIMITED, 45.0, 10.0)
    assert of.why("a", 46.0).cause == "consecutive", "which lasts longer"
    of.report("a", LIMITED, 46.0, 200.0)
    assert of.why("a", 46.0) == BreakerState("default", "a", OPEN, "rate_limited", 200.0, 4, 4, 2, "")
    of.took("a", 246.0)
    of.report("a", LIMITED, 247.0, 10.0)
    assert "a" not in of.blocked(257.0), "a limited trial is no verdict: after it the next may try"
    try_it(of, "a", 257.0, ERROR)
    assert of.retry_in(["a"], 257.0) == 120.0


@pytest.mark.fault("U3")
def test_a_misconfigured_model_is_left_alone_at_once() -> None:
    """401, 403 and 404: at once, for the longest cool-down, and all models if they are all so."""
    of = breakers()
    for name in "abcd":
        of.report(name, CallStatus.MISCONFIGURED, 10.0)
    assert of.blocked(10.0) == set("abcd")
    assert of.why("a", 10.0) == BreakerState("default", "a", OPEN, "misconfigured", 240.0, 1, 1, 0, "")
    try_it(of, "a", 250.0, CallStatus.MISCONFIGURED)
    assert of.retry_in(["a"], 250.0) == 240.0
    try_it(of, "b", 250.0, ERROR)
    assert of.why("b", 250.0) == BreakerState("default", "b", OPEN, "consecutive", 30.0, 1, 1, 1, "")
    try_it(of, "c", 250.0, OK)
    assert of.why("c", 250.0).position is CLOSED
    of.report("d", CallStatus.MISCONFIGURED, 251.0)
    assert of.why("d", 251.0).seconds_left == 240.0, "half-open it may be called, so that this is no late report"


@pytest.mark.fault("U9")
@pytest.mark.parametrize("count", [1, 2, 3, 4, 10, 100])
@pytest.mark.parametrize("share", [0.0, 0.29, 0.5, 1.0])
def test_all_models_fail(count: int, share: float) -> None:
    """Never more than the share of them is left alone, though always one may be; the others are called on."""
    names = [f"m{number}" for number in range(count)]
    of = breakers(names, replace(RULES, max_ejected_share=share))
    seats = max(1, int(share * count + 1e-9))
    chance = np.random.default_rng(count)
    most = 0
    for step in range(4_000):
        now = step / 4
        free = [name for name in names if name not in of.blocked(now)]
        most = max(most, count - len(free))
        if free:
            name = free[chance.integers(len(free))]
            of.took(name, now)
            of.report(name, ERROR, now)
    assert most == min(seats, count)


def test_a_spared_one_opens_when_another_recovers() -> None:
    """One that fails while as many as may be are left alone says so, and opens at its next failure after that."""
    of = breakers(["a", "b"])
    fail(of, "a", 10.0)
    fail(of, "b", 10.0, 5)
    assert of.blocked(10.0) == {"a"}
    assert of.why("b", 10.0) == BreakerState("default", "b", CLOSED, "spared", None, 5, 5, 0, "")
    try_it(of, "a", 40.0, OK)
    assert of.blocked(40.0) == frozenset()
    fail(of, "b", 41.0, 1)
    assert of.blocked(41.0) == {"b"}
    assert of.why("b", 41.0).cause == "consecutive"

    fail(of, "a", 41.0)
    assert of.why("a", 41.0).cause == "spared"
    of.report("a", OK, 41.0)
    assert of.why("a", 41.0).cause == ""
    for status in (ERROR, ERROR, OK, OK, ERROR, OK):
        of.report("a", status, 41.0)
    assert of.why("a", 41.0) == BreakerState("default", "a", CLOSED, "", None, 10, 6, 1, ""), (
        "nothing was refused since"
    )


def test_one_that_nobody_tries_keeps_no_other_from_opening() -> None:
    """A half-open model without requests holds no seat; while there is none it may be called like a closed one."""
    of = breakers(["a", "b"])
    fail(of, "a", 10.0)
    fail(of, "b", 1_000.0)
    assert of.blocked(1_000.0) == {"b"}
    for _ in range(5):
        of.took("a", 1_001.0)
        assert "a" not in of.blocked(1_001.0)
        of.report("a", ERROR, 1_001.0)
    assert of.why("a", 1_001.0).position is HALF_OPEN
    of.report("a", OK, 1_002.0)
    assert of.why("a", 1_002.0).position is CLOSED


def test_one_that_is_tried_is_left_alone_too() -> None:
    """While the trial is out it counts among those that may be left alone at a time."""
    of = breakers(["a", "b"])
    fail(of, "a", 10.0)
    of.took("a", 40.0)
    fail(of, "b", 41.0)
    assert of.blocked(41.0) == {"a"}
    assert of.why("b", 41.0).cause == "spared"
    of.report("a", ERROR, 42.0)
    assert of.blocked(42.0) == {"a"}


@pytest.mark.fault("O8")
def test_a_clock_that_goes_back() -> None:
    """Times before the latest count as the latest: nothing opens, closes or is counted anew."""
    of = breakers()
    fail(of, "a", 100.0)
    of.report("b", LIMITED, 100.0, 20.0)
    assert of.blocked(-3_500.0) == {"a", "b"}
    assert of.retry_in(["a"], 1.0) == 30.0
    assert of.blocked(130.0) == frozenset()
    assert of.blocked(100.0) == frozenset()
    of.took("a", 99.0)
    assert of.why("a", 0.0).seconds_left == 20.0
    of.report("a", ERROR, -1.0)
    assert of.why("a", 130.0) == BreakerState("default", "a", OPEN, "consecutive", 60.0, 4, 4, 2, "")
    of.report("c", ERROR, 3_730.0)
    assert of.why("c", 130.0) == BreakerState("default", "c", CLOSED, "", None, 1, 1, 0, "")


def test_open_by_hand() -> None:
    """Left alone until then or for ever, whatever its calls say; what it does by itself goes on behind that."""
    of = breakers()
    of.set_by_hand("a", OPEN, 100.0, "olga")
    of.report("a", OK, 10.0)
    assert of.why("a", 60.0) == BreakerState("default", "a", OPEN, "by_hand", 40.0, 1, 0, 0, "olga")
    assert of.blocked(99.9) == {"a"}
    assert of.blocked(100.0) == frozenset()
    assert of.why("a", 100.0).by_hand == ""

    of.set_by_hand("b", OPEN, None, "olga")
    assert of.why("b", 100.0).seconds_left is None
    assert of.retry_in(["b"], 100.0) is None
    assert of.blocked(1e9) == {"b"}

    later = breakers()
    fail(later, "a", 10.0)
    later.set_by_hand("a", OPEN, 20.0, "olga")
    assert later.retry_in(["a"], 12.0) == 28.0, "the cool-down lasts longer"
    assert later.why("a", 20.0) == BreakerState("default", "a", OPEN, "consecutive", 20.0, 3, 3, 1, "")


def test_closed_by_hand() -> None:
    """Called until then or for ever, whatever its calls say; they are counted: the next failure after it opens it."""
    of = breakers()
    fail(of, "a", 10.0)
    of.set_by_hand("a", CLOSED, 100.0, "olga")
    assert of.blocked(10.0) == frozenset()
    fail(of, "a", 50.0, 20)
    of.report("a", CallStatus.MISCONFIGURED, 50.0)
    of.report("a", LIMITED, 50.0, 60.0)
    assert of.why("a", 50.0) == BreakerState("default", "a", CLOSED, "", None, 24, 24, 1, "olga")
    assert of.retry_in(["a"], 50.0) == 0.0
    assert of.blocked(99.9) == frozenset()
    assert of.why("a", 100.0).cause == "rate_limited", "the provider's wish is still known"
    assert of.blocked(100.0) == {"a"}
    assert of.blocked(110.0) == frozenset()
    fail(of, "a", 110.0, 1)
    assert of.blocked(110.0) == {"a"}

    of.set_by_hand("b", CLOSED, None, "olga")
    fail(of, "b", 111.0, 100)
    assert of.blocked(1e9) == frozenset()


def test_by_itself_is_as_new() -> None:
    """Whatever was counted, open, limited or set by hand is gone."""
    of = breakers()
    fail(of, "a", 10.0)
    of.report("a", LIMITED, 10.0, 50.0)
    of.set_by_hand("a", OPEN, None, "olga")
    of.by_itself("a", 11.0)
    assert of.blocked(11.0) == frozenset()
    assert of.why("a", 11.0) == BreakerState("default", "a", CLOSED, "", None, 0, 0, 0, "")
    fail(of, "a", 11.0, 2)
    assert of.blocked(11.0) == frozenset()


def test_models_that_nobody_knows() -> None:
    """Reports and choices of models that the catalog has no more change nothing; people are told."""
    of = breakers()
    fail(of, "unknown", 10.0)
    of.took("unknown", 10.0)
    assert of.blocked(10.0) == frozenset()
    for call in (
        lambda: of.why("unknown", 10.0),
        lambda: of.by_itself("unknown", 10.0),
        lambda: of.set_by_hand("unknown", OPEN, None, "olga"),
    ):
        with pytest.raises(KeyError):
            call()


def test_another_revision_keeps_what_stays() -> None:
    """Open ones stay open, counts go on under the new rules, models that left are forgotten, new ones are closed."""
    of = breakers(["a", "b", "c"])
    fail(of, "a", 10.0)
    fail(of, "b", 10.0, 2)
    of.set_by_hand("c", OPEN, None, "olga")
    of.adopt(replace(RULES, consecutive_failures=4, window_seconds=600, max_cool_down_seconds=45), ["a", "b", "d"])
    assert of.blocked(10.0) == {"a"}
    assert [state.model for state in of.states(10.0)] == ["a", "b", "d"]
    assert of.retry_in(["a"], 10.0) == 30.0
    fail(of, "b", 11.0, 1)
    assert of.blocked(11.0) == {"a"}
    assert of.why("b", 300.0) == BreakerState("default", "b", CLOSED, "", None, 3, 3, 0, "")
    try_it(of, "a", 300.0, ERROR)
    assert of.retry_in(["a"], 300.0) == 45.0
    of.adopt(RULES, ["c"])
    assert of.blocked(300.0) == frozenset(), "one that comes back is new"


def test_nothing_changed_costs_nothing() -> None:
    """Reports that open nothing give no new set; the same object comes back until something happens or is over."""
    of = breakers()
    fail(of, "a", 10.0)
    blocked = of.blocked(10.0)
    for step in range(100):
        of.took("b", 10.0 + step / 10)
        of.report("b", OK, 10.0 + step / 10)
        fail(of, "c", 10.0 + step / 10, 1)
        of.report("c", OK, 10.0 + step / 10)
        of.report("c", OK, 10.0 + step / 10)
        assert of.blocked(10.0 + step / 10) is blocked
    of.report("a", LIMITED, 20.0, 1.0)
    assert of.blocked(20.0) is blocked
    assert of.blocked(22.0) is blocked
    assert of.blocked(40.0) == frozenset()
