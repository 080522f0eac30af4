"""The knee, and the other verdicts on runs: pure, so that they can be tested without a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.load.times import Times

P99_GROWTH = 2.0
OK_SHARE = 0.999


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one offered rate."""

    rate: float  # in any unit
    p99_ms: float
    ok_share: float  # [0, 1]
    void: bool  # the generator was late: it says nothing


def knee(steps: Sequence[Step]) -> Step | None:
    """The highest rate with 99.9 % OK and a p99 of at most twice that of the lowest rate; None without any."""
    counted = sorted((step for step in steps if not step.void), key=lambda step: step.rate)
    if not counted:
        return None
    limit = P99_GROWTH * counted[0].p99_ms
    passed = [step for step in counted if step.p99_ms <= limit and step.ok_share >= OK_SHARE]
    return passed[-1] if passed else None


def recovered_after(windows: Sequence[Mapping[str, Times]], limit_ms: float, span: int = 3) -> int | None:
    """Seconds until `span` seconds on end have all calls OK and a p99 under the limit; None: never.

    Args:
        windows: Times by gRPC code of each second.
        limit_ms: What counts as recovered.
        span: So many seconds are judged together.
    """
    for start in range(len(windows) - span + 1):
        together, failed = Times(), False
        for window in windows[start : start + span]:
            failed = failed or any(code != "OK" for code in window)
            together.merge(window.get("OK", Times()))
        p99 = together.at(99)
        if not failed and p99 is not None and p99 <= limit_ms:
            return start
    return None


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the line that fits best, by least squares; 0 where the xs are all the same."""
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
