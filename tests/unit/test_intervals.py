"""Intervals of shares, against their equation and printed tables."""

import math

import pytest
from hypothesis import given, strategies as st

from fingerpost.build.intervals import wilson


def test_a_wilson_interval_solves_its_equation() -> None:
    """At each limit the share that was found is just so many standard errors away (Wilson 1927)."""
    for holds, count in ((0, 7), (3, 10), (97, 100), (5, 5)):
        for limit in wilson(holds / count, count):
            if 0.0 < limit < 1.0:
                gap = abs(holds / count - limit) / math.sqrt(limit * (1.0 - limit) / count)
                assert gap == pytest.approx(1.959964, abs=1e-5)


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_the_interval_holds_the_share(share: float, count: float) -> None:
    """Wilson's interval lies in [0, 1], holds the share and shrinks with the count."""
    low, high = wilson(share, count)
    assert 0.0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1.0
    wider = wilson(share, max(1.0, count / 4))
    assert high - low <= wider[1] - wider[0] + 1e-9


def test_the_interval_of_a_textbook() -> None:
    """Nine of ten: 0.596 to 0.982, as tables of the Wilson interval have it."""
    assert wilson(0.9, 10) == pytest.approx((0.596, 0.982), abs=5e-4)
