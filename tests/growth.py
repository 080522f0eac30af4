"""How much dearer is more work? In this thread's time of the processor: other load on the machine does not count."""

import gc
import time
from collections.abc import Callable

_REPEATS = 5


def cheapest(work: Callable[[], object], repeats: int = _REPEATS) -> float:
    """Seconds of the processor that the cheapest of several runs takes."""
    return min(_seconds(work) for _ in range(repeats))


def _seconds(work: Callable[[], object]) -> float:
    gc.disable()  # the search for garbage goes through other tests' objects too
    try:
        started = time.thread_time()
        work()
        return time.thread_time() - started
    finally:
        gc.enable()
