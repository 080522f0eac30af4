"""What the queue hands to which thread: lanes that only note what they are sent."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fingerpost.engine_ports import Done, Loaded
from fingerpost.serve.embed import AHEAD_TEXTS, EmbedQueue, Job
from fingerpost.serve.retrieve import NEVER
from fingerpost.types import Retrieval, Vector
from tests.fakes import HashEmbedder, HeldTicket, snapshot

SNAPSHOT = snapshot()
SHORT, LONG = "fix this bug", "fix this bug " * 200


@dataclass
class NotingLane:
    """Holds what it is sent until the test answers."""

    sent: list[tuple[str | Vector, HeldTicket, Done]] = field(default_factory=list)

    def send(self, loaded: Loaded, wanted: str | Vector, deadline: float, cost: float, done: Done) -> HeldTicket:
        ticket = HeldTicket(deadline)
        self.sent.append((wanted, ticket, done))
        return ticket

    @property
    def wanted(self) -> list[str | Vector]:
        return [wanted for wanted, _, _ in self.sent]

    def answer(self, seconds: float = 0.001) -> None:
        """The first of them, as if it had taken so long."""
        vector = HashEmbedder().embed_one("x").vector
        self.sent.pop(0)[2](Retrieval(vector, None, (), False, 0.0, round(seconds * 1e6), 0))


def queued(texts: list[str], check: Callable[[EmbedQueue, list[NotingLane], list[Job]], None], lanes: int = 1) -> None:
    """Submit texts of one tenant to a queue of so many lanes, and check."""

    async def run() -> None:
        noting = [NotingLane() for _ in range(lanes)]
        queue = EmbedQueue(noting, 1_000, 1_000)
        jobs = [queue.submit(SNAPSHOT, text, "", time.monotonic() + 1_000) for text in texts]
        check(queue, noting, jobs)

    asyncio.run(run())


def test_idle_threads_come_first() -> None:
    """Texts go to the thread with the least to do."""

    def check(queue: EmbedQueue, lanes: list[NotingLane], jobs: list[Job]) -> None:
        assert [2, 2] == [len(lane.sent) for lane in lanes]
        assert 2 == len(queue)  # those that run do not wait

    queued([SHORT] * 4, check, lanes=2)


def test_a_dear_text_waits_for_a_thread_with_nothing_to_do() -> None:
    """A long text is not sent ahead, and nothing that is short waits behind it for long."""

    def check(queue: EmbedQueue, lanes: list[NotingLane], jobs: list[Job]) -> None:
        assert [SHORT] == lanes[0].wanted
        queue.submit(SNAPSHOT, "short", "", time.monotonic() + 1_000)
        assert [SHORT, "short"] == lanes[0].wanted
        lanes[0].answer()
        lanes[0].answer()
        assert [LONG] == lanes[0].wanted

    queued([SHORT, LONG], check)


def test_however_cheap_only_so_many_are_sent_ahead() -> None:
    """Texts that seem to take no time at all are bounded by their number."""

    async def run() -> int:
        lane = NotingLane()
        queue = EmbedQueue([lane], 1_000, 1_000)
        queue.submit(SNAPSHOT, SHORT, "", time.monotonic() + 1_000)
        lane.answer(seconds=0.0)
        await asyncio.sleep(0)  # what it took is learned
        await asyncio.sleep(0)
        for _ in range(3 * AHEAD_TEXTS):
            queue.submit(SNAPSHOT, SHORT, "", time.monotonic() + 1_000)
        return len(lane.sent)

    assert asyncio.run(run()) == AHEAD_TEXTS


def test_who_gives_up_or_puts_off_is_heard_at_the_thread() -> None:
    """A text that was sent ahead hears of a later deadline, and of nobody waiting any more."""

    async def run() -> tuple[float, float]:
        lane = NotingLane()
        queue = EmbedQueue([lane], 1_000, 1_000)
        deadline = time.monotonic() + 1_000
        jobs = [queue.submit(SNAPSHOT, text, "", deadline) for text in (SHORT, "put off", "given up")]
        jobs[1].put_off(deadline + 7)
        jobs[1].put_off(deadline - 7)  # never sooner
        jobs[2].future.cancel()
        await asyncio.sleep(0)
        return lane.sent[1][1].deadline - deadline, lane.sent[2][1].deadline

    later, never = asyncio.run(run())
    assert 7 == round(later, 6)
    assert never == NEVER
