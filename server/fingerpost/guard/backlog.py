"""Backlog: may this text wait? A bound on the time in the queue, shared fairly between the tenants that wait."""

from fingerpost.guard.refusal import Cause, refused


class Backlog:
    """Counts the work that waits, in seconds of embedding threads. One thread at a time; the clock is the caller's.

    A burst may wait for `burst_seconds`. When the queue has not been empty for as long as that, there is no burst but
    too much work, which a long queue cannot help: then the wait is held at `standing_seconds` (Maurer 2015, "Fail at
    Scale", ACM Queue 13:8, after Nichols and Jacobson 2012, "Controlling Queue Delay").
    """

    def __init__(self, threads: int, standing_seconds: float, burst_seconds: float) -> None:
        self._threads = threads
        self._standing = standing_seconds
        self._burst = burst_seconds
        self._seconds: dict[str, float] = {}  # by tenant
        self._counts: dict[str, int] = {}
        self._total = 0.0
        self._empty_time = 0.0  # when the queue was empty last, as far as is known

    @property
    def wait_seconds(self) -> float:
        """How long what comes now would wait."""
        return self._total / self._threads

    def check(self, tenant: str, cost: float, now: float, time_left: float) -> None:
        """Whether work of `cost` seconds may wait.

        Raises:
            Overloaded: with the cause, and with a time after which to try again; nothing was counted.
        """
        if not self._counts:
            self._empty_time = now
        wait = self._wait_of(tenant)
        limit = self._burst if now - self._empty_time <= self._burst else self._standing
        if wait > limit:
            raise refused(Cause.TENANT if wait < self.wait_seconds else Cause.QUEUE, wait, wait_ms=_ms(wait))
        if wait + cost > time_left:
            raise refused(Cause.DEADLINE, wait, wait_ms=_ms(wait), time_left_ms=_ms(time_left))

    def enter(self, tenant: str, cost: float) -> None:
        """Count work that waits; given back by `leave`."""
        self._seconds[tenant] = self._seconds.get(tenant, 0.0) + cost
        self._counts[tenant] = self._counts.get(tenant, 0) + 1
        self._total += cost

    def leave(self, tenant: str, cost: float, now: float) -> None:
        self._counts[tenant] -= 1
        self._seconds[tenant] -= cost
        self._total -= cost
        if not self._counts[tenant]:
            del self._counts[tenant], self._seconds[tenant]
        if not self._counts:
            self._total, self._empty_time = 0.0, now  # no rest of rounding

    def _wait_of(self, tenant: str) -> float:
        """Seconds until work of the tenant would begin, when the waiting tenants take turns."""
        others = len(self._counts) - (tenant in self._counts)
        return min(self._total, self._seconds.get(tenant, 0.0) * (others + 1)) / self._threads


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
