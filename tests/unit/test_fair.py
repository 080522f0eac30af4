"""The line in which tenants take turns."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from fingerpost.guard.fair import FairLine


class SlowLine:
    """The same rule told plainly: every tenant's start time is looked at each time."""

    def __init__(self) -> None:
        self.items: list[tuple[str, float, int, float]] = []  # tenant, order, number, cost
        self.starts: dict[str, tuple[float, int]] = {}
        self.now = 0.0

    def push(self, number: int, tenant: str, order: float, cost: float) -> None:
        if tenant not in self.starts:
            self.starts[tenant] = (self.now, number)
        self.items.append((tenant, order, number, cost))

    def pop(self) -> int:
        tenant = min(self.starts, key=lambda name: self.starts[name])
        self.now = self.starts[tenant][0]
        chosen = min((item for item in self.items if item[0] == tenant), key=lambda item: item[1:3])
        self.items.remove(chosen)
        if any(item[0] == tenant for item in self.items):
            self.starts[tenant] = (self.now + chosen[3], chosen[2])
        else:
            del self.starts[tenant]
        return chosen[2]


PUSHES = st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from([1.0, 2.0, 20.0]))


@given(st.lists(st.one_of(st.none(), PUSHES), max_size=60))
def test_equals_the_plain_rule(steps: list[tuple[str, int, float] | None]) -> None:
    """Whatever comes and goes, the order is the slow line's, and nothing is lost."""
    line: FairLine[int] = FairLine()
    slow = SlowLine()
    for number, step in enumerate(steps, 1):
        if step is None:
            if slow.items:
                assert line.pop() == slow.pop()
            continue
        tenant, order, cost = step
        line.push(number, tenant, order, cost)
        slow.push(number, tenant, order, cost)
        assert sorted(line) == sorted(item[2] for item in slow.items)
    assert [line.pop() for _ in range(len(line))] == [slow.pop() for _ in range(len(slow.items))]


def test_an_empty_line() -> None:
    """Nobody's turn is an IndexError."""
    with pytest.raises(IndexError):
        FairLine[int]().pop()


def test_a_flood_waits_behind_its_own() -> None:
    """Of two tenants that both wait, each gets half of the work, however many items one has."""
    line: FairLine[str] = FairLine()
    for number in range(1000):
        line.push("flood", "flood", number, 1.0)
    for number in range(50):
        line.push("small", "small", number, 1.0)
    assert Counter(line.pop() for _ in range(100)) == {"flood": 50, "small": 50}


def test_dear_items_take_fewer_turns() -> None:
    """Shares are of the work, not of the items: ten cheap ones go for one that costs ten times as much."""
    line: FairLine[str] = FairLine()
    for number in range(100):
        line.push("dear", "dear", number, 10.0)
        line.push("cheap", "cheap", number, 1.0)
    counts = Counter(line.pop() for _ in range(88))
    assert counts["cheap"] == pytest.approx(10 * counts["dear"], abs=10)


def test_nobody_saves_up_turns() -> None:
    """A tenant that was away while others worked begins level with them."""
    line: FairLine[str] = FairLine()
    for number in range(100):
        line.push("busy", "busy", number, 1.0)
    for _ in range(50):
        line.pop()
    for number in range(50):
        line.push("late", "late", number, 1.0)
    assert Counter(line.pop() for _ in range(20)) == {"busy": 10, "late": 10}
