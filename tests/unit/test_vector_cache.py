"""`backends.vector_cache`: what is put is got, and no fault of the file is an error."""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fingerpost.backends.vector_cache import SqliteVectorCache
from fingerpost.types import Vector
from tests.growth import cheapest

ENCODER = "e" * 64
DIM = 384


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "vectors.sqlite"


@pytest.fixture
def cache(path: Path) -> Iterator[SqliteVectorCache]:
    with SqliteVectorCache(path) as opened:
        yield opened


def vectors(count: int) -> dict[str, Vector]:
    rows = np.random.default_rng(7).standard_normal((count, DIM)).astype(np.float32)
    return {f"text {row}": vector for row, vector in enumerate(rows)}


def same(found: dict[str, Vector], expected: dict[str, Vector]) -> bool:
    return found.keys() == expected.keys() and all((found[text] == expected[text]).all() for text in expected)


def test_vectors_survive_closing(path: Path) -> None:
    """What is put before closing is got, bit for bit, after opening again."""
    put = vectors(3)
    with SqliteVectorCache(path) as cache:
        cache.put(ENCODER, put)
    with SqliteVectorCache(path) as cache:
        assert same(cache.get(ENCODER, [*put, "never put"]), put)


def test_encoders_are_kept_apart(cache: SqliteVectorCache) -> None:
    """A vector is only known to the encoder that made it."""
    cache.put(ENCODER, vectors(1))
    assert cache.get("f" * 64, ["text 0"]) == {}


def test_a_second_put_replaces(cache: SqliteVectorCache) -> None:
    """The vector put last is the one that is got."""
    cache.put(ENCODER, {"text": np.zeros(DIM, np.float32)})
    cache.put(ENCODER, {"text": np.ones(DIM, np.float32)})
    assert cache.get(ENCODER, ["text"])["text"].sum() == DIM


def test_any_text_is_a_key(cache: SqliteVectorCache) -> None:
    """Empty texts, NUL bytes, emoji and half surrogate pairs are told apart."""
    put = dict(zip(["", "\0", "🎉", "\ud83c", "é", "e\u0301"], vectors(6).values(), strict=True))
    cache.put(ENCODER, put)
    assert same(cache.get(ENCODER, list(put)), put)


def test_got_vectors_are_float32_and_writable(cache: SqliteVectorCache) -> None:
    """A vector from the cache can be used like a fresh one."""
    cache.put(ENCODER, vectors(1))
    found = cache.get(ENCODER, ["text 0"])["text 0"]
    assert found.dtype == np.float32
    assert found.shape == (DIM,)
    assert found.flags.writeable


@pytest.mark.parametrize("damage", ["vector = substr(vector, 2)", "vector = zeroblob(1536)", "crc32 = crc32 + 1"])
def test_damaged_rows_are_ignored(cache: SqliteVectorCache, path: Path, damage: str) -> None:
    """A blob of the wrong length or with flipped bits is as good as unknown; its neighbours are not touched."""
    put = vectors(2)
    cache.put(ENCODER, put)
    other = sqlite3.connect(path)
    other.execute(f"UPDATE vectors SET {damage} WHERE rowid = 1")  # noqa: S608  our own parameters
    other.commit()
    other.close()
    assert len(cache.get(ENCODER, list(put))) == 1


def test_a_file_that_is_no_database_is_set_aside(path: Path) -> None:
    """Garbage in place of the file is kept beside it, and the cache begins anew."""
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    put = vectors(1)
    with SqliteVectorCache(path) as cache:
        cache.put(ENCODER, put)
        assert same(cache.get(ENCODER, list(put)), put)
    (aside,) = path.parent.glob("vectors.sqlite.damaged-*")
    assert (aside / path.name).read_bytes().startswith(b"no database")


def test_a_file_damaged_in_the_middle_begins_anew(path: Path) -> None:
    """Damage that shows only while reading costs the vectors, not the run, and the next put works again."""
    put = vectors(400)
    with SqliteVectorCache(path) as cache:
        cache.put(ENCODER, put)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)  # all pages but the first
    path.write_bytes(data)
    with SqliteVectorCache(path) as cache:
        cache.get(ENCODER, list(put))
        cache.put(ENCODER, put)
        cache.put(ENCODER, put)
        assert same(cache.get(ENCODER, list(put)), put)


def test_without_a_place_to_write_memory_serves(tmp_path: Path) -> None:
    """Where no file can be made the cache still works for this run."""
    (tmp_path / "file").touch()
    put = vectors(1)
    with SqliteVectorCache(tmp_path / "file" / "vectors.sqlite") as cache:
        cache.put(ENCODER, put)
        assert same(cache.get(ENCODER, list(put)), put)


def test_the_cost_grows_with_the_vectors_and_no_faster(tmp_path: Path) -> None:
    """To put and get 15,000, a large catalog, takes at most twice ten times what 1,500 vectors take."""

    def putting(count: int) -> Callable[[], None]:
        put, numbers = vectors(count), itertools.count()

        def run() -> None:
            with SqliteVectorCache(tmp_path / f"{count}-{next(numbers)}.sqlite") as cache:
                cache.put(ENCODER, put)
                assert len(cache.get(ENCODER, list(put))) == count

        return run

    assert cheapest(putting(15_000), 2) <= 20 * cheapest(putting(1_500))
