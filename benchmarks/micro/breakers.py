"""Times what breakers cost a request and a report.

    .venv/bin/python -m benchmarks.micro.breakers

With 10 and with 500 models, all well, and with as many left alone as may be: asking which are blocked, noting which one was
chosen, noting how a call ended, and asking again after a change.
"""

import time
from collections.abc import Callable

from fingerpost.guard.breaker import Breakers
from fingerpost.types import BreakerRules, CallStatus

_ROUNDS, _CALLS = 50, 2_000


def main() -> None:
    for count in (10, 500):
        names = [f"m{number}" for number in range(count)]
        for failing in (0, count // 2):
            print(f"{count} models, {failing} left alone:")
            for what, took in _times(names, failing).items():
                print(f"  {what}: {took:.0f} ns")


def _times(names: list[str], failing: int) -> dict[str, float]:
    """Nanoseconds of each kind of call."""
    breakers = Breakers("default", BreakerRules(), names)
    for name in names[:failing]:
        for _ in range(5):
            breakers.report(name, CallStatus.SERVER_ERROR, 0.0)
    well, now = names[failing:], _clock()
    assert len(breakers.blocked(now())) == failing

    def change() -> None:
        breakers.report(well[0], CallStatus.RATE_LIMITED, now(), 1.0)
        breakers.blocked(now())

    numbers = iter(range(10**9))
    return {
        "blocked, nothing changed": _ns(lambda: breakers.blocked(now())),
        "took": _ns(lambda: breakers.took(well[next(numbers) % len(well)], now())),
        "report, a good call": _ns(lambda: breakers.report(well[next(numbers) % len(well)], CallStatus.OK, now())),
        "report, a late failure": _ns(lambda: breakers.report(names[0], CallStatus.SERVER_ERROR, now()))
        if failing
        else 0.0,
        "a change, and blocked after it": _ns(change),
    }


def _clock() -> Callable[[], float]:
    """A millisecond later each time: all calls are within one cool-down."""
    times = iter(range(10**9))
    return lambda: next(times) * 1e-8


def _ns(call: Callable[[], object]) -> float:
    """The fastest round, less what calling costs by itself."""
    return _round(call) - _round(lambda: None)


def _round(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter_ns()
        for _ in range(_CALLS):
            call()
        times.append((time.perf_counter_ns() - began) / _CALLS)
    return min(times)


if __name__ == "__main__":
    main()
