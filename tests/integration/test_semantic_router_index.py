"""FaissIndex inside the real semantic-router: what a program relies on beside what is found."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import faiss
import numpy as np
import pytest
from semantic_router import IndexedRouter, Route
from semantic_router.schema import SparseEmbedding

from fingerpost.integrations.semantic_router import FaissIndex
from tests.clouds import unit_rows
from tests.hashed_encoder import Hashed

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]


def filled(**fields: Any) -> FaissIndex:
    index = FaissIndex(**fields)
    index.add([EAST, NORTH, WEST], ["east", "north", "west"], ["e", "n", "w"], [{"at": 0}, {"at": 90}, {"at": 180}])
    return index


def test_the_nearest_stands_last_as_in_the_library() -> None:
    """Scores ascend, names are plain strings, and vectors of any length are compared by direction."""
    scores, names = filled().query(np.array([5.0, 1.0]), top_k=2)
    assert names == ["north", "east"]
    assert [type(name) for name in names] == [str, str]
    assert scores == pytest.approx([1 / np.sqrt(26), 5 / np.sqrt(26)], abs=1e-7)


def test_only_the_routes_of_the_filter_are_found() -> None:
    """A filter leaves out nearer routes; names without records do no harm beside others, and alone are refused."""
    index = filled()
    assert index.query(np.array(EAST), top_k=5, route_filter=["west", "north", "west", "south"])[1] == ["west", "north"]
    for none in (["south"], []):
        with pytest.raises(ValueError, match="no routes match"):
            index.query(np.array(EAST), route_filter=none)


def test_an_empty_index_says_so() -> None:
    """Before the first record it cannot be searched; once the last is deleted nothing is found, as in the library."""
    index, never = filled(), FaissIndex()
    for route in ("east", "north", "west", "west"):
        index.delete(route)
    for empty in (never, index):
        assert (len(empty), empty.get_utterances(), empty.get_routes()) == (0, [], [])
    assert (never.describe().dimensions, index.describe().dimensions) == (0, 2)
    assert (never.is_ready(), index.is_ready()) == (False, True)
    with pytest.raises(ValueError, match="holds no records"):
        never.query(np.array(EAST))
    scores, names = index.query(np.array(EAST))
    assert (scores.tolist(), names) == ([], [])
    with pytest.raises(ValueError, match="no routes match"):
        index.query(np.array(EAST), route_filter=["east"])


BAD_VECTORS: dict[str, tuple[Any, str]] = {
    "another dimension": ([[1.0, 2.0, 3.0]], "3 numbers a vector, but the index has 2"),
    "all zeros": ([[0.0, 0.0]], "vector 0 is all zeros"),
    "not finite": ([[float("nan"), 1.0]], "vector 0 is all zeros or not finite"),
    "too large": ([[1e300, 1e300]], "not finite"),
    "words": ([["a", "b"]], "must be numbers"),
    "no numbers": ([[]], r"shape \(n, dim\)"),
    "one vector": ([1.0], r"shape \(n, dim\)"),
}


@pytest.mark.parametrize(("vectors", "message"), BAD_VECTORS.values(), ids=BAD_VECTORS)
def test_a_vector_that_cannot_be_compared_changes_nothing(vectors: Any, message: str) -> None:
    """It is refused with what is wrong, beside a good one too, and what was there is still found."""
    index = filled()
    with pytest.raises(ValueError, match=message):
        index.add(vectors, ["east"], ["e"])
    assert index.query(np.array(EAST), top_k=1) == (pytest.approx([1.0]), ["east"])
    assert len(index) == 3


def test_vectors_of_different_lengths_are_refused() -> None:
    """Nothing of the call is added."""
    index = FaissIndex()
    with pytest.raises(ValueError, match="as many in each"):
        index.add([EAST, [1.0]], ["a", "b"], ["a", "b"])
    with pytest.raises(ValueError, match="same length"):
        index.add([EAST, NORTH], ["a"], ["a", "b"])
    with pytest.raises(ValueError, match="metadata_list"):
        index.add([EAST], ["a"], ["a"], [])
    assert len(index) == 0


def test_a_query_that_cannot_be_compared_is_refused() -> None:
    """Another dimension, another shape, zeros, and a count of none each have a message of their own."""
    index = filled()
    for query, message in (
        ([1.0, 2.0, 3.0], "the query: 3 numbers"),
        ([[1.0, 2.0]], "one vector"),
        ([0.0, 0.0], "all zeros"),
    ):
        with pytest.raises(ValueError, match=message):
            index.query(np.array(query))
    with pytest.raises(ValueError, match="at least 1"):
        index.query(np.array(EAST), top_k=0)


def test_the_dimension_may_be_given() -> None:
    """Then the first vector must have it too; without, an emptied index takes any again."""
    with pytest.raises(ValueError, match="the index has 2"):
        FaissIndex(dimensions=2).add([[1.0, 2.0, 3.0]], ["a"], ["a"])
    index = filled()
    index.delete_index()
    index.add([[1.0, 2.0, 3.0]], ["a"], ["a"])
    assert index.describe().dimensions == 3


def test_a_misspelt_field_and_sparse_vectors_are_refused() -> None:
    """As in the library: nothing is ignored that was meant to matter."""
    with pytest.raises(ValueError, match="Extra inputs"):
        FaissIndex(dimension=3)
    with pytest.raises(ValueError, match="dense vectors alone"):
        FaissIndex().add([EAST], ["a"], ["a"], sparse_embeddings=[SparseEmbedding.from_dict({1: 1.0})])


def test_the_same_pair_is_replaced() -> None:
    """A second vector for the same route and utterance takes the place of the first, and so does its metadata."""
    index = filled()
    index.add([WEST, NORTH, EAST], ["east", "east", "east"], ["e", "new", "new"], [{"at": 1}, {"at": 2}, {"at": 3}])
    assert [(u.route, u.utterance, u.metadata) for u in index.get_utterances()] == [
        ("east", "e", {"at": 1}),
        ("north", "n", {"at": 90}),
        ("west", "w", {"at": 180}),
        ("east", "new", {"at": 3}),
    ]
    assert index.query(np.array(WEST), top_k=2, route_filter=["east"])[0] == pytest.approx([-1.0, 1.0])


def test_what_a_caller_does_with_its_lists_later_changes_nothing() -> None:
    """Vectors and metadata are copied when they are added and when they are given back."""
    vectors, metadata = np.array([EAST, NORTH]), [{"at": 0}, {"at": 90}]
    index = FaissIndex()
    index.add(vectors, ["east", "north"], ["e", "n"], metadata)
    vectors[:] = 7.0
    metadata[0]["at"] = -1
    index.get_utterances()[1].metadata["at"] = -1
    assert [u.metadata["at"] for u in index.get_utterances()] == [0, 90]
    assert index.query(np.array(EAST), top_k=1)[0] == pytest.approx([1.0])


def test_the_async_methods_do_the_same() -> None:
    """Added, found, listed, deleted and emptied from a loop; a large search finds the same in a thread."""

    async def use() -> None:
        index = FaissIndex()
        await index.aadd([EAST, NORTH], ["east", "north"], ["e", "n"])
        assert await index.aquery(np.array(EAST), top_k=1) == (pytest.approx([1.0]), ["east"])
        assert [u.utterance for u in await index.aget_utterances()] == ["e", "n"]
        assert [r.name for r in await index.aget_routes()] == ["east", "north"]
        assert (await index.alen(), await index.ais_ready()) == (2, True)
        [deleted] = await index.adelete("east")
        assert deleted.startswith("east#")
        assert await index.adelete("east") == []
        await index.adelete_index()
        assert len(index) == 0
        rows = unit_rows(4000, 300, 1)
        index.add(rows, ["many"] * 4000, list(range(4000)))
        in_thread, here = await index.aquery(rows[7], top_k=9), index.query(rows[7], top_k=9)
        assert in_thread[0].tolist() == here[0].tolist()

    asyncio.run(use())


def test_ids_do_not_change_from_index_to_index() -> None:
    """The same route and utterance have the same id, whatever else is there and in whichever order they came."""

    async def ids(order: list[int]) -> dict[str, list[str]]:
        index = FaissIndex()
        for place in order:
            index.add([[EAST, NORTH, WEST][place]], [["a", "a", "b"][place]], [["x", "y", "x"][place]])
        return {route: sorted(await index.adelete(route)) for route in ("a", "b")}

    first = asyncio.run(ids([0, 1, 2]))
    assert first == asyncio.run(ids([2, 1, 0]))
    assert len({*first["a"], *first["b"]}) == 3


def test_a_router_adds_removes_and_reads_its_routes() -> None:
    """IndexedRouter keeps descriptions, thresholds and metadata in it, and decides by what is there now."""
    code = Route(
        name="code",
        utterances=["write a function", "fix this bug"],
        description="Programs.",
        confidence_threshold=0.2,
        metadata={"model": "coder"},
    )
    router = IndexedRouter(encoder=Hashed(), routes=[code], index=FaissIndex())
    router.add(Route(name="maths", utterances=["solve the equation"]))
    assert router.routes == [code, Route(name="maths", utterances=["solve the equation"])]
    assert router("please fix this bug").name == "code"
    assert asyncio.run(router.acall("solve the equation")).name == "maths"
    router.remove("code")
    assert [route.name for route in router.routes] == ["maths"]
    assert router("please fix this bug").name == "maths"


def test_a_router_of_it_is_not_written_to_a_file(tmp_path: Path) -> None:
    """The library's files cannot name the class; its own error says so, and nothing is written."""
    router = IndexedRouter(encoder=Hashed(), routes=[Route(name="a", utterances=["b"])], index=FaissIndex())
    with pytest.raises(ValueError, match="can't be saved"):
        router.to_yaml(tmp_path / "router.yaml")
    assert list(tmp_path.iterdir()) == []


