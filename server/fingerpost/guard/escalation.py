"""Escalation: how much of the traffic went to the strong tier of late? Pure: the clock is an argument."""

from collections import deque
from dataclasses import dataclass

from fingerpost.types import EscalationLimit

_SLOTS = 20
"""Into which a window is cut: what leaves it leaves it a twentieth at a time."""


@dataclass(slots=True)
class _Slot:
    number: int
    decisions: int = 0
    strong: int = 0


class EscalationWindow:
    """Counts the decisions of a sliding window, and those of them that chose a model of the strong tier."""

    def __init__(self, limit: EscalationLimit) -> None:
        self.limit = limit
        self._slots: deque[_Slot] = deque()
        self._decisions = 0
        self._strong = 0

    def is_spent(self, now: float) -> bool:
        """Whether one more request for the strong tier would be more than its share.

        Args:
            now: Seconds of a clock that never goes back.
        """
        self._forget(now)
        if self._decisions < self.limit.min_decisions:
            return False
        return self._strong + 1 > self.limit.max_share * (self._decisions + 1)

    def count(self, *, strong: bool, now: float) -> None:
        """Note a decision."""
        self._forget(now)
        number = self._number(now)
        if not self._slots or self._slots[-1].number != number:
            self._slots.append(_Slot(number))
        self._slots[-1].decisions += 1
        self._slots[-1].strong += strong
        self._decisions += 1
        self._strong += strong

    def share(self, now: float) -> float:
        """Of the window's decisions, [0, 1]; 0 without any."""
        self._forget(now)
        return self._strong / self._decisions if self._decisions else 0.0

    def _number(self, now: float) -> int:
        return int(now * _SLOTS / self.limit.window_seconds)

    def _forget(self, now: float) -> None:
        oldest = self._number(now) - _SLOTS
        while self._slots and self._slots[0].number <= oldest:
            gone = self._slots.popleft()
            self._decisions -= gone.decisions
            self._strong -= gone.strong
