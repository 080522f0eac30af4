"""Embed: what vector is this text, and what is near it? A bounded queue and its embedding threads.

Each thread owns a one-thread encoder session per revision and runs spelling, tokenising, encoding and search outside
the event loop; one text a run, because a text's vector must not depend on its neighbours. Results return to the loop by
`call_soon_threadsafe`.
"""

import asyncio
import heapq
import threading
import time
from dataclasses import dataclass

import structlog

from fingerpost.errors import DeadlineExceeded, ErrorReason, FingerpostError, Unavailable
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.search import find
from fingerpost.types import Embedded, Found, Vector

_log = structlog.get_logger(__name__)

_PATIENCE_SECONDS_PER_BYTE = 20e-6
"""How far a longer text steps back in the queue: about what it costs to embed, so that short ones pass it while
nothing waits for ever, since its place is fixed and time moves on."""

_COSTLIEST_BYTES = 2048  # a longer text is cut to the encoder's window and costs no more


class EncoderFailure(Exception):
    """The encoder itself broke, not the text; it never leaves the server: the pipeline answers with the fallback."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What an embedding thread found; `embedded` is None for a given vector."""

    vector: Vector
    embedded: Embedded | None
    found: tuple[Found, ...]  # for the text as a whole, then for each end of a long one, or without its courtesies
    foreign: bool  # see `serve.spell`; False for a given vector
    queue_us: int
    embed_us: int
    search_us: int


@dataclass(slots=True)
class _Job:
    snapshot: Snapshot
    wanted: str | Vector  # a text to embed, or a unit vector to search with
    deadline: float  # time.monotonic seconds
    queued: float
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Retrieval]"


class EmbedQueue:
    """Runs texts through the encoder on `threads` threads; `start` before use, `close` after."""

    def __init__(self, threads: int) -> None:
        self._heap: list[tuple[float, int, _Job]] = []
        self._changed = threading.Condition()
        self._sequence = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"embed-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Refuse what is queued and end the threads."""
        with self._changed:
            self._closed = True
            left = [job for _, _, job in self._heap]
            self._heap.clear()
            self._changed.notify_all()
        for job in left:
            _deliver(job, Unavailable("the server is stopping: retry elsewhere", ErrorReason.STOPPING))
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def __len__(self) -> int:
        return len(self._heap)

    async def retrieve(self, snapshot: Snapshot, wanted: str | Vector, deadline: float) -> Retrieval:
        """Embed a text, or take a vector as it is, and search the snapshot's index.

        Args:
            snapshot: What to embed and search with.
            wanted: The text, or a vector of shape (dim,), float32, unit length.
            deadline: `time.monotonic` seconds; a job that is still queued by then is dropped.

        Raises:
            DeadlineExceeded, Unavailable, EncoderFailure, and what the encoder says of the text.
        """
        loop = asyncio.get_running_loop()
        job = _Job(snapshot, wanted, deadline, time.monotonic(), loop, loop.create_future())
        self._put(job)
        return await job.future

    def _put(self, job: _Job) -> None:
        size = min(len(job.wanted), _COSTLIEST_BYTES) if isinstance(job.wanted, str) else 0
        with self._changed:
            if self._closed:
                raise Unavailable("the server is stopping: retry elsewhere", ErrorReason.STOPPING)
            self._sequence += 1
            heapq.heappush(self._heap, (job.queued + size * _PATIENCE_SECONDS_PER_BYTE, self._sequence, job))
            self._changed.notify()

    def _take(self) -> _Job | None:
        with self._changed:
            while not self._heap and not self._closed:
                self._changed.wait()
            return heapq.heappop(self._heap)[2] if self._heap else None

    def _work(self, number: int) -> None:
        while (job := self._take()) is not None:
            if not job.future.cancelled():  # a cancelled call must cost nothing
                _deliver(job, _run(job, number))


def _run(job: _Job, thread_number: int) -> Retrieval | Exception:
    started = time.monotonic()
    if started >= job.deadline:
        return DeadlineExceeded(
            "the time for the call ran out in the queue: retry with a longer deadline", metadata={"stage": "queue"}
        )
    try:
        return _retrieve(job, thread_number, started)
    except FingerpostError as error:
        return error
    except Exception as error:  # noqa: BLE001  whatever an engine raises, the caller gets the fallback
        _log.error("encoder_failed", catalog=job.snapshot.catalog, error=type(error).__name__)
        return EncoderFailure()


def _retrieve(job: _Job, thread_number: int, started: float) -> Retrieval:
    snapshot, wanted = job.snapshot, job.wanted
    embedded, foreign = None, False
    if isinstance(wanted, str):
        spelled = snapshot.speller.read(wanted)
        embedded, *others = [snapshot.embedders[thread_number].embed_one(view) for view in spelled.views]
        foreign = spelled.foreign
        views = [embedded.vector, *embedded.ends, *(other.vector for other in others)]
    else:
        views = [wanted]
    ready = time.monotonic()
    found = tuple(find(snapshot.space, view, snapshot.decider.vote.neighbours) for view in views)
    done = time.monotonic()
    return Retrieval(
        views[0], embedded, found, foreign, _us(started - job.queued), _us(ready - started), _us(done - ready)
    )


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _deliver(job: _Job, result: Retrieval | Exception) -> None:
    try:
        job.loop.call_soon_threadsafe(_settle, job, result)
    except RuntimeError:  # the loop has ended: nobody waits any more
        _log.debug("result_dropped")


def _settle(job: _Job, result: Retrieval | Exception) -> None:
    if job.future.done():
        return
    if isinstance(result, Exception):
        job.future.set_exception(result)
    else:
        job.future.set_result(result)
