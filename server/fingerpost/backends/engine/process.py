"""Process: the server's side of the engine. Starts it, sends it texts, and starts it anew when it dies."""

import asyncio
import itertools
import json
import mmap
import socket
import tempfile
import weakref
from asyncio.subprocess import DEVNULL
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import structlog
from numpy.typing import NDArray

from fingerpost.backends.engine.wire import LENGTH, SLOTS, Asked, ask, error_from, read_answer
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.ports import Done, Loaded
from fingerpost.serve.retrieve import Degraded
from fingerpost.types import EncoderId, Reason, Vector

_log = structlog.get_logger(__name__)

_FIRST_RESTART_SECONDS, _LONGEST_RESTART_SECONDS = 0.1, 10.0
_EXIT_SECONDS = 5.0
_READ_BYTES = 65_536

MakeCommand = Callable[[Sequence[int]], Sequence[str]]
"""The engine's command line, given the descriptors that it inherits: control, shared deadlines, lanes."""


class EngineProcess:
    """Embedding threads in a child process; see `ports.Engine`."""

    def __init__(self, threads: int, make_command: MakeCommand) -> None:
        """Nothing runs until `start`."""
        self._make_command = make_command
        self.lanes = tuple(_Lane() for _ in range(threads))
        self.restarts = 0
        self._keys = itertools.count(1)
        self._held: dict[int, str] = {}  # revisions by key, to be loaded again in a new process
        self._child: _Child | None = None
        self._supervising: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, None while there is none."""
        return None if self._child is None else self._child.process.pid

    async def start(self) -> None:
        self._child = await self._started()
        self._supervising = asyncio.create_task(self._supervise())

    async def load(self, revision: str) -> Loaded:
        child = self._child
        if child is None:
            raise _unavailable()
        key = next(self._keys)
        encoder, precision = await child.load(key, revision)
        self._held[key] = revision
        loaded = _LoadedRevision(key, encoder, precision)
        weakref.finalize(loaded, self._unload, asyncio.get_running_loop(), key)
        return loaded

    async def close(self) -> None:
        if self._supervising is not None:
            self._supervising.cancel()
            await asyncio.wait({self._supervising})
        if self._child is not None:
            child, self._child = self._child, None
            await child.close()

    def _unload(self, loop: asyncio.AbstractEventLoop, key: int) -> None:
        """From whatever thread let go of the revision."""
        self._held.pop(key, None)
        if not loop.is_closed() and (child := self._child) is not None:
            loop.call_soon_threadsafe(child.unload, key)

    async def _supervise(self) -> None:
        """When the process dies calls get the fallback, until another one holds the same revisions."""
        clock, wait = asyncio.get_running_loop().time, _FIRST_RESTART_SECONDS
        while True:
            if (child := self._child) is not None:
                started = clock()
                await child.lost.wait()
                self._child = None
                self.restarts += 1
                await child.close()
                _log.error("engine_lost", exit_code=child.process.returncode)
                if clock() - started > _LONGEST_RESTART_SECONDS:  # it was well until now
                    wait = _FIRST_RESTART_SECONDS
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_RESTART_SECONDS)
            if await self._restarted():
                _log.info("engine_restarted", restarts=self.restarts)

    async def _restarted(self) -> bool:
        try:
            child = await self._started()
        except FailedPrecondition:
            return False
        try:
            await self._load_again(child)
        except asyncio.CancelledError:  # closed meanwhile: nobody else knows of this one
            await child.close()
            raise
        self._child = child
        return True

    async def _load_again(self, child: "_Child") -> None:
        for key, revision in list(self._held.items()):
            try:
                await child.load(key, revision)
            except Exception as error:  # noqa: BLE001  one revision that is gone does not keep the others away
                _log.error("revision_lost", revision=revision, error=str(error))

    async def _started(self) -> "_Child":
        return await _Child.start(self.lanes, self._make_command)


class _LoadedRevision:
    """See `ports.Loaded`; the engine forgets the revision when this is forgotten."""

    __slots__ = ("__weakref__", "encoder", "key", "precision")

    def __init__(self, key: int, encoder: EncoderId, precision: str) -> None:
        self.key = key
        self.encoder = encoder
        self.precision = precision


def _unavailable() -> FailedPrecondition:
    return FailedPrecondition(
        "the engine process does not run: see the log for why it ended", ErrorReason.ENCODER_UNAVAILABLE
    )


# --- A process ----------------------------------------------------------------------------------------------------


class _Child:
    """One process and its connections."""

    def __init__(self, process: asyncio.subprocess.Process, control: "_Control", lanes: Sequence["_Lane"]) -> None:
        self.process = process
        self._control = control
        self._lanes = lanes
        self.lost = control.lost

    @classmethod
    async def start(cls, lanes: Sequence["_Lane"], make_command: MakeCommand) -> "_Child":
        """A new process, connected.

        Raises:
            FailedPrecondition: ENCODER_UNAVAILABLE, it cannot be started.
        """
        ours, theirs = zip(*(socket.socketpair() for _ in range(1 + len(lanes))), strict=True)
        with tempfile.TemporaryFile() as shared, ExitStack() as closing, ExitStack() as closing_ours:
            for end in theirs:
                closing.enter_context(end)
            for end in ours:
                closing_ours.enter_context(end)
            shared.truncate(len(lanes) * SLOTS * 8)
            deadlines = np.frombuffer(mmap.mmap(shared.fileno(), 0), np.float64).reshape(-1, SLOTS)
            control, *others = (end.fileno() for end in theirs)
            process = await _started([control, shared.fileno(), *others], make_command)
            closing_ours.pop_all()  # from here on their transports close them
        loop = asyncio.get_running_loop()
        _, connected = await loop.create_connection(_Control, sock=ours[0])
        for lane, end, own in zip(lanes, ours[1:], deadlines, strict=True):
            await loop.create_connection(partial(_Connection, lane, own), sock=end)
        return cls(process, connected, lanes)

    async def load(self, key: int, revision: str) -> tuple[EncoderId, str]:
        reply = await self._control.ask({"key": key, "load": revision})
        if "error" in reply:
            raise error_from(reply["error"])
        return EncoderId(**reply["encoder"]), reply["precision"]

    def unload(self, key: int) -> None:
        self._control.tell({"unload": key})

    async def close(self) -> None:
        """End the process: it does so by itself when its connections end."""
        self._control.close()
        for lane in self._lanes:
            lane.disconnect()
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def _started(descriptors: Sequence[int], make_command: MakeCommand) -> asyncio.subprocess.Process:
    """Not forked: the engine starts afresh, with nothing of this process but these descriptors and the log."""
    try:
        return await asyncio.create_subprocess_exec(
            *make_command(descriptors), stdin=DEVNULL, stdout=DEVNULL, pass_fds=descriptors
        )
    except OSError as error:
        raise _unavailable() from error


class _Control(asyncio.Protocol):
    """Lines of JSON: a question each, answered in order."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._asked: deque[asyncio.Future[dict[str, Any]]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # a socket's always is one

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_result(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        while self._asked:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_exception(_unavailable())
        self.lost.set()

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._transport is None:
            raise _unavailable()
        asked: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self.tell(request)
        return await asked

    def tell(self, request: dict[str, Any]) -> None:
        if self._transport is not None:
            self._transport.write(json.dumps(request).encode() + b"\n")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


# --- A lane -------------------------------------------------------------------------------------------------------


class _Lane:
    """An embedding thread of whichever process runs now; see `ports.Lane`."""

    def __init__(self) -> None:
        self._connection: _Connection | None = None

    def connect(self, connection: "_Connection") -> None:
        self._connection = connection

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def lost(self, connection: "_Connection") -> None:
        if self._connection is connection:  # not yet another one's
            self._connection = None

    def send(self, loaded: Loaded, wanted: str | Vector, deadline: float, cost: float, done: Done) -> "_Ticket":
        if self._connection is None:
            asyncio.get_running_loop().call_soon(done, Degraded(Reason.ENCODER_UNAVAILABLE))
            return _Ticket(np.zeros(1), 0)
        key = cast(_LoadedRevision, loaded).key  # the snapshots of a server come from its own engine
        return self._connection.send(key, wanted, deadline, cost, done)


@dataclass(frozen=True, slots=True)
class _Ticket:
    """See `ports.Ticket`: the deadline lies in memory that the engine reads just before it begins."""

    deadlines: NDArray[np.float64]
    slot: int

    def put_off(self, deadline: float) -> None:
        self.deadlines[self.slot] = deadline


class _Connection(asyncio.BufferedProtocol):
    """Frames to and from one thread."""

    def __init__(self, lane: _Lane, deadlines: NDArray[np.float64]) -> None:
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
