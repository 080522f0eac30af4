"""Something done again and again in a thread while something else is measured."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Every:
    """A context manager; meanwhile `do` is called each `interval_seconds`, first after the first of them."""

    def __init__(self, interval_seconds: float, do: Callable[[], None]) -> None:
        self._interval = interval_seconds
        self._do = do
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._interval):
            self._do()
