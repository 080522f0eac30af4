"""Embed: whose text is next? A queue that is bounded in time, in front of the embedding threads.

The queue lives on the event loop; the threads run elsewhere and are sent a text at a time, or a few of the cheap ones
ahead, so that none is idle while the loop is busy with other calls.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from functools import partial

from fingerpost.engine_ports import Lane, Ticket
from fingerpost.errors import ErrorReason, Unavailable
from fingerpost.guard.backlog import Backlog
from fingerpost.guard.cost import TextCost
from fingerpost.guard.fair import FairLine
from fingerpost.serve.retrieve import NEVER, Degraded
from fingerpost.serve.runtime import Snapshot
from fingerpost.types import Reason, Retrieval, Vector

AHEAD_SECONDS, AHEAD_TEXTS = 0.02, 256
"""Work that a thread is given beyond what it runs: as long as a busy event loop may be late. More would wear away the
tenants' turns; a longer text is only given to a thread that has nothing to do."""


class Job:
    """A text or vector on its way through the queue."""

    __slots__ = ("cost", "deadline", "future", "queue_time", "snapshot", "ticket", "wanted")

    def __init__(self, snapshot: Snapshot, wanted: str | Vector, deadline: float, cost: float, now: float) -> None:
        """Not yet handed over.

        Args:
            snapshot: What to embed and search with.
            wanted: A text to embed, or a unit vector to search with.
            deadline: `time.monotonic` seconds.
            cost: Seconds that it is expected to take.
            now: When it was queued.
        """
        self.snapshot = snapshot
        self.wanted = wanted
        self.deadline = deadline
        self.cost = cost
        self.queue_time = now
        self.future: asyncio.Future[Retrieval] = asyncio.get_running_loop().create_future()
        self.ticket: Ticket | None = None

    def put_off(self, deadline: float) -> None:
        """Give it at least until `deadline`."""
        if deadline > self.deadline:
            self.deadline = deadline
            if self.ticket is not None:
                self.ticket.put_off(deadline)

    def give_up(self) -> None:
        """Nobody waits any more: it must cost nothing from now on."""
        if self.ticket is not None:
            self.ticket.put_off(NEVER)

    def settle(self, result: Retrieval | Exception) -> None:
        if self.future.done():
            return
        if isinstance(result, Exception):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class EmbedQueue:
    """Orders texts for the embedding threads; of the event loop, but what is asked of its state is safe anywhere."""

    def __init__(self, lanes: Sequence[Lane], standing_seconds: float = 0.25, burst_seconds: float = 1.0) -> None:
        """Nothing queued yet.

        Args:
            lanes: The embedding threads.
            standing_seconds: The longest wait while there is too much work; see `guard.backlog`.
            burst_seconds: The longest wait of a burst.
        """
        self._lanes = lanes
        self._ahead = [0.0] * len(lanes)  # seconds of work that each was sent and has not done
        self._sent = [0] * len(lanes)  # texts, likewise
        self._cost = TextCost()
        self._backlog = Backlog(max(1, len(lanes)), standing_seconds, burst_seconds)
        self._line: FairLine[Job] = FairLine()
        self._reading = threading.Lock()  # the line does not change while another thread reads it
        self._closed = False

    def close(self) -> None:
        """Refuse what is queued, and whatever comes."""
        self._closed = True
        while self._line:
            self._pop().settle(_stopping())

    def __len__(self) -> int:
        """Texts that wait; of those at a thread all but one."""
        return len(self._line) + sum(max(0, sent - 1) for sent in self._sent)

    def oldest_seconds(self) -> float:
        """How long the first of what waits in line has waited; 0 when nothing waits."""
        with self._reading:
            queued = min((job.queue_time for job in self._line if not job.future.done()), default=None)
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
        now = time.monotonic()
        cost = self._cost.estimate(_chars(wanted))
        if deadline - now < cost:
            raise Degraded(Reason.DEADLINE_SHORT)
        if not admitted:
            self._backlog.check(tenant, cost, now, deadline - now)
        if self._closed:
            raise _stopping()
        job = Job(snapshot, wanted, deadline, cost, now)
        with self._reading:
            # A long text steps back by what it costs: short ones pass it, and nothing waits for ever.
            self._line.push(job, tenant, now + cost, cost)
        self._backlog.enter(tenant, cost)
        job.future.add_done_callback(lambda _: self._leave(tenant, job))
        self._feed()
        return job

    def _leave(self, tenant: str, job: Job) -> None:
        self._backlog.leave(tenant, job.cost, time.monotonic())
        if job.future.cancelled():
            job.give_up()
        elif job.future.exception() is None:
            done = job.future.result()
            self._cost.learn(_chars(job.wanted), (done.embed_us + done.search_us) / 1e6)

    def _feed(self) -> None:
        """Hand over what the threads have room for."""
        while (place := self._place()) is not None:
            job = self._pop()
            if not job.future.done():  # a cancelled call must cost nothing
                self._send(job, place)

    def _place(self) -> int | None:
        """The thread that the next text goes to; None while it must wait, or when nothing does."""
        cost = self._line.next_cost()
        if cost is None or not self._lanes:
            return None
        place = min(range(len(self._lanes)), key=self._ahead.__getitem__)
        sent = self._sent[place]
        has_room = not sent or (sent < AHEAD_TEXTS and self._ahead[place] + cost <= AHEAD_SECONDS)
        return place if has_room else None

    def _send(self, job: Job, place: int) -> None:
        self._ahead[place] += job.cost
        self._sent[place] += 1
        done = partial(self._done, job, place)
        job.ticket = self._lanes[place].send(job.snapshot.loaded, job.wanted, job.deadline, job.cost, done)

    def _done(self, job: Job, place: int, result: Retrieval | Exception) -> None:
        self._sent[place] -= 1
        self._ahead[place] = self._ahead[place] - job.cost if self._sent[place] else 0.0  # no rest of rounding
        job.ticket = None
        job.settle(result)
        self._feed()

    def _pop(self) -> Job:
        with self._reading:
            return self._line.pop()


def _chars(wanted: str | Vector) -> int:
    return len(wanted) if isinstance(wanted, str) else 0


def _stopping() -> Unavailable:
    return Unavailable("the server is stopping: retry elsewhere", ErrorReason.STOPPING)
