"""Times of many calls in an HDR histogram: exact to three digits, merged without averaging percentiles."""

from collections.abc import Iterable
from typing import Any, Self

from hdrh.histogram import HdrHistogram

_LONGEST_US = 600_000_000
_DIGITS = 3

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99)

_CALLS_FOR_P999 = 100_000  # with fewer, p99.9 is the luck of some dozens of calls


class Times:
    """A histogram of seconds."""

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_US, _DIGITS)
        for one in seconds:
            self._histogram.record_value(min(_LONGEST_US, max(1, round(one * 1e6))))

    def __len__(self) -> int:
        return int(self._histogram.get_total_count())

    def merge(self, other: "Times") -> Self:
        """Add another's calls to these."""
        self._histogram.add(other._histogram)
        return self

    def at(self, percentile: float) -> float | None:
        """Milliseconds at or under which that share of the calls, in percent, lies; None without calls."""
        return self._histogram.get_value_at_percentile(percentile) / 1e3 if len(self) else None

    def summary(self) -> dict[str, Any]:
        """What the results keep: the count, some percentiles in milliseconds, and the longest."""
        if not len(self):
            return {"count": 0}
        shown = [one for one in PERCENTILES if one <= 99.5 or len(self) >= _CALLS_FOR_P999]
        named = {f"p{one:g}".replace(".", "_") + "_ms": self.at(one) for one in shown}
        return {"count": len(self), **named, "max_ms": self._histogram.get_max_value() / 1e3}

    def __getstate__(self) -> bytes:
        encoded: bytes = self._histogram.encode()
        return encoded

    def __setstate__(self, encoded: bytes) -> None:
        self._histogram = HdrHistogram.decode(encoded)
