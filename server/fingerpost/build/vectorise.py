"""Vectorise: what vector is each text? Known ones come from the cache, the others from the encoder."""

import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

import numpy as np

from fingerpost.engine_ports import Embedder, VectorCache
from fingerpost.errors import ErrorReason, FieldViolation, InternalError, InvalidRequest
from fingerpost.ports import Progress
from fingerpost.types import Vector, Vectors

_CHUNK_TEXTS = 64  # a tenth of a second's work: what an interrupted run loses on each thread
_NORM_TOLERANCE = 1e-4


def vectorise(texts: Sequence[str], embedders: Sequence[Embedder], cache: VectorCache, progress: Progress) -> Vectors:
    """Vectors of the texts, each distinct one embedded at most once.

    Args:
        texts: Any number, repeated ones allowed.
        embedders: At least one, all of the same encoder; each is used by one thread at a time.
        cache: Asked first, and told in chunks, so that an interrupted run loses little.
        progress: Hears the step "vectorise", counted in distinct texts.

    Returns:
        Shape (len(texts), dim), float32, unit rows, in the order of the texts.

    Raises:
        InvalidRequest: PROMPT_EMPTY, a text holds nothing that the encoder reads; the field names its position.
        InternalError: EMBEDDING_INVALID, the encoder gave no finite unit vector; the message names the text's position.
    """
    first = embedders[0]
    positions: dict[str, int] = {}
    for position, text in enumerate(texts):
        positions.setdefault(text, position)
    progress.step("vectorise", len(positions))
    vectors = _known(list(positions), first, cache)
    progress.advance(len(vectors))
    missing = [text for text in positions if text not in vectors]
    for made in _embed_all(missing, positions, embedders):
        cache.put(first.id, made)
        progress.advance(len(made))
        vectors |= made
    rows = [vectors[text] for text in texts]
    return np.stack(rows) if rows else np.empty((0, first.dim), dtype=np.float32)


def _known(texts: Sequence[str], embedder: Embedder, cache: VectorCache) -> dict[str, Vector]:
    """What the cache holds and can be trusted: a damaged entry is embedded again."""
    found = cache.get(embedder.id, texts)
    return {text: vector for text, vector in found.items() if _sound(vector, embedder.dim)}


def _embed_all(
    texts: Sequence[str], positions: dict[str, int], embedders: Sequence[Embedder]
) -> Iterator[dict[str, Vector]]:
    """Vectors of the texts, chunk by chunk as they are done, one thread an embedder."""
    idle: queue.SimpleQueue[Embedder] = queue.SimpleQueue()
    for embedder in embedders:
        idle.put(embedder)

    def embed_chunk(start: int) -> dict[str, Vector]:
        embedder = idle.get()  # never waits: there are as many as threads
        try:
            return {text: _embed(text, positions[text], embedder) for text in texts[start : start + _CHUNK_TEXTS]}
        finally:
            idle.put(embedder)

    with ThreadPoolExecutor(len(embedders), thread_name_prefix="vectorise") as pool:
        try:
            futures = [pool.submit(embed_chunk, start) for start in range(0, len(texts), _CHUNK_TEXTS)]
            yield from map(Future.result, as_completed(futures))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)  # an error or Ctrl-C waits for the running chunks alone


def _embed(text: str, position: int, embedder: Embedder) -> Vector:
    try:
        vector = embedder.embed_one(text).vector
    except InvalidRequest as error:
        raise InvalidRequest(
            f"text {position}: {error.message}",
            error.reason,
            fields=[FieldViolation(f"texts[{position}]", error.message)],
        ) from error
    except InternalError as error:
        raise _invalid(position) from error
    if not _sound(vector, embedder.dim):
        raise _invalid(position)
    return vector


def _sound(vector: Vector, dim: int) -> bool:
    if vector.shape != (dim,) or vector.dtype != np.float32:
        return False
    return abs(float(np.linalg.norm(vector)) - 1.0) <= _NORM_TOLERANCE  # false for what is not finite


def _invalid(position: int) -> InternalError:
    return InternalError(
        f"the encoder gave no finite unit vector for text {position}",
        ErrorReason.EMBEDDING_INVALID,
        metadata={"position": str(position)},
    )
