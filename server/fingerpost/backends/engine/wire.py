"""Wire: what the server and its engine say to each other over their own pair of sockets.

Both sides are of one program on one machine and start together, so this has no versions. On a lane every text costs a
frame each way, in plain binary; on the control connection a line of JSON is enough.
"""

import json
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fingerpost import errors
from fingerpost.errors import FieldViolation, FingerpostError
from fingerpost.serve.retrieve import Degraded, GivenUp
from fingerpost.types import Embedded, Found, Neighbour, Reading, Reason, Retrieval, Vector

SLOTS = 4096
"""Texts that a lane can hold at a time: each has a deadline in memory that both sides share."""

LENGTH = struct.Struct("<I")  # of the frame that follows
_ASKED = struct.Struct("<IIdB")  # slot, revision's key, cost, kind
_ANSWERED = struct.Struct("<IB")  # slot, kind
_RETRIEVAL = struct.Struct("<dIIBIIHHH")  # start, embed_us, search_us, flags, tokens, text bytes, vectors, dim, views
_FOUND = struct.Struct("<IIIdd")  # neighbours, proposed routes, probabilities, energy, closeness

_FOREIGN, _EMBEDDED, _TRUNCATED = 1, 2, 4


class _Wanted(IntEnum):
    TEXT = 0
    VECTOR = 1


class _Kind(IntEnum):
    RETRIEVAL = 0
    ERROR = 1
    DEGRADED = 2
    GIVEN_UP = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """A text or a vector for a lane."""

    slot: int
    key: int  # of the revision, as it was loaded under
    cost: float  # seconds that it is expected to take
    wanted: str | Vector


def ask(asked: Asked) -> bytes:
    """As a frame."""
    wanted = asked.wanted
    if isinstance(wanted, str):
        kind, data = _Wanted.TEXT, wanted.encode("utf-8", "surrogatepass")
    else:
        kind, data = _Wanted.VECTOR, wanted.tobytes()
    return _framed(_ASKED.pack(asked.slot, asked.key, asked.cost, kind) + data)


def read_asked(frame: bytes) -> Asked:
    slot, key, cost, kind = _ASKED.unpack_from(frame)
    data = frame[_ASKED.size :]
    wanted = data.decode("utf-8", "surrogatepass") if kind == _Wanted.TEXT else np.frombuffer(data, np.float32)
    return Asked(slot, key, cost, wanted)


def answer(slot: int, result: Retrieval | Exception) -> bytes:
    """What came of a text, as a frame."""
    match result:
        case Retrieval():
            kind, data = _Kind.RETRIEVAL, b"".join(_retrieval_parts(result))
        case Degraded(reason=reason):
            kind, data = _Kind.DEGRADED, reason.value.encode()
        case GivenUp():
            kind, data = _Kind.GIVEN_UP, b""
        case _:
            kind, data = _Kind.ERROR, json.dumps(error_facts(result)).encode()
    return _framed(_ANSWERED.pack(slot, kind) + data)


def read_answer(frame: bytes) -> tuple[int, Retrieval | Exception]:
    """The slot, and what came of its text."""
    slot, kind = _ANSWERED.unpack_from(frame)
    if kind == _Kind.RETRIEVAL:
        return slot, _read_retrieval(_Parts(frame, _ANSWERED.size))
    data = frame[_ANSWERED.size :]
    if kind == _Kind.DEGRADED:
        return slot, Degraded(Reason(data.decode()))
    return slot, GivenUp() if kind == _Kind.GIVEN_UP else error_from(json.loads(data))


def error_facts(error: Exception) -> dict[str, Any]:
    """An error as JSON; of one that is not ours only the type is told, since its text may hold the prompt."""
    if not isinstance(error, FingerpostError):
        error = errors.InternalError(f"the engine failed: {type(error).__name__}")
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "reason": str(error.reason),
        "fields": [asdict(field) for field in error.fields],
        "metadata": error.metadata,
        "retry_after_ms": error.retry_after_ms,
    }


