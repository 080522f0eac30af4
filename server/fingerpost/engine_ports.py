"""Engines as the stages see them: what embeds, tunes and finds nearest vectors, as Protocols."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Embedded, EncoderId, Neighbour, Retrieval, TuningVerdict, Vector, Vectors


class Embedder(Protocol):
    """Turns texts into unit vectors; a text's vector never depends on its neighbours. One thread at a time."""

    @property
    def id(self) -> str:
        """Digest of the encoder."""

    @property
    def dim(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def is_whole(self, word: str) -> bool:
        """Whether the encoder reads a word as one piece; safe to ask from any thread."""

    def embed(self, texts: Sequence[str]) -> Vectors: ...

    def embed_one(self, text: str) -> Embedded:
        """Embed one text and tell how it was read.

        Raises:
            InvalidRequest: PROMPT_EMPTY when the tokenizer reads nothing.
            InternalError: EMBEDDING_INVALID when the encoder gives no finite unit vector.
        """


@dataclass(frozen=True, slots=True, weakref_slot=True)
class OpenEncoder:
    """An encoder that is ready to embed, one embedder a thread."""

    encoder: EncoderId
    precision: str  # that runs here
    embedders: tuple[Embedder, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """An encoder that was tuned on n texts, and what it can be judged by."""

    served: OpenEncoder
    proof: OpenEncoder  # tuned likewise, but on none of the texts below
    judged: NDArray[np.bool_]  # (n,); texts of routes that the proof encoder learned others of
    outside: NDArray[np.bool_]  # (n,); out-of-scope texts, and all texts of routes that were left out


class Tuner(Protocol):
    """Tunes the workshop's encoder on a catalog's own texts."""

    def __call__(self, texts: Sequence[str], routes: Sequence[int]) -> tuple[TuningVerdict, Tuned | None]:
        """What came of it; no encoder where the plain one is to be kept.

        Args:
            texts: n distinct texts of a route or of none.
            routes: n numbers; OUT_OF_SCOPE for none.

        Raises:
            FailedPrecondition: ENCODER_UNAVAILABLE, what builds encoders is not installed.
            StorageFull: no half of an encoder is left behind.
        """


class VectorIndex(Protocol):
    """Finds the nearest of fixed vectors by cosine; safe to search from several threads."""

    @property
    def size(self) -> int: ...

    @property
    def dim(self) -> int: ...

    def search(self, vector: Vector, count: int) -> list[Neighbour]:
        """The `count` nearest (all when there are fewer), nearest first, equal ones by id."""

    def nearest_between(self, vector: Vector, start: int, stop: int) -> float:
        """Similarity of the nearest of the vectors `start` to `stop` - 1, at least one."""


class SelectiveIndex(Protocol):
    """Finds the nearest of fixed vectors, of all or of some, by comparing them; safe to search from several threads."""

    @property
    def size(self) -> int: ...

    @property
    def dim(self) -> int: ...

    @property
    def vectors(self) -> Vectors:
        """Shape (size, dim), read only, for as long as somebody holds the index."""

    def nearest(self, vector: Vector, count: int, rows: NDArray[np.int64] | None = None) -> list[Neighbour]:
        """The nearest, nearest first, equal ones by row; which of equal ones are found, their rows decide too.

        Args:
            vector: Shape (dim,), float32, unit length, finite.
            count: At least 1; all are found when there are fewer.
            rows: Distinct rows to look among; None: all.
        """


class IndexEngine(Protocol):
    """Builds and reads vector indexes of one kind, as bytes: files are never the engine's business."""

    @property
    def kind(self) -> str:
        """What a revision calls it."""

    @property
    def settings(self) -> Mapping[str, int]:
        """What it builds with; indexes tell by themselves what they were built with."""

    def suits(self, size: int, dim: int) -> bool:
        """Whether it can hold so many vectors of that dimension and pays for them."""

    def build(self, vectors: Vectors) -> bytes:
        """Serialise an index of `vectors`, shape (n, dim), float32, unit rows; ids are row numbers.

        The same vectors give the same bytes.
        """

    def open(self, data: bytes) -> VectorIndex:
        """Read what `build` made; the bytes must have been verified.

        Raises:
            DataLoss: they are no index of this kind.
        """


class Loaded(Protocol):
    """A revision that embedding threads can use, for as long as somebody holds this."""

    @property
    def encoder(self) -> EncoderId: ...

    @property
    def precision(self) -> str:
        """That runs here."""


class Ticket(Protocol):
    """A text that was handed to an embedding thread."""

    def put_off(self, deadline: float) -> None:
        """Change by when it must begin, `time.monotonic` seconds; -inf: nobody waits for it any more."""


Done = Callable[[Retrieval | Exception], None]
"""Told on the event loop what came of a text."""


class Lane(Protocol):
    """An embedding thread: runs the texts that it is sent in their order."""

    def send(self, loaded: Loaded, wanted: str | Vector, deadline: float, cost: float, done: Done) -> Ticket:
        """Hand over a text; on the event loop, without waiting.

        Args:
            loaded: What to embed and search with.
            wanted: A text, or a unit vector of shape (dim,), float32.
            deadline: `time.monotonic` seconds; a text that has not begun by then is dropped.
            cost: Seconds that it is expected to take.
            done: Told the result, or the error that the caller is to be told.
        """


class Engine(Protocol):
    """Embedding threads, wherever they run."""

    @property
    def lanes(self) -> Sequence[Lane]: ...

    @property
    def pid(self) -> int | None:
        """Of the process that they run in; None while there is none."""

    @property
    def restarts(self) -> int:
        """Times that they were lost and had to be started anew."""

    async def start(self) -> None:
        """Make the threads ready.

        Raises:
            FailedPrecondition: ENCODER_UNAVAILABLE, they cannot be started here.
        """

    async def load(self, revision: str) -> Loaded:
        """Verify a published revision and warm it up.

        Raises:
            NotFound, DataLoss, FailedPrecondition: it cannot be served.
        """

    async def close(self) -> None: ...


class VectorCache(Protocol):
    """Remembers vectors by encoder and text between reindexes; losing it costs only time."""

    def get(self, encoder_digest: str, texts: Sequence[str]) -> dict[str, Vector]: ...

    def put(self, encoder_digest: str, vectors: Mapping[str, Vector]) -> None: ...
