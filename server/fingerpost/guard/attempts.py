"""Attempts: how often a source may show a wrong token. Pure: the clock is an argument."""

from collections import OrderedDict
from dataclasses import dataclass

_SOURCES = 10_000


@dataclass(slots=True)
class _Purse:
    left: float
    then: float  # seconds, when `left` was right


class Attempts:
    """A number of attempts at once for each source, and one more every few seconds; bounded in memory."""

    def __init__(self, burst: int, seconds_each: float) -> None:
        self._burst = burst
        self._seconds_each = seconds_each
        self._purses: OrderedDict[str, _Purse] = OrderedDict()  # the one asked last is last

    def take(self, source: str, now: float) -> float:
        """Use an attempt up.

        Args:
            source: Where it comes from.
            now: Seconds of a clock that never goes back.

        Returns:
            0 when there was one, else the seconds until there is.
        """
        purse = self._purses.pop(source, None) or _Purse(float(self._burst), now)
        self._purses[source] = purse
        while len(self._purses) > _SOURCES:
            self._purses.popitem(last=False)
        purse.left = min(float(self._burst), purse.left + (now - purse.then) / self._seconds_each)
        purse.then = now
        if purse.left < 1.0:
            return (1.0 - purse.left) * self._seconds_each
        purse.left -= 1.0
        return 0.0

    def give_back(self, source: str) -> None:
        """The attempt was right after all."""
        purse = self._purses.get(source)
        if purse is not None:
            purse.left = min(float(self._burst), purse.left + 1.0)

    def __len__(self) -> int:
        return len(self._purses)
