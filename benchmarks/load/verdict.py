"""Verdicts of a soak: pure, so that they can be tested without one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.load.knee import slope

MB_PER_HOUR = 1.0
P99_GROWTH = 1.1
ARENA_GROWTH = 1.3
MB_PER_100_000_CANCELLED = 10.0
SPARE_DESCRIPTORS, SPARE_THREADS = 10, 4  # what the library opens for itself
WARM_SHARE = 0.2  # of the samples, left out of the slope

PROPER = {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "CANCELLED"}


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process and its children took at a moment."""

    seconds: float  # since the soak began
    memory_mb: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row of the table."""

    what: str
    bound: str
    measured: str
    met: bool

    def row(self) -> dict[str, Any]:
        return asdict(self)


def settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Without the warm-up."""
    return samples[int(WARM_SHARE * len(samples)) :]


def memory(samples: Sequence[Sample]) -> Verdict:
    rest = settled(samples)
    per_hour = 3600 * slope([one.seconds for one in rest], [one.memory_mb for one in rest])
    return Verdict(
        "memory after the warm-up", f"at most {MB_PER_HOUR:g} MB an hour", f"{per_hour:.2f} MB", per_hour <= MB_PER_HOUR
    )


def flat(what: str, values: Sequence[int], spare: int) -> Verdict:
    """Whether the last tenth holds no more than the first did."""
    part = max(1, len(values) // 10)
    first, last = max(values[:part]), max(values[-part:])
    return Verdict(what, f"as many as at first, {spare} to spare", f"{first}, then {last}", last <= first + spare)


def p99(tenths_ms: Sequence[float]) -> Verdict:
    """The last tenth of the time against the first after the warm-up tenth, since an empty cache is slower."""
    growth = tenths_ms[-1] / tenths_ms[1]
    measured = f"{tenths_ms[1]:.1f} ms, then {tenths_ms[-1]:.1f} ms"
    return Verdict(
        "p99 of short texts, last tenth over the second", f"at most {P99_GROWTH:g}", measured, growth <= P99_GROWTH
    )


def counters(codes: Mapping[str, Mapping[str, int]], counted: Mapping[str, float]) -> Verdict:
    """Whether the server counted each call once, by the code that the client saw.

    Args:
        codes: What clients saw, by kind of call and code.
        counted: What the server counted, by code. A call that its client gave up may have ended in any way there, or
            never have begun.
    """
    seen: dict[str, int] = {}
    for by_code in codes.values():
        for code, count in by_code.items():
            seen[code] = seen.get(code, 0) + count
    given_up = seen.pop("CANCELLED", 0)
    surplus = {code: counted.get(code, 0) - count for code, count in seen.items()}
    more = sum(surplus.values()) + sum(count for code, count in counted.items() if code not in seen)
    met = all(one >= 0 for one in surplus.values()) and more <= given_up
    ended = ", ".join(f"{count:,} {code}" for code, count in sorted(seen.items()))
    measured = f"{ended}, {given_up:,} given up; the server counted {sum(counted.values()):,.0f}"
    return Verdict("calls as clients saw them", "each counted once by the server, but those given up", measured, met)


def codes_seen(codes: Mapping[str, Mapping[str, int]]) -> Verdict:
    seen = {code for by_code in codes.values() for code in by_code}
    others = sorted(seen - PROPER)
    return Verdict("codes", ", ".join(sorted(PROPER)), ", ".join(others) or "no other", not others)


def nothing_left(in_flight: float, queued: float) -> Verdict:
    return Verdict(
        "left in flight and in the queue", "0 and 0", f"{in_flight:g} and {queued:g}", in_flight == queued == 0
    )


def cancelled(calls: int, grown_mb: float) -> Verdict:
    per = grown_mb * 1e5 / calls
    bound = f"at most {MB_PER_100_000_CANCELLED:g} MB for 100,000"
    return Verdict(
        f"memory over {calls:,} calls given up", bound, f"{grown_mb:.1f} MB", per <= MB_PER_100_000_CANCELLED
    )


def lengths(texts: int, growth: float) -> Verdict:
    what = f"memory after {texts:,} texts of 1 to 512 tokens"
    return Verdict(what, f"at most {ARENA_GROWTH:g} times", f"{growth:.2f} times", growth <= ARENA_GROWTH)
