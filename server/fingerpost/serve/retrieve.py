"""Retrieve: what vector is this text, and what is near it? All that an embedding thread does.

One text a run, because a text's vector must not depend on its neighbours.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from fingerpost.engine_ports import Embedder
from fingerpost.errors import DeadlineExceeded, FingerpostError
from fingerpost.serve.search import Space, find
from fingerpost.serve.spell import Speller
from fingerpost.types import Reason, Retrieval, Vector

_log = structlog.get_logger(__name__)

NEVER = -math.inf
"""The deadline of a text that nobody waits for any more."""


class Degraded(Exception):
    """There is no vector in time, and not by the text's fault; the pipeline answers with the fallback."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class GivenUp(Exception):
    """The text was not run, because nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class Retriever:
    """A revision as embedding threads use it."""

    embedders: Sequence[Embedder]  # one for each embedding thread
    space: Space
    speller: Speller  # of the exemplars' words
    neighbours: int  # that are searched for

    def retrieve(self, wanted: str | Vector, thread: int) -> Retrieval:
        """Spell, embed and search.

        Args:
            wanted: A text to embed, or a unit vector to search with, shape (dim,), float32.
            thread: Number of the embedding thread that asks.

        Raises:
            InvalidRequest: PROMPT_EMPTY when the tokenizer reads nothing.
            InternalError: EMBEDDING_INVALID when the encoder gives no finite unit vector.
        """
        started = time.monotonic()
        embedded, foreign = None, False
        if isinstance(wanted, str):
            spelled = self.speller.read(wanted)
            embedded, *others = [self.embedders[thread].embed_one(view) for view in spelled.views]
            foreign = spelled.foreign
            views = [embedded.vector, *embedded.ends, *(other.vector for other in others)]
        else:
            views = [wanted]
        ready = time.monotonic()
        found = tuple(find(self.space, view, self.neighbours) for view in views)
        done = time.monotonic()
        return Retrieval(views[0], embedded, found, foreign, started, _us(ready - started), _us(done - ready))


def attempt(
    retriever: Retriever, wanted: str | Vector, thread: int, deadline: float, cost: float
) -> Retrieval | Exception:
    """Retrieve, unless it is too late; whatever goes wrong comes back as what the caller is to be told.

    Args:
        retriever: Of the revision that is asked.
        wanted: As `Retriever.retrieve` takes it.
        thread: Likewise.
        deadline: `time.monotonic` seconds.
        cost: Seconds that it is expected to take.
    """
    now = time.monotonic()
    if deadline == NEVER:
        return GivenUp()
    if now >= deadline:
        return DeadlineExceeded(
            "the time for the call ran out in the queue: retry with a longer deadline", metadata={"stage": "queue"}
        )
    if deadline - now < cost:
        return Degraded(Reason.DEADLINE_SHORT)
    try:
        return retriever.retrieve(wanted, thread)
    except FingerpostError as error:
        return error
    except Exception as error:  # noqa: BLE001  whatever an engine raises, the caller gets the fallback
        _log.error("encoder_failed", error=type(error).__name__)
        return Degraded(Reason.ENCODER_UNAVAILABLE)


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
