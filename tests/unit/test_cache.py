"""The exact cache of results."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fingerpost.serve.cache import Key, ResultCache, key_of
from fingerpost.serve.head import read
from fingerpost.serve.result import Result, result_of
from fingerpost.types import Activation, Embedded, Found, Head, Neighbour, Retrieval
from tests.fakes import DIM, HashEmbedder, snapshot

NOW = Activation("default", "r" * 64, 1)


def result(text: str = "fix this bug") -> Result:
    """What a text of the test catalog gives."""
    shown, embedded = snapshot(), HashEmbedder().embed_one(text)
    found = Found([Neighbour(number, 1.0 - number / 10) for number in range(5)])
    return result_of(Retrieval(embedded.vector, embedded, (found,), False, 1, 2, 3), shown)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def active(max_bytes: int = 10**6, ttl: float = 60, clock: Clock | None = None) -> ResultCache:
    cache = ResultCache(max_bytes, ttl, clock or Clock())
    cache.activate(NOW.catalog, [NOW.revision])
    return cache


def test_the_very_text_is_found_and_no_other() -> None:
    """A text differs by case, a blank, its catalog or its revision: each has a result of its own."""
    cache, kept = active(), result()
    cache.put(key_of(NOW, "Fix this bug"), kept)
    assert cache.get(key_of(NOW, "Fix this bug")) is kept
    others = [
        key_of(NOW, "fix this bug"),
        key_of(NOW, "Fix this bug "),
        key_of(Activation("other", NOW.revision, 1), "Fix this bug"),
        key_of(Activation("default", "q" * 64, 1), "Fix this bug"),
    ]
    assert [cache.get(key) for key in others] == [None] * 4


@given(st.text(max_size=3), st.text(max_size=3), st.integers(0, 2000))
def test_keys_of_long_texts(one: str, other: str, filler: int) -> None:
    """Keys are equal only for equal texts, and never large."""
    first, second = (key_of(NOW, "x" * filler + end) for end in (one, other))
    assert (first == second) == (one == other)
    assert len(first.text) <= 512


def test_half_a_surrogate_pair_is_a_key_too() -> None:
    """A text that UTF-8 cannot say does not break a long key."""
    assert key_of(NOW, "x" * 1000 + "\ud800") != key_of(NOW, "x" * 1000 + "?")


def test_an_activation_forgets_the_catalog_and_keeps_the_others() -> None:
    """Results of the catalog's old revision go at once; those of another catalog stay."""
    cache, elsewhere = active(), Activation("other", "o" * 64, 1)
    cache.activate(elsewhere.catalog, [elsewhere.revision])
    cache.put(key_of(NOW, "x"), result())
    cache.put(key_of(elsewhere, "x"), result())
    cache.activate("default", ["n" * 64])
    assert (cache.get(key_of(NOW, "x")), len(cache)) == (None, 1)
    assert cache.get(key_of(elsewhere, "x")) is not None


def test_a_late_result_of_an_old_revision_is_not_kept() -> None:
    """A call that began before an activation and ends after it leaves nothing in the cache."""
    cache = active()
    cache.activate("default", ["n" * 64])
    cache.put(key_of(NOW, "x"), result())
    assert len(cache) == 0


def test_results_grow_old() -> None:
    """After its time a result is made anew."""
    clock = Clock()
    cache = active(ttl=10, clock=clock)
    cache.put(key_of(NOW, "x"), result())
    clock.now = 9.9
    assert cache.get(key_of(NOW, "x")) is not None
    clock.now = 10.1
    assert cache.get(key_of(NOW, "x")) is None


def test_the_longest_unused_goes_first() -> None:
    """The cache stays within its bytes, and what was asked for lately stays in it."""
    kept = result()
    cache = active(max_bytes=3 * kept.size_bytes)
    for text in "abc":
        cache.put(key_of(NOW, text), kept)
    cache.get(key_of(NOW, "a"))
    cache.put(key_of(NOW, "d"), kept)
    assert [text for text in "abcd" if cache.get(key_of(NOW, text))] == ["a", "c", "d"]
    assert cache.size_bytes <= 3 * kept.size_bytes


def test_a_result_larger_than_the_cache() -> None:
    """It is not kept, and nothing breaks."""
    cache = active(max_bytes=1)
    cache.put(key_of(NOW, "x"), result())
    assert len(cache) == 0
    assert not ResultCache(0, 1, Clock()).enabled


def test_sizes_are_about_right() -> None:
    """What a thousand results occupy is what they say, within a third."""
    random = np.random.default_rng(1)
    head = Head(
        *(random.standard_normal(shape).astype(np.float32) for shape in ((DIM + 1, 2), (DIM, DIM), (DIM + 1, 2)))
    )
    shown, embedder = snapshot(head=head, blend=0.5), HashEmbedder()

    def made(number: int) -> tuple[Key, Result]:
        vector = embedder.embed_one(f"text {number}").vector
        embedded = Embedded(vector, 5, False, f"text {number}")
        found = Found([Neighbour(place % 5, float(0.9 - place / 100)) for place in range(20)], read(head, vector), {})
        return key_of(NOW, embedded.text), result_of(Retrieval(vector, embedded, (found,), False, 1, 2, 3), shown)

    made(0)
    tracemalloc.start()
    kept = [made(number) for number in range(1000)]
    occupied, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(one.size_bytes for _, one in kept) == pytest.approx(occupied, rel=0.33)


def test_a_result_at_another_share() -> None:
    """Judging anew at the revision's own share gives what is kept."""
    shown = snapshot()
    kept = result()
    assert kept.judged_at(0.2, shown.decider) == (kept.found, kept.judgement)
