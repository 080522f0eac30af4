"""The share of the strong tier: counted over a sliding window, and never more than its limit when it bites."""

import pytest
from hypothesis import given, strategies as st

from fingerpost.guard.escalation import EscalationWindow
from fingerpost.types import EscalationLimit

SLOTS = 20


class Twin:
    """All decisions, kept, and counted anew each time."""

    def __init__(self, limit: EscalationLimit) -> None:
        self.limit = limit
        self.decisions: list[tuple[int, bool]] = []

    def _recent(self, now: float) -> list[bool]:
        first = int(now * SLOTS / self.limit.window_seconds) - SLOTS
        return [strong for slot, strong in self.decisions if slot > first]

    def is_spent(self, now: float) -> bool:
        recent = self._recent(now)
        enough = len(recent) >= self.limit.min_decisions
        return enough and sum(recent) + 1 > self.limit.max_share * (len(recent) + 1)

    def share(self, now: float) -> float:
        recent = self._recent(now)
        return sum(recent) / len(recent) if recent else 0.0

    def count(self, *, strong: bool, now: float) -> None:
        self.decisions.append((int(now * SLOTS / self.limit.window_seconds), strong))


LIMITS = st.builds(EscalationLimit, st.floats(0, 1), st.integers(1, 100), st.integers(0, 5))
STEPS = st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=60)


@given(LIMITS, STEPS)
def test_it_counts_as_a_list_of_all_decisions_does(limit: EscalationLimit, steps: list[tuple[bool, float]]) -> None:
    """After any decisions at any times both say the same."""
    window, twin, now = EscalationWindow(limit), Twin(limit), 100.0
    for strong, seconds in steps:
        now += seconds
        assert window.is_spent(now) == twin.is_spent(now)
        window.count(strong=strong, now=now)
        twin.count(strong=strong, now=now)
        assert window.share(now) == twin.share(now)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_who_asks_first_keeps_the_share(share: float) -> None:
    """Of any number of requests that all want the strong tier no more than its share gets it, once there are enough."""
    window, strong = EscalationWindow(EscalationLimit(share, 60, 10)), 0
    for number in range(1_000):
        now = 5.0 + number * 0.01
        takes = not window.is_spent(now)
        window.count(strong=takes, now=now)
        strong += takes
    assert strong <= max(10, share * 1_000)
    assert strong >= share * 1_000 - 1


def test_what_is_over_is_forgotten() -> None:
    """A window later the tier has its whole share again."""
    window = EscalationWindow(EscalationLimit(0.5, 10, 1))
    for _ in range(8):
        window.count(strong=True, now=1.0)
    assert window.is_spent(1.0)
    assert window.is_spent(10.9)
    assert not window.is_spent(11.1)
    assert window.share(11.1) == 0.0
