"""Lag: is the event loop on time? Whatever blocks it delays every call."""

import asyncio
import time
from collections.abc import Callable

_INTERVAL_SECONDS = 0.1


async def watch_lag(note: Callable[[float], None]) -> None:
    """Ten times a second, for ever, tell how many seconds late the event loop was."""
    while True:
        due = time.monotonic() + _INTERVAL_SECONDS
        await asyncio.sleep(_INTERVAL_SECONDS)
        note(max(0.0, time.monotonic() - due))
