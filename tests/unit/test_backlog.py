"""The bound on the time in the queue."""

import pytest
from hypothesis import given, strategies as st

from fingerpost.errors import ErrorReason, Overloaded
from fingerpost.guard.backlog import Backlog

FOREVER = 1e9


def cause_of(backlog: Backlog, tenant: str, now: float, cost: float = 0.01, time_left: float = FOREVER) -> str | None:
    """Why the work is refused; None when it may wait."""
    try:
        backlog.check(tenant, cost, now, time_left)
    except Overloaded as error:
        return error.metadata["cause"]
    return None


def filled(seconds: float, tenant: str = "a", threads: int = 1) -> Backlog:
    """A queue that had been empty until time 0 and holds so many seconds of work since."""
    backlog = Backlog(threads, standing_seconds=0.1, burst_seconds=1.0)
    backlog.check(tenant, seconds, 0.0, FOREVER)
    backlog.enter(tenant, seconds)
    return backlog


def test_a_burst_may_wait_long_and_a_standing_queue_may_not() -> None:
    """Half a second of work is let in after calm, and refused when the queue has not been empty for long."""
    backlog = filled(0.5)
    assert cause_of(backlog, "a", now=0.9) is None
    assert cause_of(backlog, "a", now=1.1) == "queue"


def test_a_burst_has_its_limit_too() -> None:
    """More than the burst may wait for is refused at once."""
    assert cause_of(filled(1.5), "a", now=0.0) == "queue"


def test_more_threads_wait_less() -> None:
    """The same work on two threads is half the wait."""
    assert cause_of(filled(1.5, threads=2), "a", now=0.0) is None
    assert filled(1.5, threads=2).wait_seconds == 0.75


def test_an_emptied_queue_is_calm_again() -> None:
    """Once all work is done a burst is welcome as at the start."""
    backlog = filled(0.5)
    backlog.leave("a", 0.5, now=5.0)
    backlog.enter("a", 0.5)
    assert cause_of(backlog, "a", now=5.9) is None


def test_a_tenant_that_waits_for_little_comes_in() -> None:
    """A queue full of another's work does not keep a tenant out, whose turn comes soon; the other is kept out."""
    backlog = filled(5.0, tenant="flood")
    assert cause_of(backlog, "flood", now=3.0) == "queue"
    assert cause_of(backlog, "small", now=3.0) is None
    backlog.enter("small", 0.01)
    assert cause_of(backlog, "small", now=3.0) is None
    assert cause_of(backlog, "flood", now=3.0) == "queue"


def test_a_tenant_over_its_share_is_told_so() -> None:
    """Of several that wait, one with too much of its own is refused as that."""
    backlog = filled(0.3, tenant="greedy")
    backlog.enter("dear", 4.0)
    assert cause_of(backlog, "greedy", now=3.0) == "tenant"
    with pytest.raises(Overloaded) as caught:
        backlog.check("greedy", 0.01, 3.0, FOREVER)
    assert caught.value.reason == ErrorReason.RATE_LIMITED


def test_a_deadline_shorter_than_the_wait() -> None:
    """What cannot be done in time is refused, and not put in the queue to fail there."""
    assert cause_of(filled(0.5), "a", now=0.1, time_left=0.4) == "deadline"
    assert cause_of(filled(0.5), "a", now=0.1, time_left=0.6) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(1e-4, 2.0)), max_size=30))
def test_all_that_enters_leaves(jobs: list[tuple[str, float]]) -> None:
    """Work that came and went leaves nothing behind, not even rounding."""
    backlog = Backlog(2, 0.1, 1.0)
    for tenant, cost in jobs:
        backlog.enter(tenant, cost)
    assert backlog.wait_seconds == pytest.approx(sum(cost for _, cost in jobs) / 2)
    for tenant, cost in jobs:
        backlog.leave(tenant, cost, 0.0)
    assert backlog.wait_seconds == 0.0