def test_faiss_keeps_the_threads_that_the_program_chose() -> None:
    """A search runs on one thread and gives the setting back."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        filled().query(np.array(EAST))
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


TEXTS = [str(number) for number in range(20)]


def turn(index: FaissIndex, number: int) -> None:
    """Replace a route's vectors, all in one call."""
    index.add([NORTH if number % 2 else EAST] * 20, ["turning"] * 20, TEXTS)


def come_and_go(index: FaissIndex, number: int) -> None:
    index.add([NORTH] * 20, ["passing"] * 20, TEXTS)
    index.delete("passing")


def look(index: FaissIndex, number: int) -> None:
    """Find no half of a change."""
    scores, names = index.query(np.array(EAST), top_k=100)
    counted = Counter(names)
    assert counted["turning"] == 20
    assert counted["passing"] in (0, 20)
    assert len({score for score, name in zip(scores, names, strict=True) if name == "turning"}) == 1


def test_readers_see_whole_changes_while_others_write() -> None:
    """Two threads change the index, a call each a change; two that search meanwhile never see a part of one."""
    index, together, looked = FaissIndex(), Barrier(4), Event()
    turn(index, 0)

    def write(change: Callable[[FaissIndex, int], None]) -> None:
        together.wait(20)
        for number in count():
            change(index, number)
            if number >= 100 and looked.is_set():
                return

    def read() -> None:
        together.wait(20)
        for number in range(200):
            look(index, number)

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, change) for change in (turn, come_and_go)]
        readers = [pool.submit(read), pool.submit(read)]
        wait(readers)
        looked.set()
    for each in (*writers, *readers):
        each.result()
    assert len(index) == 20
