"""FingerpostEncoder: Fingerpost's encoder in the place of one of semantic-router's."""

import asyncio
import os
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, PrivateAttr
from semantic_router.encoders import DenseEncoder

from fingerpost.bootstrap.encoding import encoder_source, ready_encoder
from fingerpost.engine_ports import Embedder, OpenEncoder
from fingerpost.errors import InvalidRequest
from fingerpost.ports import NoProgress


class FingerpostEncoder(DenseEncoder):  # type: ignore[misc]  # the library is not typed for us
    """The encoder of a data folder for semantic-router 1.x; it needs neither torch nor a network.

    It gives the very vectors that a server of the same folder searches by: each text has a run of its own, so that what
    stands beside it changes nothing. Texts of one call are shared out among the threads. A folder without the encoder
    gets it built first, which takes half a minute and needs the extra `build`. Tuned encoders belong to one catalog and
    are not used here.

    Safe to share between threads. A text that the tokenizer reads nothing of, and what is no text, raise ValueError, as
    in the library's own encoders; a folder that cannot be used raises a `fingerpost.errors.FingerpostError` at once.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # a misspelt `data` must not build an encoder

    name: str = "minilm"  # or a sentence-transformers folder, or a hub id
    type: str = "fingerpost"
    data: Path | str = "data"  # the data folder
    precision: str = "int8"  # or fp32
    threads: int | None = Field(default=None, ge=1)  # that embed side by side; None: one a core
    _opened: OpenEncoder = PrivateAttr()
    _idle: queue.SimpleQueue[Embedder] = PrivateAttr(default_factory=queue.SimpleQueue)

    def model_post_init(self, context: Any, /) -> None:  # noqa: ANN401  pydantic's signature
        """Find or build the encoder, and verify it."""
        source = encoder_source(self.name, self.precision)
        self._opened = ready_encoder(Path(self.data), source, NoProgress(), self.threads or os.cpu_count() or 1)
        for embedder in self._opened.embedders:
            self._idle.put(embedder)

    @property
    def dimensions(self) -> int:
        """Of its vectors."""
        return self._opened.encoder.dim

    @property
    def digest(self) -> str:
        """Of the encoder: vectors of equal digests may stand in one index."""
        return self._opened.encoder.digest

    def __call__(self, docs: Sequence[str]) -> list[list[float]]:
        """Vectors of the texts, of unit length.

        Raises:
            ValueError: one is no text, or holds nothing that the encoder reads.
        """
        if len(docs) < 2:
            return [self._embed(text) for text in docs]
        with ThreadPoolExecutor(len(self._opened.embedders), thread_name_prefix="fingerpost-encoder") as pool:
            return list(pool.map(self._embed, docs))

    async def acall(self, docs: Sequence[str]) -> list[list[float]]:
        """As a call, in a thread: the loop stays free."""
        return await asyncio.to_thread(self, docs)

    def _embed(self, text: str) -> list[float]:
        if not isinstance(text, str):
            raise ValueError(f"FingerpostEncoder reads texts, not {type(text).__name__}")
        try:
            with self._borrowed() as embedder:
                vector: list[float] = embedder.embed_one(text).vector.tolist()
        except InvalidRequest as error:
            raise ValueError(error.message) from error
        return vector

    @contextmanager
    def _borrowed(self) -> Iterator[Embedder]:
        """An embedder that nobody else has meanwhile; waits for one."""
        embedder = self._idle.get()
        try:
            yield embedder
        finally:
            self._idle.put(embedder)
