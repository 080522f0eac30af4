"""Window: which share of the latest events hit? Pure: the clock is an argument."""

from collections import deque
from dataclasses import dataclass

_SLOTS = 20
"""Into which a window is cut: what leaves it leaves it a twentieth at a time."""


@dataclass(slots=True)
class _Slot:
    number: int
    events: int = 0
    hits: int = 0


class ShareWindow:
    """Counts the events of a sliding window, and those of them that hit; what is read is of the last `forget`."""

    __slots__ = ("_seconds", "_slots", "events", "hits")

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._slots: deque[_Slot] = deque()
        self.events = 0
        self.hits = 0

    @property
    def share(self) -> float:
        """Of the events that hit, [0, 1]; 0 without any."""
        return self.hits / self.events if self.events else 0.0

    def count(self, *, hit: bool, now: float) -> None:
        """Note an event at `now`, in seconds of a clock that never goes back."""
        number = self._number(now)
        if not self._slots or self._slots[-1].number != number:
            self._drop(number)
            self._slots.append(_Slot(number))
        slot = self._slots[-1]
        slot.events += 1
        slot.hits += hit
        self.events += 1
        self.hits += hit

    def forget(self, now: float) -> None:
        """Let go of what is over."""
        self._drop(self._number(now))

    def clear(self) -> None:
        """Begin anew."""
        self._slots.clear()
        self.events = self.hits = 0

    def resize(self, seconds: int, now: float) -> None:
        """Go on with another length: what was counted in a slot counts as of the slot's beginning."""
        if not self._slots:
            self._seconds = seconds
            return
        self.forget(now)  # a longer window must not bring back what was over
        slots: dict[int, _Slot] = {}
        for old in self._slots:
            number = old.number * self._seconds // seconds
            slot = slots.setdefault(number, _Slot(number))
            slot.events += old.events
            slot.hits += old.hits
        self._seconds, self._slots = seconds, deque(slots.values())
        self.forget(now)

    def _number(self, now: float) -> int:
        return int(now * _SLOTS / self._seconds)

    def _drop(self, number: int) -> None:
        """What is over in that slot."""
        while self._slots and self._slots[0].number <= number - _SLOTS:
            gone = self._slots.popleft()
            self.events -= gone.events
            self.hits -= gone.hits
