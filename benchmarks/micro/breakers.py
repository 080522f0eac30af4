"""Times what breakers cost a request and a report.

    .venv/bin/python -m benchmarks.micro.breakers

With 10 and with 500 models, all well, and with half of them left alone: asking which are blocked, noting which one was
chosen, noting how a call ended, and asking again after a change. Of many rounds the fastest counts. Then an hour of
simulated time with a model that fails half of its calls, asked once a second.
"""

import time
from collections.abc import Callable, Iterator
from itertools import count, cycle
from statistics import mean

import numpy as np

from fingerpost.guard.breaker import Breakers
from fingerpost.types import BreakerRules, CallStatus

_ROUNDS, _CALLS = 1_000, 50
_SEEDS, _HOUR = 10, 3_600


def main() -> None:
    for models in (10, 500):
        for failing in (0, models // 2):
            print(f"{models} models, {failing} left alone")
            for what, took_ns in _times(models, failing):
                print(f"  {what}: {took_ns:,.0f} ns")
    left_alone, failed = zip(*(_flapping(seed) for seed in range(_SEEDS)), strict=True)
    print(f"a model that fails half of its calls: left alone {mean(left_alone):.1%} of the second half hour,", end=" ")
    print(f"{mean(failed):.1%} of the hour's requests fail")


def _times(models: int, failing: int) -> Iterator[tuple[str, float]]:
    """Nanoseconds of each kind of call."""
    names = [f"m{number}" for number in range(models)]
    breakers = Breakers("default", BreakerRules(), names)
    for name in names[:failing]:
        for _ in range(5):
            breakers.report(name, CallStatus.SERVER_ERROR, 0.0)
    well, now = cycle(names[failing:]), _clock()

    def change() -> None:
        breakers.report(next(well), CallStatus.RATE_LIMITED, now(), 1e-9)
        breakers.blocked(now())

    yield "blocked, nothing changed", _ns(lambda: breakers.blocked(now()))
    yield "took", _ns(lambda: breakers.took(next(well), now()))
    yield "report, a good call", _ns(lambda: breakers.report(next(well), CallStatus.OK, now()))
    if failing:
        yield "report, a late failure", _ns(lambda: breakers.report("m0", CallStatus.SERVER_ERROR, now()))
    yield "report, a rate limit, and blocked after it", _ns(change)


def _flapping(seed: int) -> tuple[float, float]:
    """Shares: of the second half hour that the model is left alone, and of the hour's requests that fail."""
    breakers, random = Breakers("default", BreakerRules(), ["flapping", "other"]), np.random.default_rng(seed)
    left_alone = failed = 0
    for second in range(_HOUR):
        if "flapping" in breakers.blocked(second):
            left_alone += second >= _HOUR // 2
            continue
        breakers.took("flapping", second)
        fails = random.random() < 0.5
        failed += fails
        breakers.report("flapping", CallStatus.SERVER_ERROR if fails else CallStatus.OK, second)
    return left_alone / (_HOUR - _HOUR // 2), failed / _HOUR


def _clock() -> Callable[[], float]:
    """A little later each time: all calls are within one cool-down."""
    ticks = count()
    return lambda: next(ticks) * 1e-8


def _ns(call: Callable[[], object]) -> float:
    """Less what calling costs by itself."""
    return _fastest(call) - _fastest(lambda: None)


def _fastest(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter_ns()
        for _ in range(_CALLS):
            call()
        times.append((time.perf_counter_ns() - began) / _CALLS)
    return min(times)


if __name__ == "__main__":
    main()
