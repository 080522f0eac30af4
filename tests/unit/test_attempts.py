"""Attempts of a source: a number at once, then one every few seconds, in bounded memory."""

from fingerpost.guard.attempts import Attempts


def test_a_number_at_once_and_then_one_at_a_time() -> None:
    """Who used up all attempts is told when the next is due, and gets exactly that one."""
    attempts = Attempts(3, 2.0)
    assert [attempts.take("a", 10.0) for _ in range(3)] == [0, 0, 0]
    assert attempts.take("a", 10.5) == 1.5
    assert attempts.take("a", 12.0) == 0
    assert attempts.take("a", 12.0) == 2.0
    assert attempts.take("b", 12.0) == 0, "another source has its own"
    assert [attempts.take("a", 1_000.0) for _ in range(4)] == [0, 0, 0, 2.0], "waiting long saves up no more than that"


def test_a_right_one_costs_nothing() -> None:
    """What is given back can be used again, and never adds up to more than there was."""
    attempts = Attempts(2, 60.0)
    for _ in range(100):
        assert attempts.take("a", 1.0) == 0
        attempts.give_back("a")
    attempts.give_back("a")
    attempts.give_back("nobody")
    assert [attempts.take("a", 1.0) for _ in range(3)] == [0, 0, 60.0]


def test_memory_is_bounded() -> None:
    """A million sources do not fill the memory; those that came last are known."""
    attempts = Attempts(1, 60.0)
    for number in range(30_000):
        attempts.take(f"source {number}", 1.0)
    assert len(attempts) == 10_000
    assert attempts.take("source 29999", 1.0) == 60.0
