"""The example client in clients/node as its user runs it: real Node processes against real servers."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Self

import pytest

from fingerpost.client import SERVICE_CONFIG
from tests.controls import MemoryRecorder, outcomes_served
from tests.fakes import GatedEmbedder, snapshot
from tests.processes import ServerProcess
from tests.serving import serving

FOLDER = Path(__file__).parents[2] / "clients" / "node"
TEXT = "fix the indentation error in my python script"
SECONDS = 60

CALL_WHEN_TOLD = """
import { once } from "node:events";
import { Fingerpost } from "./fingerpost.js";

const client = new Fingerpost(process.argv[1], { timeoutMs: 30_000 });
await client.info();
console.log("connected");
await once(process.stdin, "data");
const calling = [1, 2].map(() => client.route(process.argv[2], { waitForReady: process.argv[3] === "wait" }));
console.log("calling");
const ends = await Promise.all(calling.map((call) => call.then(({ route }) => route, ({ code }) => code)));
console.log([...new Set(ends)].join());
client.close();
process.exit();
"""
"""Connects, waits for a line, starts two calls, one for each of two addresses, and prints how they ended: routes or
codes, once where they are the same."""

Serve = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def node() -> str:
    """The node command, with the packages of the lock file installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.fail("node or npm is missing: install Node.js 20 or newer with npm (Debian: apt-get install nodejs npm)")
    wanted = sha256(b"".join((FOLDER / name).read_bytes() for name in ("package-lock.json", ".npmrc"))).hexdigest()
    installed = FOLDER / "node_modules" / ".installed"
    if not installed.is_file() or installed.read_text() != wanted:
        done = subprocess.run([npm, "ci"], cwd=FOLDER, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, f"npm ci failed: check the network and the npm registry\n{done.stderr}"
        installed.write_text(wanted)
    return node


def run(*command: str, code: int = 0, **environment: str) -> str:
    """Run a command in clients/node, require its exit code, and give what it wrote."""
    done = subprocess.run(
        command,
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}"
    return done.stdout


class Caller:
    """A Node process that starts its calls only when the test says so; a context manager."""

    def __init__(self, node: str, target: str, mode: str = "") -> None:
        command = [node, "--input-type=module", "--eval", CALL_WHEN_TOLD, target, TEXT, mode]
        self._process = subprocess.Popen(
            command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin: IO[str] = self._process.stdin
        self._stdout: IO[str] = self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.kill()
        self._process.wait(SECONDS)
        self._stdout.close()
        with suppress(BrokenPipeError):
            self._stdin.close()

    def line(self) -> str:
        return self._stdout.readline().strip()

    def call_into(self, server: ServerProcess) -> None:
        """Start the calls, one at a server that cannot answer it, and end that server while it is in flight."""
        assert self.line() == "connected"
        server.process.send_signal(signal.SIGSTOP)
        self._stdin.write("call\n")
        self._stdin.flush()
        assert self.line() == "calling"
        time.sleep(0.2)  # the request is on its way; a call that was not sent yet would need no retry and pass as well
        server.process.kill()
        server.wait()


def test_the_clients_own_tests_pass(node: str, published: Path, serve: Serve) -> None:
    """The tests in clients/node pass against a server that nobody else asks, and none of them is skipped."""
    report = run(node, "--test", "--test-reporter=tap", FINGERPOST_TARGET=serve(published).address)
    assert "# fail 0" in report
    assert "SKIP" not in report


def test_server_tests_are_skipped_with_a_reason(node: str) -> None:
    """Without a server, the tests that need one say how to give them one."""
    report = run(node, "--test", "--test-reporter=tap", FINGERPOST_TARGET="")
    assert "SKIP set FINGERPOST_TARGET=HOST:PORT" in report


def test_the_command_prints_one_block(node: str, starter: ServerProcess) -> None:
    """The command prints route, models, confidence and reasons of a text."""
    lines = run(node, "cli.js", TEXT, "--target", starter.address).splitlines()
    block = dict(line.split(maxsplit=1) for line in lines)
    assert list(block) == ["route", "model", "confidence", "reasons"]
    assert (block["route"], block["model"]) == ("code", "coder, then large, then medium")


def test_the_command_says_that_nothing_was_sure_enough(node: str, starter: ServerProcess) -> None:
    """A text that no route fits prints the fallback model and the reason."""
    block = run(node, "cli.js", "qwrtz plmk vvvv", "--target", starter.address)
    assert "none: no route is sure enough" in block
    assert "LOW_CONFIDENCE" in block or "OUT_OF_SCOPE" in block


def test_an_error_is_one_line(node: str, starter: ServerProcess) -> None:
    """An empty text ends the command with exit code 1 and one line that holds code and reason."""
    [line] = run(node, "cli.js", " ", "--target", starter.address, code=1).splitlines()
    assert line.startswith("INVALID_ARGUMENT PROMPT_EMPTY: ")


@pytest.mark.parametrize("arguments", [[], ["one", "two"], ["text", "--unknown"]])
def test_wrong_usage_is_one_line(node: str, arguments: list[str]) -> None:
    """Missing, superfluous and unknown arguments end the command with exit code 1 and one line."""
    [line] = run(node, "cli.js", *arguments, code=1).splitlines()
    assert line.startswith("error: ")


def test_no_server_is_unavailable(node: str) -> None:
    """A port that nobody listens on ends the command with one UNAVAILABLE line."""
    [line] = run(node, "cli.js", TEXT, "--target", "127.0.0.1:1", code=1).splitlines()
    assert line.startswith("UNAVAILABLE: ")


def test_a_server_that_is_too_slow(node: str) -> None:
    """A server whose encoder does not finish in time gives DEADLINE_EXCEEDED at the client's two seconds."""
    embedder = GatedEmbedder()

    async def ask() -> tuple[str, float]:
        async with serving(snapshot([embedder])) as served:
            started = time.monotonic()
            try:
                line = await asyncio.to_thread(run, node, "cli.js", TEXT, "--target", served.address, code=1)
            finally:
                embedder.gate.set()
            return line, time.monotonic() - started

    line, took = asyncio.run(ask())
    assert line.startswith("DEADLINE_EXCEEDED")
    assert len(line.splitlines()) == 1
    assert embedder.seen.count(TEXT) <= 1  # none when the two seconds were over before it came
    assert took > 1.9


def test_an_outcome_is_reported(node: str) -> None:
    """What came of a decision reaches the server with plain names, and what stands comes back."""
    recorder, decision = MemoryRecorder(), "ab" * 32
    script = """
import { Fingerpost } from "./fingerpost.js";
const [, target, decisionId] = process.argv;
const client = new Fingerpost(target);
const report = { decisionId, model: "coder", status: "rate_limited", retryAfterMs: 30_000, costUsdMicros: 12 };
const first = await client.report(report, { tenant: "acme", requestId: "mine" });
const again = await client.report({ decisionId, model: "big", status: "OK", verdict: "GOOD_FIT" });
const wrong = await client.report({ ...report, model: "" }).catch(({ code, reason }) => [code, reason]);
console.log(JSON.stringify([first, again.repeated, again.kept.status, wrong]));
client.close();
"""

    async def report() -> str:
        async with outcomes_served(recorder) as address:
            return await asyncio.to_thread(run, node, "--input-type=module", "--eval", script, "--", address, decision)

    [first, repeated, status, wrong] = json.loads(asyncio.run(report()))
    [recorded] = recorder.kept.values()
    told = recorded.kept.report
    assert (told.status, told.retry_after_ms, told.cost_usd_micros) == ("RATE_LIMITED", 30_000, 12)
    assert (told.input_tokens, told.verdict, recorded.kept.tenant) == (None, None, "acme")
    assert (first["repeated"], first["costUsdMicros"], first["costSource"]) == (False, 12, "REPORTED")
    assert (first["kept"]["status"], first["requestId"], repeated, status) == (
        "RATE_LIMITED",
        "mine",
        True,
        "RATE_LIMITED",
    )
    assert wrong == ["INVALID_ARGUMENT", "INVALID_FIELD"]


def test_the_service_config_is_the_standard_one(node: str) -> None:
    """The client takes turns and retries exactly as the Python client does."""
    script = 'import { SERVICE_CONFIG } from "./fingerpost.js"; console.log(SERVICE_CONFIG)'
    assert json.loads(run(node, "--input-type=module", "--eval", script)) == json.loads(SERVICE_CONFIG)


def test_a_call_survives_the_end_of_its_server(
    node: str, published: Path, starter: ServerProcess, serve: Serve
) -> None:
    """A call whose server dies under it is retried at the next address of its target."""
    server = serve(published)
    with Caller(node, f"ipv4:{server.address},{starter.address}") as caller:
        caller.call_into(server)
        assert caller.line() == "code"


def test_a_call_survives_a_restart(node: str, published: Path, serve: Serve) -> None:
    """A call whose only server dies under it is retried, waits for the new process on that port, and is answered."""
    server = serve(published)
    with Caller(node, server.address, "wait") as caller:
        caller.call_into(server)
        serve(published, listen=server.address)
        assert caller.line() == "code"


def test_the_readmes_service_runs(node: str, starter: ServerProcess) -> None:
    """The service in the README falls back from a model that is down, with a server and without one."""
    [script] = re.findall("^```js$(.*?)^```$", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for target, said in [(starter.address, "coder failed: coder is down"), ("127.0.0.1:1", "UNAVAILABLE")]:
        output = run(node, "--input-type=module", "--eval", script, FINGERPOST_TARGET=target)
        assert said in output
        assert f"large answers: {TEXT}" in output
