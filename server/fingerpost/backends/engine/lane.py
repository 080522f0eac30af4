"""Lane: the server's end of the connection to one embedding thread."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fingerpost.backends.engine.wire import LENGTH, SLOTS, Asked, ask, read_answer
from fingerpost.engine_ports import Done, Loaded
from fingerpost.serve.retrieve import Degraded
from fingerpost.types import EncoderId, Reason, Vector

_READ_BYTES = 65_536


class LoadedRevision:
    """See `engine_ports.Loaded`; the engine forgets the revision when this is forgotten."""

    __slots__ = ("__weakref__", "encoder", "key", "precision")

    def __init__(self, key: int, encoder: EncoderId, precision: str) -> None:
        self.key = key
        self.encoder = encoder
        self.precision = precision


class EngineLane:
    """An embedding thread of whichever process runs now; see `engine_ports.Lane`."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def connect(self, connection: "Connection") -> None:
        self._connection = connection

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def lost(self, connection: "Connection") -> None:
        if self._connection is connection:  # not yet another one's
            self._connection = None

    def send(self, loaded: Loaded, wanted: str | Vector, deadline: float, cost: float, done: Done) -> "_Ticket":
        if self._connection is None:
            asyncio.get_running_loop().call_soon(done, Degraded(Reason.ENCODER_UNAVAILABLE))
            return _Ticket(np.zeros(1), 0)
        key = cast(LoadedRevision, loaded).key  # the snapshots of a server come from its own engine
        return self._connection.send(key, wanted, deadline, cost, done)


@dataclass(frozen=True, slots=True)
class _Ticket:
    """See `engine_ports.Ticket`: the deadline lies in memory that the engine reads just before it begins."""

    deadlines: NDArray[np.float64]
    slot: int

    def put_off(self, deadline: float) -> None:
        self.deadlines[self.slot] = deadline


class Connection(asyncio.BufferedProtocol):
    """Frames to and from one thread."""

    def __init__(self, lane: EngineLane, deadlines: NDArray[np.float64]) -> None:
        self._lane = lane
        self._deadlines = deadlines
        self._slots = deque(range(SLOTS))  # free ones
        self._done: dict[int, Done] = {}  # by slot
        self._read = bytearray(_READ_BYTES)
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # a socket's always is one
        self._lane.connect(self)

    def send(self, key: int, wanted: str | Vector, deadline: float, cost: float, done: Done) -> _Ticket:
        slot = self._slots.popleft()
        self._done[slot] = done
        self._deadlines[slot] = deadline
        cast(asyncio.WriteTransport, self._transport).write(ask(Asked(slot, key, cost, wanted)))
        return _Ticket(self._deadlines, slot)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        self._buffer += self._read[:nbytes]
        start = 0
        while len(self._buffer) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer, start)
            end = start + LENGTH.size + length
            if len(self._buffer) < end:
                break
            self._answered(bytes(self._buffer[start + LENGTH.size : end]))
            start = end
        del self._buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        self._lane.lost(self)
        self._transport = None
        lost, self._done = self._done, {}
        for done in lost.values():
            done(Degraded(Reason.ENCODER_UNAVAILABLE))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _answered(self, frame: bytes) -> None:
        slot, result = read_answer(frame)
        done = self._done.pop(slot)
        self._slots.append(slot)
        done(result)
