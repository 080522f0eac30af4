"""Windows of budgets: as the calendar of the standard library has them, one after the other, and time only goes on."""

import calendar
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.guard.windows import CalendarClock, window_of
from fingerpost.types import BudgetPer

LAST_S = int(datetime(2105, 1, 1, tzinfo=UTC).timestamp())
times = st.floats(0, LAST_S, allow_nan=False) | st.integers(0, LAST_S).map(float)


def twin(per: BudgetPer, now_s: float) -> tuple[int, int]:
    """By counting the days of years and months."""
    year, month, day, hour, *_ = datetime.fromtimestamp(int(now_s), tz=UTC).timetuple()
    hours = {BudgetPer.HOUR: 1, BudgetPer.DAY: 24, BudgetPer.MONTH: 24 * calendar.monthrange(year, month)[1]}[per]
    begin = {
        BudgetPer.HOUR: (year, month, day, hour),
        BudgetPer.DAY: (year, month, day, 0),
        BudgetPer.MONTH: (year, month, 1, 0),
    }[per]
    start = calendar.timegm((*begin, 0, 0))
    return start, start + 3_600 * hours


@settings(max_examples=500)
@given(st.sampled_from(BudgetPer), times)
def test_windows_are_the_calendars(per: BudgetPer, now_s: float) -> None:
    """A time lies in its window, and consecutive windows touch."""
    start, end = window_of(per, now_s)
    assert (start, end) == twin(per, now_s)
    assert start <= now_s < end
    assert window_of(per, end)[0] == end
    assert window_of(per, start) == (start, end)
    assert window_of(per, end - 0.001) == (start, end)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (datetime(2024, 2, 28, 23, 59, 59, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        (datetime(2024, 2, 29, 12, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        (datetime(2023, 2, 28, 23, tzinfo=UTC), datetime(2023, 3, 1, tzinfo=UTC)),
        (datetime(2100, 2, 28, 23, tzinfo=UTC), datetime(2100, 3, 1, tzinfo=UTC)),
        (datetime(2000, 2, 29, tzinfo=UTC), datetime(2000, 3, 1, tzinfo=UTC)),
        (datetime(2023, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
        (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)),
        (datetime(2024, 4, 30, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC)),
    ],
)
def test_ends_of_months(now: datetime, end: datetime) -> None:
    """Short ones, leap days and years' ends."""
    assert window_of(BudgetPer.MONTH, now.timestamp())[1] == end.timestamp()
    assert window_of(BudgetPer.DAY, (end - timedelta(seconds=1)).timestamp())[1] == end.timestamp()
    assert window_of(BudgetPer.HOUR, (end - timedelta(seconds=1)).timestamp())[1] == end.timestamp()


@given(st.lists(times, min_size=1))
def test_the_clock_never_goes_back(told: list[float]) -> None:
    """It stands still until a clock that was set back has caught up."""
    clock = CalendarClock()
    assert [clock(now_s) for now_s in told] == [max(told[: number + 1]) for number in range(len(told))]
