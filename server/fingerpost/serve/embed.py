"""Embed: what vector is this text, and what is near it? A queue that is bounded in time, and its embedding threads.

Each thread owns a one-thread encoder session per revision and runs spelling, tokenising, encoding and search outside
the event loop; one text a run, because a text's vector must not depend on its neighbours. Results return to the loop by
`call_soon_threadsafe`.
"""

import asyncio
import threading
import time
from dataclasses import dataclass

import structlog

from fingerpost.errors import DeadlineExceeded, ErrorReason, FingerpostError, Unavailable
from fingerpost.guard.backlog import Backlog
from fingerpost.guard.cost import TextCost
from fingerpost.guard.fair import FairLine
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.search import find
from fingerpost.types import Embedded, Found, Reason, Vector

_log = structlog.get_logger(__name__)


class Degraded(Exception):
    """There is no vector in time, and not by the text's fault; the pipeline answers with the fallback."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


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
class Job:
    """A text or vector on its way through the queue."""

    snapshot: Snapshot
    wanted: str | Vector  # a text to embed, or a unit vector to search with
    deadline: float  # time.monotonic seconds; may be put off while it waits
    cost: float  # seconds that it is expected to take
    queued: float
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Retrieval]"


class EmbedQueue:
    """Runs texts through the encoder on `threads` threads; `start` before use, `close` after."""

    def __init__(self, threads: int, standing_seconds: float = 0.25, burst_seconds: float = 1.0) -> None:
        """Not yet started.

        Args:
            threads: That embed.
            standing_seconds: The longest wait while there is too much work; see `guard.backlog`.
            burst_seconds: The longest wait of a burst.
        """
        self._cost = TextCost()
        self._backlog = Backlog(threads, standing_seconds, burst_seconds)
        self._line: FairLine[Job] = FairLine()
        self._changed = threading.Condition()
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
            left = [self._line.pop() for _ in range(len(self._line))]
            self._changed.notify_all()
        for job in left:
            _deliver(job, _stopping())
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def __len__(self) -> int:
        return len(self._line)

    def oldest_seconds(self) -> float:
        """How long the first of what waits has waited; 0 when nothing waits."""
        with self._changed:
            queued = min((job.queued for job in self._line if not job.future.done()), default=None)
        return 0.0 if queued is None else time.monotonic() - queued

    def check(self, tenant: str, deadline: float) -> None:
        """Whether the tenant may put anything in the queue now: what is asked once for a whole batch.

        Raises:
            Overloaded
        """
        now = time.monotonic()
        self._backlog.check(tenant, 0.0, now, deadline - now)

    def submit(
        self, snapshot: Snapshot, wanted: str | Vector, tenant: str, deadline: float, *, admitted: bool = False
    ) -> Job:
        """Queue a text to be embedded, or a vector as it is, and to be searched with; the job's future has the result.

        Args:
            snapshot: What to embed and search with.
            wanted: The text, or a vector of shape (dim,), float32, unit length.
            tenant: Whose turn it takes.
            deadline: `time.monotonic` seconds; a job that is still queued by then is dropped.
            admitted: It was checked already, as part of a batch.

        Raises:
            Overloaded, Unavailable: it cannot wait.
            Degraded: DEADLINE_SHORT, the time left is less than it takes. The future may raise that too, and
                ENCODER_UNAVAILABLE, DeadlineExceeded, Unavailable, and what the encoder says of the text.
        """
        now, chars = time.monotonic(), _chars(wanted)
        cost = self._cost.estimate(chars)
        if deadline - now < cost:
            raise Degraded(Reason.DEADLINE_SHORT)
        if not admitted:
            self._backlog.check(tenant, cost, now, deadline - now)
        loop = asyncio.get_running_loop()
        job = Job(snapshot, wanted, deadline, cost, now, loop, loop.create_future())
        with self._changed:
            if self._closed:
                raise _stopping()
            # A long text steps back by what it costs: short ones pass it, and nothing waits for ever.
            self._line.push(job, tenant, now + cost, cost)
            self._changed.notify()
        self._backlog.enter(tenant, cost)
        job.future.add_done_callback(lambda _: self._leave(tenant, job))
        return job

    def _leave(self, tenant: str, job: Job) -> None:
        self._backlog.leave(tenant, job.cost, time.monotonic())
        if not job.future.cancelled() and job.future.exception() is None:
            done = job.future.result()
            self._cost.learn(_chars(job.wanted), (done.embed_us + done.search_us) / 1e6)

    def _take(self) -> Job | None:
        with self._changed:
            while not self._line and not self._closed:
                self._changed.wait()
            return self._line.pop() if self._line else None

    def _work(self, number: int) -> None:
        while (job := self._take()) is not None:
            if not job.future.cancelled():  # a cancelled call must cost nothing
                _deliver(job, _run(job, number))


def _chars(wanted: str | Vector) -> int:
    return len(wanted) if isinstance(wanted, str) else 0


def _stopping() -> Unavailable:
    return Unavailable("the server is stopping: retry elsewhere", ErrorReason.STOPPING)


def _run(job: Job, thread_number: int) -> Retrieval | Exception:
    started = time.monotonic()
    if started >= job.deadline:
        return DeadlineExceeded(
            "the time for the call ran out in the queue: retry with a longer deadline", metadata={"stage": "queue"}
        )
    if job.deadline - started < job.cost:
        return Degraded(Reason.DEADLINE_SHORT)
    try:
        return _retrieve(job, thread_number, started)
    except FingerpostError as error:
        return error
    except Exception as error:  # noqa: BLE001  whatever an engine raises, the caller gets the fallback
        _log.error("encoder_failed", catalog=job.snapshot.catalog, error=type(error).__name__)
        return Degraded(Reason.ENCODER_UNAVAILABLE)


def _retrieve(job: Job, thread_number: int, started: float) -> Retrieval:
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


def _deliver(job: Job, result: Retrieval | Exception) -> None:
    try:
        job.loop.call_soon_threadsafe(_settle, job, result)
    except RuntimeError:  # the loop has ended: nobody waits any more
        _log.debug("result_dropped")


def _settle(job: Job, result: Retrieval | Exception) -> None:
    if job.future.done():
        return
    if isinstance(result, Exception):
        job.future.set_exception(result)
    else:
        job.future.set_result(result)
