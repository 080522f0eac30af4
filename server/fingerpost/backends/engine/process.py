"""Process: the server's side of the engine. Starts it, loads revisions into it, and starts it anew when it dies."""

import asyncio
import itertools
import mmap
import socket
import tempfile
import weakref
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import structlog

from fingerpost.backends.engine.control import Control, unavailable
from fingerpost.backends.engine.lane import Connection, EngineLane, LoadedRevision
from fingerpost.backends.engine.wire import SLOTS, error_from
from fingerpost.engine_ports import Loaded
from fingerpost.errors import FailedPrecondition
from fingerpost.types import EncoderId

_log = structlog.get_logger(__name__)

_FIRST_RESTART_SECONDS, _LONGEST_RESTART_SECONDS = 0.1, 10.0
_EXIT_SECONDS = 5.0

MakeCommand = Callable[[Sequence[int]], Sequence[str]]
"""The engine's command line, given the descriptors that it inherits: control, shared deadlines, lanes."""


class EngineProcess:
    """Embedding threads in a child process; see `engine_ports.Engine`."""

    def __init__(self, threads: int, make_command: MakeCommand) -> None:
        """Nothing runs until `start`."""
        self._make_command = make_command
        self.lanes = tuple(EngineLane() for _ in range(threads))
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
            raise unavailable()
        key = next(self._keys)
        encoder, precision = await child.load(key, revision)
        self._held[key] = revision
        loaded = LoadedRevision(key, encoder, precision)
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


class _Child:
    """One process and its connections."""

    def __init__(self, process: asyncio.subprocess.Process, control: "Control", lanes: Sequence["EngineLane"]) -> None:
        self.process = process
        self._control = control
        self._lanes = lanes
        self.lost = control.lost

    @classmethod
    async def start(cls, lanes: Sequence["EngineLane"], make_command: MakeCommand) -> "_Child":
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
        _, connected = await loop.create_connection(Control, sock=ours[0])
        for lane, end, own in zip(lanes, ours[1:], deadlines, strict=True):
            await loop.create_connection(partial(Connection, lane, own), sock=end)
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
        raise unavailable() from error
