"""What tables and plots read from the results file."""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

OURS, TUNED, PEER = "fingerpost", "fingerpost_tuned", "semantic_router"

ROUTED, NEAREST, KNOWN = "routed", "nearest", "known"
"""Ways of a prompt to its route: as served; to the nearest one, however unsure; to the right one."""

Entry = dict[str, Any]
Entries = dict[str, Entry]
Numbers = dict[str, float | None]


def headline(entry: Entry) -> list[Entry]:
    """The tasks that stand in every table."""
    return [task for task in entry["tasks"] if task["headline"]]


def value_of(task: Entry, system: str, metric: str) -> float | None:
    value: float | None = task["systems"][system]["metrics"][metric]["value"]
    return value


def mean_of(tasks: Sequence[Entry], system: str, metric: str) -> Numbers:
    """A system's metric over the tasks that it took part in."""
    return spread([task["systems"][system]["metrics"][metric] for task in tasks if system in task["systems"]])


def spread(found: Sequence[Numbers]) -> Numbers:
    """One number as it is; the mean of several with the interval of that mean."""
    if len(found) == 1:
        return found[0]
    values = [one["value"] for one in found if one["value"] is not None]
    if len(values) <= 1:
        return {"value": values[0] if values else None, "low": None, "high": None}
    middle, half = mean(values), 1.96 * stdev(values) / len(values) ** 0.5
    return {"value": middle, "low": middle - half, "high": middle + half}


def average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def pooled(shares: Sequence[Numbers]) -> float | None:
    """One share of several, each with its `count`."""
    count = sum(one["count"] or 0 for one in shares)
    return sum((one["value"] or 0.0) * (one["count"] or 0) for one in shares) / count if count else None
