"""The decision log of a real server that is killed, and of one that stops in order."""

import json
import os
import signal
from pathlib import Path
from typing import Any

from fingerpost.build.replay.reading import read_log
from fingerpost.client import Client
from tests.processes import ServerProcess


def test_a_kill_leaves_at_most_a_torn_line(published: Path, tmp_path: Path) -> None:
    """What was written before stays readable; another start goes on beside it."""
    log = tmp_path / "log"
    more: dict[str, Any] = {"decision_log": log, "decision_log_text_days": 1, "admin_listen": "none"}
    for _ in range(2):
        with ServerProcess(published, **more) as server, Client(server.address, timeout_seconds=30) as client:
            for number in range(200):
                client.route(f"why does loop {number} never end", timeout_seconds=10)
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
    found = read_log(log, "default", {})
    assert len(found.rows) > 300
    assert sum(found.passed_over.values()) <= 2
    assert len(list(log.iterdir())) == 2


def test_an_orderly_stop_loses_nothing(published: Path, tmp_path: Path) -> None:
    """Every decision that was answered stands in the log after SIGTERM."""
    log = tmp_path / "log"
    with ServerProcess(published, decision_log=log, admin_listen="none") as server:
        with Client(server.address, timeout_seconds=30) as client:
            ids = {client.route(f"why does loop {n} never end", timeout_seconds=10).decision_id for n in range(100)}
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0
    [written] = log.iterdir()
    assert {json.loads(line)["decision_id"] for line in written.read_text().splitlines()} == ids
    assert "why does loop" not in written.read_text()
