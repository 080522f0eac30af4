"""The decision log of a server: what stands in it, what never does, and that no call waits for it."""

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from fingerpost.build.replay.reading import read_log
from fingerpost.client import AsyncClient, Options
from fingerpost.errors import FailedPrecondition
from fingerpost.serve.record import keyed
from fingerpost.telemetry.decision_log import KEY_FILE, DecisionLog, Rules, read_key
from tests.fakes import snapshot
from tests.integration.test_ledger import small_disk as small_disk
from tests.integration.test_tls import on_loop
from tests.serving import Served, serving

CANARY = "my secret is b7c1e9d0"


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    return {"data": folder / "data", "decision_log": str(folder / "log"), **more}


def counted(served: Served, result: str) -> float:
    found = served.server.watch.metrics.registry.get_sample_value(
        "fingerpost_decision_log_rows_total", {"result": result}
    )
    return found or 0.0


@on_loop
async def test_what_stands_in_it(tmp_path: Path) -> None:
    """A row a decision, of batches too: what was decided and how, without text or tenant."""
    async with serving(snapshot(), **settings(tmp_path)) as served:
        client = AsyncClient(served.address, timeout_seconds=30)
        first = await client.route(CANARY, Options(tenant="secret tenant"))
        await client.route_batch(["fix this bug", CANARY, "x y z"])
        with pytest.raises(Exception, match="readable"):
            await client.route(" ")
        await client.close()
        assert counted(served, "written") in range(5)
    found = rows(tmp_path / "log")
    assert len(found) == 4
    key = bytes.fromhex((tmp_path / "data" / KEY_FILE).read_text())
    mine = [one for one in found if one["text_hash"] == keyed(CANARY, key)]
    assert len(mine) == 2, "equal texts are told apart from others by whoever has the key"
    [row] = [one for one in mine if one["decision_id"] == first.decision_id]
    assert (row["route"], row["model"], row["outcome"]) == (first.route or None, first.model, first.outcome)
    assert row["confidence"] == pytest.approx(first.confidence)
    assert (row["propensity"], row["share"], row["text_bytes"], row["v"]) == (1.0, 1.0, len(CANARY), 1)
    assert row["tenant_hash"] == keyed("secret tenant", key)
    assert row["revision"] == first.revision
    assert "text" not in row
    for path in (tmp_path / "log").iterdir():
        assert os.stat(path).st_mode & 0o777 == 0o600
        for secret in (CANARY, "secret", 'tenant"', "fix this bug"):
            assert secret not in path.read_text()
    assert os.stat(tmp_path / "data" / KEY_FILE).st_mode & 0o777 == 0o600


@on_loop
async def test_texts_are_kept_when_told_so(tmp_path: Path) -> None:
    """With days for texts they stand there, and can be read back for a replay."""
    async with serving(snapshot(), **settings(tmp_path, decision_log_text_days=1)) as served:
        client = AsyncClient(served.address, timeout_seconds=30)
        await client.route("naïve \u2028 💥 text")
        await client.close()
    assert [one.text for one in read_log(tmp_path / "log", "default", {}).rows] == ["naïve \u2028 💥 text"]


@on_loop
async def test_a_sample(tmp_path: Path) -> None:
    """About the share that was asked for is written, and each row tells it."""
    async with serving(snapshot(), **settings(tmp_path, decision_log_share=0.3)) as served:
        client = AsyncClient(served.address, timeout_seconds=30)
        for _ in range(8):
            await client.route_batch(["fix this bug"] * 100)
        await client.close()
    found = rows(tmp_path / "log")
    assert 160 < len(found) < 320
    assert {one["share"] for one in found} == {0.3}


@on_loop
async def test_off_by_default(tmp_path: Path) -> None:
    """Nothing is written, no key for texts is made and no thread runs."""
    async with serving(snapshot(), data=tmp_path) as served:
        client = AsyncClient(served.address, timeout_seconds=30)
        await client.route("fix this bug")
        await client.close()
        assert len(served.server.watch.observers) == 1
    assert os.listdir(tmp_path) == ["decisions.key"], "that which ids of decisions are signed with"


@on_loop
async def test_a_folder_that_cannot_be_written_refuses_to_start(tmp_path: Path) -> None:
    """It is said at once, not found out when the log is needed."""
    (tmp_path / "log").write_text("a file")
    with pytest.raises(FailedPrecondition, match="decision log cannot be written"):
        async with serving(snapshot(), **settings(tmp_path)):
            pass
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / KEY_FILE).write_text("")
    with pytest.raises(FailedPrecondition, match="none of ours"):
        read_key(tmp_path / "data")


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4_096)


@on_loop
async def test_a_full_disk_stops_no_call(small_disk: Path) -> None:
    """Calls are answered while rows are dropped and counted; with room again the log goes on in a new file."""
    log = small_disk / "log"
    log.mkdir()
    filler = small_disk / "filler"
    async with serving(snapshot(), data=small_disk, decision_log=str(log)) as served:
        client = AsyncClient(served.address, timeout_seconds=30)
        fill(filler)
        ends = time.monotonic() + 20
        while not counted(served, "disk"):
            assert (await client.route("fix this bug")).model
            assert time.monotonic() < ends
        filler.unlink()
        kept = counted(served, "written")
        while counted(served, "written") == kept:
            assert (await client.route("fix this bug")).model
            assert time.monotonic() < ends
            await asyncio.sleep(0.05)
        await client.close()
    assert len(list(log.glob("decisions-*.jsonl"))) > 1


def log_of(folder: Path, now: list[float], **rules: Any) -> DecisionLog:
    usual: dict[str, Any] = {"share": 1.0, "keep_text": False, "days": 1.0, "room_bytes": 1 << 20}
    return DecisionLog(Rules(folder, **{**usual, **rules}), b"k" * 32, lambda _result, _count: None, lambda: now[0])


def test_old_files_go(tmp_path: Path) -> None:
    """By age, also when nothing is written; what somebody else put there stays."""
    old, young, other = (tmp_path / name for name in ("decisions-1.jsonl", "decisions-2.jsonl", "notes.jsonl"))
    for path in (old, young, other):
        path.write_text("{}\n")
    now = time.time()
    os.utime(old, (now - 90_000, now - 90_000))
    os.utime(other, (now - 90_000, now - 90_000))
    log = log_of(tmp_path, [now])
    log.start()
    log.close()
    assert {path.name for path in tmp_path.iterdir()} == {"decisions-2.jsonl", "notes.jsonl"}


def test_the_oldest_go_when_there_is_no_room(tmp_path: Path) -> None:
    """As many as it takes, the oldest first."""
    for number in range(8):
        (tmp_path / f"decisions-{number}.jsonl").write_bytes(b"x" * 300_000)
    log = log_of(tmp_path, [time.time()])
    log.start()
    log.close()
    assert {path.name for path in tmp_path.iterdir()} == {f"decisions-{number}.jsonl" for number in (5, 6, 7)}
