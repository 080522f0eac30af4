"""The bound on what is in flight."""

import pytest
from hypothesis import given, strategies as st

from fingerpost.errors import ErrorReason, Overloaded
from fingerpost.guard.admission import Admission


@given(st.integers(1, 10), st.lists(st.tuples(st.booleans(), st.integers(1, 5)), max_size=60))
def test_never_more_than_the_capacity(capacity: int, steps: list[tuple[bool, int]]) -> None:
    """Whatever comes and goes, what is in flight stays within the capacity and a refusal takes nothing."""
    admission, held = Admission(capacity), []
    for arriving, units in steps:
        if arriving:
            try:
                admission.admit(units)
                held.append(units)
            except Overloaded:
                assert sum(held) + units > capacity
        elif held:
            admission.release(held.pop())
        assert admission.in_flight == sum(held) <= capacity


def test_a_refusal_says_when_to_come_back() -> None:
    """RESOURCE_EXHAUSTED carries its reason, the capacity and a time to retry after."""
    admission = Admission(1)
    admission.admit()
    with pytest.raises(Overloaded) as caught:
        admission.admit()
    assert caught.value.reason == ErrorReason.OVERLOADED
    assert caught.value.metadata["capacity"] == "1"
    assert caught.value.retry_after_ms