def error_from(facts: dict[str, Any]) -> FingerpostError:
    kinds = {kind.__name__: kind for kind in FingerpostError.__subclasses__()}
    return kinds.get(facts["kind"], errors.InternalError)(
        facts["message"],
        facts["reason"],
        fields=[FieldViolation(**field) for field in facts["fields"]],
        metadata=facts["metadata"],
        retry_after_ms=facts["retry_after_ms"],
    )


def _framed(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


# --- Retrievals ---------------------------------------------------------------------------------------------------


def _retrieval_parts(retrieval: Retrieval) -> Iterator[bytes]:
    embedded = retrieval.embedded
    text = b"" if embedded is None else embedded.text.encode("utf-8", "surrogatepass")
    vectors = (retrieval.vector, *(() if embedded is None else embedded.ends))
    flags = _FOREIGN * retrieval.foreign
    if embedded is not None:
        flags |= _EMBEDDED | _TRUNCATED * embedded.truncated
    yield _RETRIEVAL.pack(
        retrieval.start_time, retrieval.embed_us, retrieval.search_us, flags,
        0 if embedded is None else embedded.token_count, len(text),
        len(vectors), len(retrieval.vector), len(retrieval.found),
    )  # fmt: skip
    yield text
    for vector in vectors:
        yield vector.tobytes()
    for found in retrieval.found:
        yield from _found_parts(found)


def _found_parts(found: Found) -> Iterator[bytes]:
    neighbours, proposed, reading = found.neighbours, found.proposed, found.reading
    yield _FOUND.pack(
        len(neighbours), len(proposed), 0 if reading is None else len(reading.probabilities),
        0.0 if reading is None else reading.energy, 0.0 if reading is None else reading.closeness,
    )  # fmt: skip
    yield _numbered([n.exemplar for n in neighbours], [n.similarity for n in neighbours])
    yield _numbered(proposed.keys(), proposed.values())
    if reading is not None:
        yield reading.probabilities.tobytes()


def _numbered(numbers: Collection[int], values: Iterable[float]) -> bytes:
    """Numbers and as many values: for so few numpy would take longer, most of all when its code is cold."""
    count = len(numbers)
    return struct.pack(f"<{count}i{count}d", *numbers, *values)


class _Parts:
    """Reads a frame from front to back."""

    def __init__(self, frame: bytes, offset: int) -> None:
        self._frame = frame
        self._offset = offset

    def struct(self, layout: struct.Struct) -> tuple[Any, ...]:
        values = layout.unpack_from(self._frame, self._offset)
        self._offset += layout.size
        return values

    def bytes(self, count: int) -> bytes:
        self._offset += count
        return self._frame[self._offset - count : self._offset]

    def numbered(self, count: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """What `_numbered` wrote."""
        values = struct.unpack_from(f"<{count}i{count}d", self._frame, self._offset)
        self._offset += 12 * count
        return values[:count], values[count:]

    def array(self, kind: DTypeLike, count: int) -> NDArray[Any]:
        """A view of the frame, which lives as long as it does."""
        array = np.frombuffer(self._frame, kind, count, self._offset)
        self._offset += array.nbytes
        return array


def _read_retrieval(parts: _Parts) -> Retrieval:
    started, embed_us, search_us, flags, tokens, text_bytes, vector_count, dim, views = parts.struct(_RETRIEVAL)
    text = parts.bytes(text_bytes).decode("utf-8", "surrogatepass")
    vector, *ends = [parts.array(np.float32, dim) for _ in range(vector_count)]
    embedded = Embedded(vector, tokens, bool(flags & _TRUNCATED), text, tuple(ends)) if flags & _EMBEDDED else None
    found = tuple(_read_found(parts) for _ in range(views))
    return Retrieval(vector, embedded, found, bool(flags & _FOREIGN), started, embed_us, search_us)


def _read_found(parts: _Parts) -> Found:
    neighbour_count, proposed_count, probability_count, energy, closeness = parts.struct(_FOUND)
    neighbours = [*map(Neighbour, *parts.numbered(neighbour_count))]
    proposed = dict(zip(*parts.numbered(proposed_count), strict=True))
    if not probability_count:
        return Found(neighbours, None, proposed)
    return Found(neighbours, Reading(parts.array(np.float64, probability_count), energy, closeness), proposed)
