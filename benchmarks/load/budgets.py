"""The budgets: what was promised of each number, and whether it holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Measured = Mapping[str, Any]
"""What a part of the results says."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A promise of one number; `at_most` or `at_least` bounds it."""

    name: str  # by which reasons for missing it are kept
    what: str
    part: str
    read: Callable[[Measured], Any]  # a number, or the spread of several starts; None: not known
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    goal: str = ""
    full_only: bool = False  # a short measurement would only show noise

    @property
    def bound(self) -> str:
        limit = self.at_least if self.at_most is None else self.at_most
        words = "at least" if self.at_most is None else "at most"
        return f"{words} {written(limit, self.unit)}" + (f", goal {self.goal}" if self.goal else "")

    def holds(self, value: float) -> bool:
        return value <= self.at_most if self.at_most is not None else value >= (self.at_least or 0.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A budget and what was measured of it; None: not measured."""

    budget: Budget
    measured: str
    met: bool | None


def verdicts(parts: Mapping[str, Any]) -> list[Verdict]:
    """Of all budgets, in their order."""
    return [_verdict(budget, parts.get(budget.part)) for budget in BUDGETS]


def written(value: float | None, unit: str) -> str:
    """A number as the page shows it."""
    if value is None:
        return ""
    if unit == "%":
        return f"{100 * value:.3g} %"
    number = f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
    return f"{number} {unit}".strip()


def with_range(spread: Measured, unit: str = "") -> str:
    """The median of several server starts, with the lowest and the highest."""
    low, middle, high = (written(spread[key], unit) for key in ("lowest", "median", "highest"))
    return f"{middle} ({low} to {high})" if low != high else middle


def _verdict(budget: Budget, part: Mapping[str, Any] | None) -> Verdict:
    if part is None or (budget.full_only and part["mode"] != "full"):
        return Verdict(budget, "", None)
    found = budget.read(part["measured"])
    if found is None:
        return Verdict(budget, "", None)
    if isinstance(found, Mapping):
        return Verdict(budget, with_range(found, budget.unit), budget.holds(found["median"]))
    return Verdict(budget, written(found, budget.unit), budget.holds(found))


# --- Reading ------------------------------------------------------------------------------------------------------


def _best_goodput(phases: Measured) -> float:
    """The most OK answers in time that any load got from this server."""
    rows = [*phases["a"], *(row for steps in phases["b"].values() for row in steps), phases["d"], phases["e"]]
    return float(max(row["goodput_per_s"] for row in rows))


def _goodput(phase: str) -> Callable[[Measured], float]:
    return lambda phases: phases[phase]["goodput_per_s"] / _best_goodput(phases)


def _p99(run: Measured, code: str = "OK") -> float | None:
    found: float | None = run["codes"].get(code, {}).get("p99_ms")
    return found


def _p99_over_c(phase: str) -> Callable[[Measured], float | None]:
    def read(phases: Measured) -> float | None:
        own, steady = _p99(phases[phase]), _p99(phases["c"])
        return own / steady if own and steady else None

    return read


def _refused_p99(phase: str) -> Callable[[Measured], float | None]:
    return lambda phases: _p99(phases[phase], "RESOURCE_EXHAUSTED")


def _other_codes(phase: str) -> Callable[[Measured], int]:
    def read(phases: Measured) -> int:
        codes = phases[phase]["codes"]
        return sum(row["count"] for code, row in codes.items() if code not in ("OK", "RESOURCE_EXHAUSTED"))

    return read


def _memory_over_c(phase: str) -> Callable[[Measured], float]:
    def highest(phases: Measured, name: str) -> float:
        return float(phases[name]["server"]["memory_mb"]["highest"])

    return lambda phases: highest(phases, phase) / highest(phases, "c")


def _tail(phases: Measured) -> float | None:
    codes = phases["c"]["codes"]["OK"]
    return codes["p99_9_ms"] / codes["p99_ms"] if "p99_9_ms" in codes else None


def _steady_errors(phases: Measured) -> float:
    return 1.0 - float(phases["c"]["ok_share"])


def _extra_p99(phases: Measured) -> float | None:
    own, steady = _p99(phases["g"]), _p99(phases["c"])
    return own - steady if own and steady else None


def _activation_memory(phases: Measured) -> float:
    return float(phases["g"]["memory_afterwards_mb"] / phases["g"]["memory_before_mb"])


def _recovery(phases: Measured) -> float:
    found = phases["f"]["recovered_after_s"]
    return float("inf") if found is None else float(found)


def _lag_ms(phases: Measured) -> float | None:
    lag = phases["knee"]["server"]["loop_lag_p99_at_most_s"]
    return None if lag is None else lag * 1e3


def _of(*keys: str) -> Callable[[Measured], Any]:
    def read(measured: Measured) -> Any:  # noqa: ANN401
        found: Any = measured
        for key in keys:
            found = found[key]
        return found

    return read


BUDGETS = (
    Budget("call", "`Route`, one caller, over (encoder alone + empty call), p50", "call", _of("ratio"),
           at_most=1.35, goal="1.2"),
    Budget("saturation", "Throughput with 128 in flight, over the same embedding threads in process", "saturation",
           _of("cases", "one_thread", "ratio"), at_least=0.8),
    Budget("hit", "Exact-cache hit over the empty call, p50", "hits", _of("p50_ratio"), at_most=1.3),
    Budget("hit_rate", "Hits a second over empty calls a second", "hits", _of("throughput_ratio"), at_least=0.7),
    Budget("peer", "semantic-router in process with its LocalEncoder over `Route`, p50", "peers",
           _of("p50_ratio", "torch"), at_least=3, goal="5"),
    Budget("growth", "p50 at 15,000 utterances over p50 at 1,500", "growth", _of("p50_ratio"), at_most=1.15),
    Budget("start", "Server start to answering, 15,000 utterances", "growth", _of("large_start_s"), "s", at_most=1.5),
    Budget("memory", "Resident memory, 15,000 utterances", "growth", _of("large_memory_mb"), "MB", at_most=350),
    Budget("reindex", "Reindex of 15,000 utterances from scratch", "builds", _of("scratch_s"), "s", at_most=120),
    Budget("reindex_one", "Reindex after one more utterance", "builds", _of("one_more_s"), "s", at_most=5),
    Budget("knee", "Knee over ceiling", "phases", _of("knee_share"), at_least=0.7),
    Budget("steady_errors", "Calls not answered OK at 0.8 of the knee", "phases", _steady_errors, "%", at_most=0),
    Budget("tail", "p99.9 over p99 at 0.8 of the knee", "phases", _tail, at_most=5),
    Budget("lag", "Event loop lag at the knee, p99 (a bucket's bound)", "phases", _lag_ms, "ms", at_most=5,
           full_only=True),
    Budget("goodput_2", "Goodput at twice the knee, of the best", "phases", _goodput("d"), "%", at_least=0.9),
    Budget("codes_2", "Calls at twice the knee neither OK nor RESOURCE_EXHAUSTED", "phases", _other_codes("d"),
           at_most=0),
    Budget("accepted_2", "p99 of what is accepted at twice the knee, over 0.8 of it", "phases", _p99_over_c("d"),
           at_most=2),
    Budget("refused_2", "p99 of refusals at twice the knee", "phases", _refused_p99("d"), "ms", at_most=20),
    Budget("memory_2", "Memory at twice the knee, over 0.8 of it", "phases", _memory_over_c("d"), at_most=1.2),
    Budget("goodput_10", "Goodput at ten times the knee, of the best", "phases", _goodput("e"), "%", at_least=0.7),
    Budget("codes_10", "Calls at ten times the knee neither OK nor RESOURCE_EXHAUSTED", "phases", _other_codes("e"),
           at_most=0),
    Budget("accepted_10", "p99 of what is accepted at ten times the knee, over 0.8 of it", "phases", _p99_over_c("e"),
           at_most=3),
    Budget("refused_10", "p99 of refusals at ten times the knee", "phases", _refused_p99("e"), "ms", at_most=100),
    Budget("memory_10", "Memory at ten times the knee, over 0.8 of it", "phases", _memory_over_c("e"), at_most=1.5),
    Budget("recovery", "After that, seconds until half the knee is answered as before", "phases", _recovery, "s",
           at_most=10),
    Budget("activations", "Calls failed while revisions take turns, standard service config", "phases",
           _of("g", "failed_calls"), at_most=0),
    Budget("activations_p99", "p99 added by that", "phases", _extra_p99, "ms", at_most=50),
    Budget("activations_memory", "Memory afterwards, over before", "phases", _activation_memory, at_most=1.1,
           full_only=True),
    Budget("crowd", "Of 10,000 calls at once, neither answered nor refused in time", "crowd", _of("improper"),
           at_most=0),
    Budget("slope", "Memory for 100,000 more calls, cache off", "memory", _of("misses", "mb_per_100_000_calls"), "MB",
           at_most=1, full_only=True),
    Budget("slope_hits", "The same with hits alone", "memory", _of("hits", "mb_per_100_000_calls"), "MB", at_most=1,
           full_only=True),
    Budget("idle", "CPU when nobody calls, of a core", "memory", _of("idle_cpu_share"), "%", at_most=0.02),
    Budget("base", "Installed base package with what it needs", "installs", _of("base_mb"), "MB", at_most=25),
    Budget("import", "Importing the client", "installs", _of("import_s"), "s", at_most=0.15),
    Budget("server", "Installed with the extra `server`", "installs", _of("server_mb"), "MB", at_most=400),
)  # fmt: skip
