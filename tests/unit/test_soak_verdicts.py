"""What a soak is judged by, and the section of the page that shows it."""

from pathlib import Path

import pytest

from benchmarks.load import verdict
from benchmarks.load.page import render
from benchmarks.load.verdict import Sample
from tests.unit.test_load_page import MACHINE


def samples(mb_per_hour: float, warm_up_mb: float = 0.0) -> list[Sample]:
    """Half an hour, one each five seconds."""
    return [
        Sample(5.0 * n, 200 + mb_per_hour * n * 5 / 3600 - (warm_up_mb if n < 20 else 0.0), 20, 10) for n in range(360)
    ]


@pytest.mark.parametrize(("mb_per_hour", "met"), [(0.9, True), (1.1, False), (-3.0, True)])
def test_memory_is_judged_by_its_slope(mb_per_hour: float, met: bool) -> None:
    """A megabyte an hour is the bound, and what the warm-up takes does not count."""
    assert verdict.memory(samples(mb_per_hour)).met is met
    assert verdict.memory(samples(mb_per_hour, warm_up_mb=50)).met is met


def test_flat_means_no_more_than_at_first() -> None:
    """A few may come and go, a steady growth may not be."""
    assert verdict.flat("x", [20, 22] * 50, spare=4).met
    assert not verdict.flat("x", list(range(20, 120)), spare=4).met


def test_the_tail_is_compared_with_the_beginning() -> None:
    """The first tenth, in which the cache is empty, does not count."""
    assert verdict.p99([90.0, 10.0, 12.0, 10.9]).met
    assert not verdict.p99([90.0, 10.0, 12.0, 11.1]).met


def test_counters_add_up_but_for_calls_given_up() -> None:
    """A call that was given up may have ended in any way; all others the server counted as the client saw them."""
    codes = {"hit": {"OK": 90}, "bad": {"INVALID_ARGUMENT": 5}, "cancelled": {"CANCELLED": 10}}
    assert verdict.counters(codes, {"OK": 90, "INVALID_ARGUMENT": 5}).met
    assert verdict.counters(codes, {"OK": 94, "INVALID_ARGUMENT": 5, "CANCELLED": 6}).met
    assert not verdict.counters(codes, {"OK": 94, "INVALID_ARGUMENT": 5, "CANCELLED": 7}).met
    assert not verdict.counters(codes, {"OK": 89, "INVALID_ARGUMENT": 5}).met


def test_a_deadline_is_a_call_given_up() -> None:
    """The client ends it by its own clock, and the server may have answered just then."""
    codes = {"hit": {"OK": 90, "DEADLINE_EXCEEDED": 2}}
    assert verdict.counters(codes, {"OK": 91, "DEADLINE_EXCEEDED": 1}).met
    assert not verdict.counters(codes, {"OK": 93}).met


@pytest.mark.parametrize(
    ("calls", "mb", "said"), [(5_000, 9.0, "too few to tell"), (100_000, 9.0, "met"), (100_000, 11.0, "missed")]
)
def test_memory_of_calls_given_up(calls: int, mb: float, said: str) -> None:
    """Only many of them tell what stays."""
    assert verdict.cancelled(calls, mb).said == said


def test_a_code_that_no_call_should_have() -> None:
    """It is named."""
    assert verdict.codes_seen({"hit": {"OK": 3}, "bad": {"INVALID_ARGUMENT": 1}}).met
    found = verdict.codes_seen({"hit": {"OK": 3, "UNKNOWN": 1}})
    assert (found.met, found.measured) == (False, "UNKNOWN")


def test_the_section_of_the_page(tmp_path: Path) -> None:
    """It shows each verdict, and says so where there was no soak."""
    results = {"machine": MACHINE, "settings": {"pinned": False}, "parts": {}}
    soak = {
        "command": "scripts/bench soak",
        "commit": "abc",
        "rate_per_s": 100.0,
        "activations": 30,
        "traffic": {"sent": 180_000},
        "verdicts": [verdict.lengths(1_000, 1.4).row()],
    }
    page = tmp_path / "performance.md"
    render(results, page)
    assert "## Soak" in page.read_text(encoding="utf-8")
    render(results, page, soak)
    text = page.read_text(encoding="utf-8")
    assert "180,000 calls at 100 a second, 30 activations" in text
    assert "| memory after 1,000 texts of 1 to 512 tokens | at most 1.3 times | 1.40 times | missed |" in text
