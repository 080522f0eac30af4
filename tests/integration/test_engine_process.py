"""The engine process: texts cross to it and back unchanged, and its end is survived."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from fingerpost.backends.engine.process import EngineProcess
from fingerpost.engine_ports import Loaded
from fingerpost.errors import DataLoss, DeadlineExceeded, ErrorReason, FailedPrecondition
from fingerpost.serve.retrieve import NEVER, Degraded, GivenUp
from fingerpost.types import Reason, Retrieval, Vector
from tests.engine_program import SLOW_SECONDS
from tests.fakes import HASH_ENCODER, HashEmbedder, LocalRevision, snapshot

_COST = 0.001


@asynccontextmanager
async def running(folder: Path, threads: int = 1) -> AsyncIterator[EngineProcess]:
    """The test's engine process, ended at last."""

    def command(descriptors: Sequence[int]) -> list[str]:
        return [sys.executable, "-m", "tests.engine_program", str(folder), *map(str, descriptors)]

    engine = EngineProcess(threads, command)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


class Sent:
    """A text at the engine."""

    def __init__(
        self, engine: EngineProcess, loaded: Loaded, wanted: str | Vector, seconds: float = 20.0, lane: int = 0
    ) -> None:
        self._result: asyncio.Future[Retrieval | Exception] = asyncio.get_running_loop().create_future()
        self._loaded = loaded  # held as long as it is waited for, as a queued job holds its snapshot
        deadline = time.monotonic() + seconds
        self.ticket = engine.lanes[lane].send(loaded, wanted, deadline, _COST, self._result.set_result)

    async def result(self) -> Retrieval | Exception:
        async with asyncio.timeout(20):
            return await self._result


def noted(folder: Path) -> list[str]:
    log = folder / "log"
    return log.read_text().splitlines() if log.exists() else []


def embedded(folder: Path) -> list[str]:
    """The texts that were run, in their order."""
    return [line for line in noted(folder) if not line.startswith("freed")]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("wanted", ["fix this bug", "please fix thiss bug", "日本語 x", "many words " * 20_000])
def test_a_text_comes_back_as_if_it_had_never_left(tmp_path: Path, wanted: str) -> None:
    """What the process finds equals, to the last bit, what the same code finds in this one."""
    here = cast(LocalRevision, snapshot().loaded).retriever.retrieve(wanted, 0)

    async def ask() -> Retrieval | Exception:
        async with running(tmp_path) as engine:
            return await Sent(engine, await engine.load("any"), wanted).result()

    there = asyncio.run(ask())
    assert isinstance(there, Retrieval)
    assert here.vector.tobytes() == there.vector.tobytes()
    assert here.embedded is not None
    assert there.embedded is not None
    assert (here.embedded.text, here.embedded.token_count) == (there.embedded.text, there.embedded.token_count)
    assert (here.found, here.foreign) == (there.found, there.foreign)


def test_a_vector_is_searched_as_it_is(tmp_path: Path) -> None:
    """A caller's vector crosses unchanged, and nothing is embedded for it."""
    vector = HashEmbedder().embed_one("add these numbers").vector

    async def ask() -> Retrieval | Exception:
        async with running(tmp_path) as engine:
            return await Sent(engine, await engine.load("any"), vector).result()

    found = asyncio.run(ask())
    assert isinstance(found, Retrieval)
    assert np.array_equal(vector, found.vector)
    assert found.embedded is None
    assert found.found[0].neighbours[0].similarity == pytest.approx(1.0)
    assert embedded(tmp_path) == []


def test_a_revision_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    """The error of the process reaches the server whole, and other revisions still open."""

    async def ask() -> tuple[DataLoss, Loaded]:
        async with running(tmp_path) as engine:
            with pytest.raises(DataLoss, match="is damaged") as caught:
                await engine.load("damaged")
            return caught.value, await engine.load("sound")

    error, loaded = asyncio.run(ask())
    assert (ErrorReason.ARTEFACT_CORRUPT, {"file": "index.faiss"}) == (error.reason, error.metadata)
    assert (HASH_ENCODER, "fp32") == (loaded.encoder, loaded.precision)


def test_an_encoder_that_raises_degrades_and_tells_nothing(tmp_path: Path) -> None:
    """Whatever an engine raises is ENCODER_UNAVAILABLE for that text alone; its words stay in the process."""

    async def ask() -> tuple[Retrieval | Exception, Retrieval | Exception]:
        async with running(tmp_path) as engine:
            loaded = await engine.load("any")
            return await Sent(engine, loaded, "fail").result(), await Sent(engine, loaded, "after").result()

    failed, after = asyncio.run(ask())
    assert isinstance(failed, Degraded)
    assert failed.reason is Reason.ENCODER_UNAVAILABLE
    assert "canary" not in str(failed)
    assert isinstance(after, Retrieval)


