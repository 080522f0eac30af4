"""Budgets and the page that shows them."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.load.budgets import BUDGETS, verdicts
from benchmarks.load.page import render

MACHINE = {
    "cores": 2,
    "cpu": "a processor",
    "memory_gb": 8,
    "kernel": "6",
    "python": "3.11",
    "versions": {"numpy": "2"},
}


def call(ratio: float) -> dict[str, Any]:
    spread = {"median": ratio, "lowest": ratio - 0.1, "highest": ratio + 0.1}
    stages = {"queue_us": 10.0, "embed_us": 900.0}
    measured = {"ratio": spread, "encoder_ms": 1.0, "empty_ms": 0.5, "route_ms": 1.9, "stages": stages}
    return {"mode": "full", "commit": "abc", "seconds": 9.0, "measured": measured}


@pytest.mark.parametrize(("ratio", "met"), [(1.35, True), (1.36, False)])
def test_a_budget_is_met_or_missed(ratio: float, met: bool) -> None:
    """At the bound it is met; the range over the server starts is told beside the median."""
    [found] = [one for one in verdicts({"call": call(ratio)}) if one.met is not None]
    assert (found.budget.name, found.met) == ("call", met)
    assert found.measured == f"{ratio:g} ({ratio - 0.1:.3g} to {ratio + 0.1:.3g})"


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    """Also what a short measurement cannot tell."""
    memory = {"mode": "quick", "measured": {"misses": {"mb_per_100_000_calls": 99.0}, "idle_cpu_share": 0.01}}
    found = {one.budget.name: one.met for one in verdicts({"memory": memory})}
    assert (found["slope"], found["idle"], found["call"]) == (None, True, None)


def test_every_budget_has_one_bound_and_a_name_of_its_own() -> None:
    """So that reasons find the row that they belong to."""
    assert all((budget.at_most is None) != (budget.at_least is None) for budget in BUDGETS)
    assert len({budget.name for budget in BUDGETS}) == len(BUDGETS)


def test_a_page_of_one_part(tmp_path: Path) -> None:
    """It tells that part's numbers and says of the others that they were not measured."""
    settings = {"pinned": True}
    render({"machine": MACHINE, "settings": settings, "parts": {"call": call(1.4)}}, tmp_path / "performance.md")
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "| at most 1.35, goal 1.2 | 1.4 (1.3 to 1.5) | missed" in page
    assert "| `Route` | 1.9 |" in page
    assert "\nscripts/bench full --only call --pin\n" in page
    assert "The server is pinned to the first core" in page
    assert "Not measured in this run." in page
    assert list((tmp_path / "images/performance").iterdir()) == []
