"""What crosses between the server and its engine: whatever is written reads back the same."""

import numpy as np
from hypothesis import given, strategies as st

from fingerpost.backends.engine.wire import (
    LENGTH,
    SLOTS,
    Asked,
    answer,
    ask,
    error_facts,
    error_from,
    read_answer,
    read_asked,
)
from fingerpost.errors import FieldViolation, FingerpostError
from fingerpost.serve.retrieve import Degraded, GivenUp
from fingerpost.types import Embedded, Found, Neighbour, Reading, Reason, Retrieval, Vector

SLOT = st.integers(0, SLOTS - 1)
ANY_TEXT = st.text(st.characters(codec=None), max_size=200)  # half surrogate pairs too
FLOATS = st.floats(allow_nan=False, width=64)
COUNTS = st.integers(0, 2**31 - 1)


def vectors(dim: int) -> st.SearchStrategy[Vector]:
    return st.lists(st.floats(-1, 1, width=32), min_size=dim, max_size=dim).map(lambda v: np.array(v, np.float32))


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    return Reading(np.array(draw(st.lists(FLOATS, min_size=1, max_size=9))), draw(FLOATS), draw(FLOATS))


@st.composite
def findings(draw: st.DrawFn) -> Found:
    neighbours = draw(st.lists(st.builds(Neighbour, COUNTS, FLOATS), max_size=9))
    return Found(neighbours, draw(st.none() | readings()), draw(st.dictionaries(COUNTS, FLOATS, max_size=5)))


@st.composite
def retrievals(draw: st.DrawFn) -> Retrieval:
    dim = draw(st.integers(1, 16))
    vector = draw(vectors(dim))
    ends = draw(st.lists(vectors(dim), max_size=2))
    embedded = draw(
        st.none() | st.builds(Embedded, st.just(vector), COUNTS, st.booleans(), ANY_TEXT, st.just(tuple(ends)))
    )
    found = tuple(draw(st.lists(findings(), min_size=1, max_size=3)))
    return Retrieval(vector, embedded, found, draw(st.booleans()), draw(FLOATS), draw(COUNTS), draw(COUNTS))


def unframed(frame: bytes) -> bytes:
    (length,) = LENGTH.unpack_from(frame)
    assert length == len(frame) - LENGTH.size
    return frame[LENGTH.size :]


def shown(found: Found) -> tuple[object, ...]:
    """A finding as values that compare, arrays included."""
    reading = found.reading
    read = None if reading is None else (reading.probabilities.tolist(), reading.energy, reading.closeness)
    return list(found.neighbours), read, dict(found.proposed)


@given(SLOT, COUNTS, FLOATS, ANY_TEXT)
def test_a_text_arrives(slot: int, key: int, cost: float, text: str) -> None:
    """Any text, with half surrogate pairs and NUL in it, arrives with what stands beside it."""
    assert read_asked(unframed(ask(Asked(slot, key, cost, text)))) == Asked(slot, key, cost, text)


@given(SLOT, vectors(16))
def test_a_vector_arrives(slot: int, vector: Vector) -> None:
    """A vector arrives to the bit."""
    arrived = read_asked(unframed(ask(Asked(slot, 1, 0.1, vector))))
    assert not isinstance(arrived.wanted, str)
    assert vector.tobytes() == arrived.wanted.tobytes()


@given(SLOT, retrievals())
def test_a_retrieval_comes_back(slot: int, sent: Retrieval) -> None:
    """Every part of what was found comes back the same."""
    arrived_slot, arrived = read_answer(unframed(answer(slot, sent)))
    assert isinstance(arrived, Retrieval)
    assert slot == arrived_slot
    assert sent.vector.tobytes() == arrived.vector.tobytes()
    assert [shown(found) for found in sent.found] == [shown(found) for found in arrived.found]
    assert (sent.foreign, sent.start_time) == (arrived.foreign, arrived.start_time)
    assert (sent.embed_us, sent.search_us) == (arrived.embed_us, arrived.search_us)
    assert (sent.embedded is None) == (arrived.embedded is None)
    if sent.embedded is not None and arrived.embedded is not None:
        assert (sent.embedded.text, sent.embedded.token_count) == (arrived.embedded.text, arrived.embedded.token_count)
        assert sent.embedded.truncated == arrived.embedded.truncated
        assert [end.tobytes() for end in sent.embedded.ends] == [end.tobytes() for end in arrived.embedded.ends]


@given(
    st.sampled_from(FingerpostError.__subclasses__()),
    st.text(),
    st.text(min_size=1),
    st.dictionaries(st.text(), st.text(), max_size=3),
    st.none() | COUNTS,
)
def test_an_error_keeps_its_kind_and_all_that_it_says(
    kind: type[FingerpostError], message: str, reason: str, metadata: dict[str, str], retry_after_ms: int | None
) -> None:
    """An error of ours comes back as the same class, with message, reason, fields, metadata and retry time."""
    sent = kind(message, reason, fields=[FieldViolation("a", "b")], metadata=metadata, retry_after_ms=retry_after_ms)
    arrived = error_from(error_facts(sent))
    assert type(arrived) is kind
    assert vars(sent) == vars(arrived)


@given(SLOT, st.sampled_from(Reason))
def test_what_was_not_run_says_so(slot: int, reason: Reason) -> None:
    """A degraded text keeps its reason, and one that was given up is told apart."""
    _, degraded = read_answer(unframed(answer(slot, Degraded(reason))))
    _, given_up = read_answer(unframed(answer(slot, GivenUp())))
    assert isinstance(degraded, Degraded)
    assert degraded.reason is reason
    assert isinstance(given_up, GivenUp)


def test_another_programs_error_tells_its_type_alone() -> None:
    """What an exception that is not ours says stays in the process: it may hold the prompt."""
    _, arrived = read_answer(unframed(answer(1, RuntimeError("secret-canary"))))
    assert isinstance(arrived, FingerpostError)
    assert "RuntimeError" in arrived.message
    assert "canary" not in str(vars(arrived))
