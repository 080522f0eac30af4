"""Escalation: how much of the traffic went to the strong tier of late? Pure: the clock is an argument."""

from fingerpost.guard.window import ShareWindow
from fingerpost.types import EscalationLimit


class EscalationWindow:
    """Counts the decisions of a sliding window, and those of them that chose a model of the strong tier."""

    def __init__(self, limit: EscalationLimit) -> None:
        self.limit = limit
        self._window = ShareWindow(limit.window_seconds)

    def is_spent(self, now: float) -> bool:
        """Whether one more request for the strong tier would be more than its share.

        Args:
            now: Seconds of a clock that never goes back.
        """
        self._window.forget(now)
        if self._window.events < self.limit.min_decisions:
            return False
        return self._window.hits + 1 > self.limit.max_share * (self._window.events + 1)

    def count(self, *, strong: bool, now: float) -> None:
        """Note a decision."""
        self._window.count(hit=strong, now=now)

    def share(self, now: float) -> float:
        """Of the window's decisions, [0, 1]; 0 without any."""
        self._window.forget(now)
        return self._window.share