def test_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    """A text that is given up while another one runs is never embedded."""

    async def ask() -> list[Retrieval | Exception]:
        async with running(tmp_path) as engine:
            loaded = await engine.load("any")
            texts = [Sent(engine, loaded, text) for text in ("slow", "given up", "wanted")]
            texts[1].ticket.put_off(NEVER)
            return [await sent.result() for sent in texts]

    slow, given_up, wanted = asyncio.run(ask())
    assert isinstance(given_up, GivenUp)
    assert isinstance(slow, Retrieval)
    assert isinstance(wanted, Retrieval)
    assert embedded(tmp_path) == ["slow", "wanted"]


def test_a_deadline_counts_as_it_is_when_the_text_begins(tmp_path: Path) -> None:
    """Of two texts whose time runs out behind a slow one, the one that was given more time is embedded."""

    async def ask() -> list[Retrieval | Exception]:
        async with running(tmp_path) as engine:
            loaded = await engine.load("any")
            texts = [Sent(engine, loaded, "slow")]
            texts += [Sent(engine, loaded, text, SLOW_SECONDS / 4) for text in ("late", "given time")]
            texts[2].ticket.put_off(time.monotonic() + 20)
            return [await sent.result() for sent in texts]

    _, late, given_time = asyncio.run(ask())
    assert isinstance(late, DeadlineExceeded)
    assert isinstance(given_time, Retrieval)
    assert embedded(tmp_path) == ["slow", "given time"]


def test_lanes_run_side_by_side(tmp_path: Path) -> None:
    """A text that does not end on one thread does not hold up another thread."""

    async def ask() -> list[Retrieval | Exception]:
        async with running(tmp_path, threads=2) as engine:
            loaded = await engine.load("any")
            held, quick = (Sent(engine, loaded, text, lane=lane) for lane, text in enumerate(("held", "quick")))
            first = await quick.result()
            (tmp_path / "go").touch()
            return [first, await held.result()]

    assert all(isinstance(result, Retrieval) for result in asyncio.run(ask()))


@pytest.mark.parametrize("deadly", ["die", "nonsense"])
def test_a_process_that_dies_is_started_anew(tmp_path: Path, deadly: str) -> None:
    """What was at the engine degrades, and so does what comes until another process holds the same revisions.

    So it is when a thread meets what it cannot handle: it does not end alone.
    """

    async def ask() -> list[Retrieval | Exception]:
        async with running(tmp_path) as engine:
            loaded, first = await engine.load("any"), engine.pid
            lost = [Sent(engine, loaded, text) for text in (deadly, "behind it")]
            results = [await sent.result() for sent in lost]
            results.append(await Sent(engine, loaded, "meanwhile").result())
            await until(lambda: engine.pid not in (None, first))
            results.append(await Sent(engine, loaded, "afterwards").result())
            assert engine.restarts == 1
            return results

    *degraded, afterwards = asyncio.run(ask())
    assert [Reason.ENCODER_UNAVAILABLE] * 3 == [cast(Degraded, result).reason for result in degraded]
    assert isinstance(afterwards, Retrieval)
    assert embedded(tmp_path) == [deadly, "afterwards"]


@pytest.mark.fault("S10")
def test_a_revision_that_nobody_holds_is_forgotten(tmp_path: Path) -> None:
    """The process frees a revision once the server let go of it, and keeps the others."""

    async def ask() -> Retrieval | Exception:
        async with running(tmp_path) as engine:
            old, new = await engine.load("old"), await engine.load("new")
            await Sent(engine, old, "before").result()
            del old
            await until(lambda: "freed old" in noted(tmp_path))
            assert "freed new" not in noted(tmp_path)
            return await Sent(engine, new, "after").result()

    assert isinstance(asyncio.run(ask()), Retrieval)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """An engine that cannot be started is FAILED_PRECONDITION."""

    async def start() -> None:
        await EngineProcess(1, lambda _: [str(tmp_path / "missing")]).start()

    with pytest.raises(FailedPrecondition) as caught:
        asyncio.run(start())
    assert caught.value.reason == ErrorReason.ENCODER_UNAVAILABLE


def test_it_ends_with_the_server(tmp_path: Path) -> None:
    """Closing ends the process, and nothing is left to wait for."""

    async def ask() -> int:
        async with running(tmp_path) as engine:
            await engine.load("any")
            assert engine.pid is not None
            return engine.pid

    pid = asyncio.run(ask())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
