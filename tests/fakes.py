"""Stand-ins that implement the engines' Protocols, for tests that need a fault or chosen vectors."""

import asyncio
import hashlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

import numpy as np

from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.keeping import Keeping, KeptTreasury
from fingerpost.engine_ports import Done, Embedder, Lane, Loaded
from fingerpost.serve.guards import Guards
from fingerpost.serve.plan import Plan
from fingerpost.serve.retrieve import Retriever, attempt
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.serve.search import Space
from fingerpost.serve.spell import Speller
from fingerpost.serve.spending import Spending
from fingerpost.types import (
    OUT_OF_SCOPE,
    Activation,
    Calibration,
    ConfidenceMap,
    Decider,
    Embedded,
    EncoderId,
    Exemplar,
    Head,
    Model,
    Policy,
    RoutePolicy,
    ScopeMap,
    Vector,
    Vectors,
)

DIM = 32
DIGEST = "f" * 64

HASH_ENCODER = EncoderId(DIGEST, "hash", DIM, 256)

WHOLE_WORDS = frozenset(("hello", "please", "invoice", "weather"))
"""What the embedder of the tests knows beside a catalog's own words."""


class HashEmbedder:
    """A text's words, hashed into directions and added up: deterministic, no model, similar words are near."""

    id = DIGEST
    dim = DIM
    max_tokens = 256

    def is_whole(self, word: str) -> bool:
        return word in WHOLE_WORDS

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.embed_one(text).vector for text in texts])

    def embed_one(self, text: str) -> Embedded:
        words = text.lower().split() or [text]
        total = np.sum([_direction(word) for word in words], axis=0)
        return Embedded((total / np.linalg.norm(total)).astype(np.float32), len(words) + 2, False, text)


@dataclass
class BrokenEmbedder(HashEmbedder):
    """Raises what it is told to, and counts."""

    error: Exception = field(default_factory=lambda: RuntimeError("secret-canary: session lost"))
    calls: int = 0

    def embed_one(self, text: str) -> Embedded:
        self.calls += 1
        raise self.error


@dataclass
class ChosenEmbedder(HashEmbedder):
    """Gives one chosen vector for every text."""

    vector: Vector = field(default_factory=lambda: np.full(DIM, np.nan, dtype=np.float32))

    def embed_one(self, text: str) -> Embedded:
        return Embedded(self.vector, 3, False, text)


@dataclass
class GatedEmbedder(HashEmbedder):
    """Waits for its gate, so that calls are surely in flight; records what it embedded."""

    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    seen: list[str] = field(default_factory=list)

    def embed_one(self, text: str) -> Embedded:
        self.seen.append(text)
        self.entered.set()
        self.gate.wait(20)
        return super().embed_one(text)


@dataclass(frozen=True)
class LocalRevision:
    """A revision in this process, as `ThreadEngine` uses it."""

    retriever: Retriever
    encoder: EncoderId = HASH_ENCODER
    precision: str = "fp32"


@dataclass
class HeldTicket:
    """A text at a thread of this process."""

    deadline: float

    def put_off(self, deadline: float) -> None:
        self.deadline = deadline


