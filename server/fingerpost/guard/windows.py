"""Windows: when does an account of a budget begin and end? Hours, days and months of the calendar, UTC. Pure."""

import math
from datetime import UTC, datetime, timedelta

from fingerpost.types import BudgetPer


def window_of(per: BudgetPer, now_s: float) -> tuple[int, int]:
    """Start and end of the window that a time lies in; the end is the start of the next.

    Args:
        per: How long windows are.
        now_s: Seconds since the epoch, as the rest.
    """
    start = datetime.fromtimestamp(math.floor(now_s), tz=UTC).replace(minute=0, second=0, microsecond=0)
    if per is BudgetPer.HOUR:
        end = start + timedelta(hours=1)
    elif per is BudgetPer.DAY:
        start = start.replace(hour=0)
        end = start + timedelta(days=1)
    else:
        start = start.replace(day=1, hour=0)
        end = (start + timedelta(days=32)).replace(day=1)
    return int(start.timestamp()), int(end.timestamp())


class CalendarClock:
    """Calendar time that never goes back: the latest time is told until a clock that was set back catches up."""

    def __init__(self) -> None:
        self._latest = 0.0

    def __call__(self, told_s: float) -> float:
        """Seconds since the epoch, given what the machine's clock tells."""
        self._latest = max(self._latest, told_s)
        return self._latest