class ThreadLane:
    """An embedding thread of this process, for embedders that a test wants to watch or to hold."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._sent: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def send(self, loaded: Loaded, wanted: str | Vector, deadline: float, cost: float, done: Done) -> HeldTicket:
        assert isinstance(loaded, LocalRevision)
        loop, ticket, retriever = asyncio.get_running_loop(), HeldTicket(deadline), loaded.retriever

        def run() -> None:
            result = attempt(retriever, wanted, self._number, ticket.deadline, cost)
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(done, result)

        self._sent.put(run)
        return ticket

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._sent.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (run := self._sent.get()) is not None:
            run()


class ThreadEngine:
    """Embedding threads of this process."""

    pid = None
    restarts = 0

    def __init__(self, threads: int) -> None:
        self.lanes = [ThreadLane(number) for number in range(threads)]

    async def start(self) -> None:
        for lane in self.lanes:
            lane.start()

    async def load(self, revision: str) -> Loaded:
        raise NotImplementedError  # snapshots of the tests are loaded already

    async def close(self) -> None:
        for lane in self.lanes:
            await asyncio.to_thread(lane.stop)


class HandEngine:
    """One embedding thread that does a text when the test says so, and tells that each took the same time.

    So what a server does under load depends on no clock: its queue holds what the test has not done yet.
    """

    pid = None
    restarts = 0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.lanes: Sequence[Lane] = [self]
        self.sent: deque[tuple[Loaded, str | Vector, Done]] = deque()

    async def start(self) -> None:
        pass

    async def load(self, revision: str) -> Loaded:
        raise NotImplementedError  # snapshots of the tests are loaded already

    async def close(self) -> None:
        pass

    def send(self, loaded: Loaded, wanted: str | Vector, deadline: float, cost: float, done: Done) -> HeldTicket:
        self.sent.append((loaded, wanted, done))
        return HeldTicket(deadline)

    def work(self) -> None:
        """Do the next text."""
        loaded, wanted, done = self.sent.popleft()
        assert isinstance(loaded, LocalRevision)
        result = attempt(loaded.retriever, wanted, 0, inf, 0.0)
        assert not isinstance(result, Exception)
        done(replace(result, embed_us=round(self.seconds * 1e6), search_us=0))


@dataclass
class MemoryCache:
    """Remembers vectors as long as the test lasts."""

    known: dict[tuple[str, str], Vector] = field(default_factory=dict)

    def get(self, encoder_digest: str, texts: Sequence[str]) -> dict[str, Vector]:
        found = {text: self.known.get((encoder_digest, text)) for text in texts}
        return {text: vector for text, vector in found.items() if vector is not None}

    def put(self, encoder_digest: str, vectors: Mapping[str, Vector]) -> None:
        self.known.update({(encoder_digest, text): vector for text, vector in vectors.items()})


def _direction(word: str) -> Vector:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)


ROUTES = {
    "code": ["write a function", "fix this bug", "review my code"],
    "maths": ["solve the equation", "add these numbers"],
}

DEFAULT_MAP = ConfidenceMap(Calibration.POOLED, -4.0, (8.0, 0.3, 2.0), 100, 0.2)


def guards() -> Guards:
    """Those of catalogs without budgets: no ledger is ever asked."""
    return Guards(Spending(KeptTreasury(Keeping(DataFolder(Path("no-such-folder"))))))


def decider(
    routes: Sequence[str] = tuple(ROUTES),
    confidence_map: ConfidenceMap = DEFAULT_MAP,
    threshold: float = 0.6,
    scope_map: ScopeMap | None = None,
    blend: float = 1.0,
) -> Decider:
    models = {name: Model(name, f"upstream-{name}") for name in (*routes, "big", "middle")}
    policies = tuple(RoutePolicy(name, "", name, threshold, False) for name in routes)
    policy = Policy("big", ("middle",))
    return Decider(policies, models, policy, DEFAULT_VOTE, confidence_map, threshold, blend, scope_map)


def snapshot(
    embedders: Sequence[Embedder] = (HashEmbedder(),),
    routes: dict[str, list[str]] = ROUTES,
    out_of_scope: Sequence[str] = (),
    catalog: str = "default",
    confidence_map: ConfidenceMap = DEFAULT_MAP,
    scope_map: ScopeMap | None = None,
    head: Head | None = None,
    blend: float = 1.0,
) -> Snapshot:
    """A catalog in force, of hashed words; without a head the vote decides alone."""
    exemplars = [Exemplar(text, number) for number, texts in enumerate(routes.values()) for text in texts]
    exemplars += [Exemplar(text, OUT_OF_SCOPE) for text in out_of_scope]
    engine = FaissFlatEngine()
    vectors = HashEmbedder().embed([e.text for e in exemplars]) if exemplars else np.empty((0, DIM), np.float32)
    retriever = Retriever(
        embedders=embedders,
        space=Space.of(engine.open(engine.build(vectors)), exemplars, head),
        speller=Speller((exemplar.text for exemplar in exemplars), HashEmbedder().is_whole),
        neighbours=DEFAULT_VOTE.neighbours,
    )
    return Snapshot(
        activation=Activation(catalog, "r" * 64, 1),
        loaded=LocalRevision(retriever),
        exemplars=tuple(exemplars),
        plan=Plan.of(decider(tuple(routes), confidence_map, scope_map=scope_map, blend=blend)),
        load_time=0.0,
    )
