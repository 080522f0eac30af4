"""The server as an operator meets it: reloads under load, drains, refuses a taken port, survives damage."""

import asyncio
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from fingerpost.client import AsyncClient, Client, Decision, Embedding, Options, Turn
from fingerpost.errors import FailedPrecondition, InvalidRequest, NotFound, Overloaded, Unavailable
from tests.processes import ServerProcess, fingerpost, stopped
from tests.serving import health_stub
from tests.watched import METRICS, Watched, until

Serve = Callable[..., ServerProcess]

TEXT = "fix the indentation error in my python script"


def texts_of(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def test_a_starter_route_is_found(starter: ServerProcess) -> None:
    """A programming question goes to the code route and its model, with everything that a reply must hold."""
    with Client(starter.address, timeout_seconds=30) as client:
        decision = client.route(TEXT, Options(alternatives_count=3, request_id="abc"))
    assert (decision.outcome, decision.route, decision.model) == ("MATCHED", "code", "coder")
    assert decision.confidence is not None
    assert decision.confidence >= decision.threshold
    assert decision.similarity is not None
    assert (decision.calibration, decision.request_id, decision.catalog) == ("FITTED", "abc", "default")
    assert re.fullmatch("[0-9a-f]{64}", decision.revision)
    assert decision.timing.total_us > 0
    assert decision.fallback_models == ("large", "medium")


def test_unroutable_texts_fall_back(starter: ServerProcess) -> None:
    """Nonsense, other languages and off-topic texts fall back, say why, and claim no confidence they lack."""
    texts = texts_of(Path(__file__).parents[1] / "data" / "unroutable.txt")
    assert len(texts) >= 50
    with Client(starter.address, timeout_seconds=30) as client:
        for text in texts:
            decision = client.route(text)
            assert decision.outcome == "FALLBACK", text
            assert decision.route == ""
            # Other tests ask this server too: with theirs it may be more than the strong tier gets in a minute.
            assert decision.model == ("medium" if "ESCALATION_LIMIT" in decision.reasons else "large")
            assert {"LOW_CONFIDENCE", "OUT_OF_SCOPE"} & set(decision.reasons), text
            assert decision.similarity is not None
            assert decision.calibration in {"FITTED", "POOLED"}
            assert decision.confidence is None or decision.confidence < decision.threshold


def test_an_utterance_goes_to_its_own_route(starter: ServerProcess) -> None:
    """A text copied from a route file is an exact match, in any case."""
    with Client(starter.address, timeout_seconds=30) as client:
        nearest = client.route(TEXT, Options(include_matches=True)).matches[0]
        decision = client.route(nearest.text.upper())
    assert (decision.route, decision.outcome) == (nearest.route, "MATCHED")
    assert "EXACT_MATCH" in decision.reasons


def test_the_same_text_has_the_same_vector_everywhere(starter: ServerProcess) -> None:
    """Alone, in a batch among others, and under concurrent load, a text's vector is the same to the byte."""
    texts = ["reverse a list", "summarise this article for me " * 8, "hi", "Was kostet das?", "x = [i for i in y]"]
    options = Options(include_embedding=True)
    with Client(starter.address, timeout_seconds=30) as client:
        alone = {text: client.route(text, options) for text in texts}
        batch = client.route_batch(texts * 10, options)
        with ThreadPoolExecutor(16) as pool:
            loaded = list(pool.map(lambda text: client.route(text, options), texts * 20))
    for decision, text in [*zip(batch, texts * 10, strict=True), *zip(loaded, texts * 20, strict=True)]:
        assert isinstance(decision, Decision)
        assert decision.embedding == alone[text].embedding
        assert decision.confidence == alone[text].confidence


def test_more_threads_give_the_same_answers(starter: ServerProcess, published: Path, serve: Serve) -> None:
    """A server with two embedding threads gives the bytes of one with one, also when many calls come at once."""
    texts = [
        f"please help me with matter number {n}, it is about {word}" for n in range(40) for word in ("sql", "a poem")
    ]
    options = Options(include_embedding=True, alternatives_count=3)
    answers = []
    for address in (starter.address, serve(published, embed_threads=2).address):
        with Client(address, timeout_seconds=30) as client, ThreadPoolExecutor(16) as pool:
            decisions = list(pool.map(lambda text, client=client: client.route(text, options), texts))
        answers.append([(d.embedding, d.alternatives, d.confidence, d.route) for d in decisions])
    assert answers[0] == answers[1]


def test_text_conversation_and_vector_agree(starter: ServerProcess) -> None:
    """The three kinds of input give the same route for the same words."""
    with Client(starter.address, timeout_seconds=30) as client:
        by_text = client.route(TEXT, Options(include_embedding=True))
        talk = [Turn("system", "be brief"), Turn("user", "hello"), Turn("assistant", "hi"), Turn("user", TEXT)]
        by_talk = client.route(talk)
        by_vector = client.route(Embedding(by_text.encoder_digest, by_text.embedding))
    assert by_text.route == by_talk.route == by_vector.route == "code"
    assert by_text.confidence == by_talk.confidence
    assert by_vector.confidence == pytest.approx(by_text.confidence, abs=1e-6)


def test_a_long_text_keeps_head_and_tail(starter: ServerProcess) -> None:
    """A megabyte is answered, marked truncated, and Explain shows the kept head and tail."""
    with Client(starter.address, timeout_seconds=30) as client:
        explanation = client.explain("HEADWORD " + "filler words " * 70_000 + " TAILWORD")
    assert explanation.decision.truncated
    assert "HEADWORD" in explanation.embedded_text
    assert "TAILWORD" in explanation.embedded_text
    assert explanation.token_count <= 256


def test_client_errors_are_typed(starter: ServerProcess) -> None:
    """The client raises the class that says what to do, with reason and fields."""
    with Client(starter.address, timeout_seconds=30) as client:
        with pytest.raises(InvalidRequest) as empty:
            client.route(" ")
        assert (empty.value.reason, [f.field for f in empty.value.fields]) == ("PROMPT_EMPTY", ["text"])
        assert empty.value.metadata["request_id"]
        with pytest.raises(NotFound) as unknown:
            client.route("x", Options(catalog="nope"))
        assert unknown.value.reason == "CATALOG_NOT_FOUND"
        with pytest.raises(Overloaded):
            client.route("x" * 5_000_000)
        answers = client.route_batch(["fix my code", " "])
        assert isinstance(answers[0], Decision)
        assert isinstance(answers[1], InvalidRequest)
        assert answers[1].reason == "PROMPT_EMPTY"
    with Client("127.0.0.1:1", timeout_seconds=30) as client, pytest.raises(Unavailable):
        client.route("x")


def test_the_asynchronous_client_answers_alike(starter: ServerProcess) -> None:
    """AsyncClient's calls give what Client's give."""

    async def ask() -> tuple[Decision, str, tuple[str, ...], object]:
        async with AsyncClient(starter.address, timeout_seconds=30) as client:
            explanation = await client.explain(TEXT)
            info = await client.info()
            batch = await client.route_batch([TEXT])
            with pytest.raises(InvalidRequest):
                await client.route("")
            return await client.route(TEXT), explanation.summary, tuple(c.name for c in info.catalogs), batch[0]

    decision, summary, catalogs, batched = asyncio.run(ask())
    assert (decision.route, catalogs) == ("code", ("default",))
    assert "Route code" in summary
    assert isinstance(batched, Decision)
    assert batched.embedding == decision.embedding


@pytest.mark.fault("S10", "S16")
def test_a_changed_route_file_reaches_traffic_without_a_failed_call(data: Path, routes: Path, serve: Serve) -> None:
    """Under 200 calls a second, a reindex is served by itself, no call fails, each reply names one revision."""
    server = serve(data)
    new_text = "zorbulate the quonk please"
    decisions: list[Decision] = []
    stop = threading.Event()

    def call_steadily() -> None:
        with Client(server.address, timeout_seconds=30) as client, ThreadPoolExecutor(16) as pool:
            due, pending = time.monotonic(), []
            while not stop.is_set():
                pending.append(pool.submit(client.route, new_text))
                due += 1 / 200
                time.sleep(max(0.0, due - time.monotonic()))
            decisions.extend(future.result() for future in pending)

    caller = threading.Thread(target=call_steadily)
    caller.start()
    try:
        with Client(server.address, timeout_seconds=30) as client:
            before = client.info().catalogs[0].revision
            path = routes / "code.yaml"
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("utterances:\n", f"utterances:\n  - {new_text}\n", 1), encoding="utf-8")
            fingerpost("reindex", "--routes", routes, "--data", data)
            until(lambda: client.info().catalogs[0].revision != before, 30)
            after = client.info().catalogs[0].revision
            time.sleep(0.3)
    finally:
        stop.set()
        caller.join(30)
    assert len(decisions) > 100, "the load must have been there"
    assert {decision.revision for decision in decisions} == {before, after}
    assert {decision.route for decision in decisions if decision.revision == before} == {""}
    assert {decision.route for decision in decisions if decision.revision == after} == {"code"}


DRAIN: dict[str, Any] = {"drain_grace_ms": 60_000, "queue_burst_ms": 60_000, **METRICS}
BATCH = [f"a request that takes a while, number {n}, with a number of words in it" for n in range(250)]


def test_sigterm_lets_calls_in_flight_finish(published: Path, serve: Serve) -> None:
    """On SIGTERM under load health turns first, every call that began is answered, and the exit code is 0."""
    watched = Watched(serve(published, **DRAIN, drain_wait_ms=500))
    with Client(watched.address, timeout_seconds=60) as client, grpc.insecure_channel(watched.address) as channel:
        watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
        assert next(watch).status == 1
        with ThreadPoolExecutor(4) as pool, stopped(watched.server):
            pending = [pool.submit(client.route_batch, BATCH) for _ in range(3)]
            until(lambda: watched.left[0] == 3 * len(BATCH), 30)
            watched.server.terminate()
            assert next(watch).status == 2
            assert not any(future.done() for future in pending)
        for future in pending:
            assert all(isinstance(decision, Decision) for decision in future.result())
    assert watched.server.wait() == 0


def test_a_watcher_of_health_holds_up_no_stop(data: Path, serve: Serve) -> None:
    """Whoever watches the health hears of the drain, and the server ends without waiting for the grace of calls."""
    server = serve(data, drain_grace_ms=60_000)
    with grpc.insecure_channel(server.address) as channel:
        watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
        heard = [next(watch).status]
        server.terminate()
        heard += [told.status for told in watch]
    assert server.wait(20) == 0
    assert heard == [1, 2]


def test_a_second_signal_forces(data: Path, serve: Serve) -> None:
    """A second SIGTERM ends the wait at once, with exit code 8."""
    server = serve(data, drain_wait_ms=120_000)
    server.terminate()
    until(lambda: any("draining" in line for line in server.log), 30)
    server.terminate()
    assert server.wait(60) == 8


def test_a_lost_engine_is_survived(data: Path, serve: Serve) -> None:
    """While the process that embeds is gone every call gets the fallback, marked; then all is as before."""
    server = serve(data)
    with Client(server.address, timeout_seconds=30) as client:
        before = client.route("why does my python loop never end")
        (engine,) = server.family.children
        os.kill(engine.pid, signal.SIGKILL)
        meanwhile = client.route("why does my python function never end")
        until(lambda: not client.route("why does my python class never end").degraded, 20)
        after = client.route("why does my python loop never end")
    assert (meanwhile.degraded, meanwhile.reasons) == (True, ("ENCODER_UNAVAILABLE",))
    assert (before.route, before.confidence) == (after.route, after.confidence)
    assert server.family.children != [engine]
    assert any("engine_lost" in line and '"exit_code": -9' in line for line in server.log)


def test_no_engine_outlives_its_server(data: Path, serve: Serve) -> None:
    """A server that is killed without a word takes the process that embeds with it."""
    server = serve(data)
    (engine,) = server.family.children
    server.process.kill()
    server.process.wait(10)
    until(lambda: not Path(f"/proc/{engine.pid}").exists(), 30)


def test_a_signal_to_the_whole_group_drains_too(data: Path, serve: Serve) -> None:
    """A signal that the engine gets as well, as from a terminal or a supervisor, costs no call in flight."""
    watched = Watched(serve(data, **DRAIN))
    with Client(watched.address, timeout_seconds=60) as client, ThreadPoolExecutor(1) as pool:
        with stopped(watched.server):
            pending = pool.submit(client.route_batch, BATCH)
            until(lambda: watched.left[0] == len(BATCH), 30)
            for pid in reversed(list(watched.family)):  # the engine first
                os.kill(pid, signal.SIGTERM)
        decisions = pending.result()
    assert watched.server.wait() == 0
    assert not any(isinstance(decision, Decision) and decision.degraded for decision in decisions)


def test_a_taken_port(data: Path, starter: ServerProcess) -> None:
    """A second server on the same port exits with code 5 and one line that names the address."""
    done = fingerpost("serve", "--data", data, "--listen", starter.address, code=5)
    assert [True] == [starter.address in line for line in done.stderr.splitlines()]


def test_catalogs_are_served_apart(data: Path, tmp_path: Path, serve: Serve) -> None:
    """A second catalog appears while the server runs; each has its own routes, revision and health."""
    server = serve(data)
    rows = [{"text": f"{kind} the {thing}", "label": kind} for kind in ("paint", "sing", "cook") for thing in "abcdef"]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    fingerpost("import", tmp_path / "rows.jsonl", "--out", tmp_path / "team")
    fingerpost("reindex", "--routes", tmp_path / "team", "--data", data, "--catalog", "team-a")
    with Client(server.address, timeout_seconds=30) as client:
        until(lambda: len(client.info().catalogs) == 2, 30)
        own = client.route("paint the a", Options(catalog="team-a"))
        assert (own.route, own.model, own.catalog) == ("paint", "paint", "team-a")
        assert own.revision != client.route("paint the a").revision
        with pytest.raises(NotFound):
            client.route("x", Options(catalog="team-b"))
    with grpc.insecure_channel(server.address) as channel:
        health = health_stub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(service="catalog:team-a")).status == 1


@pytest.mark.fault("S5")
def test_a_damaged_revision_is_refused_and_the_last_good_one_serves(data: Path, routes: Path, serve: Serve) -> None:
    """An activated revision whose index has one flipped bit is refused and counted; calls go on with the old one."""
    server = serve(data)
    with Client(server.address, timeout_seconds=30) as client:
        before = client.info().catalogs[0].revision
        spare = data.with_name("spare")
        (spare / "encoders").parent.mkdir()
        (spare / "encoders").symlink_to(data / "encoders")
        (routes / "maths.yaml").unlink()
        fingerpost("reindex", "--routes", routes, "--data", spare)
        new = json.loads((spare / "catalogs" / "default.json").read_text())["revision"]
        index = spare / "revisions" / new / "index.faiss"
        content = bytearray(index.read_bytes())
        content[len(content) // 2] ^= 1
        index.write_bytes(content)
        (spare / "revisions" / new).rename(data / "revisions" / new)
        pointer = data / "catalogs" / "default.json"
        scratch = pointer.with_suffix(".new")
        scratch.write_text(json.dumps({"revision": new, "generation": 2}))
        scratch.rename(pointer)
        until(lambda: client.info().catalogs[0].refused_reloads_count > 0, 30)
        assert client.info().catalogs[0].revision == before
        assert client.route(TEXT).revision == before
    assert any("index.faiss is damaged" in line for line in server.log)


def test_nothing_published_is_not_serving(encoders_folder: Path, tmp_path: Path, serve: Serve) -> None:
    """With an empty data folder the server runs, is NOT_SERVING, and says what to do."""
    server = serve(tmp_path / "empty")
    with grpc.insecure_channel(server.address) as channel:
        health = health_stub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(service="")).status == 2
    with Client(server.address, timeout_seconds=30) as client, pytest.raises(FailedPrecondition, match="reindex"):
        client.route("x")


@pytest.mark.fault("S7")
@pytest.mark.parametrize(
    "file",
    [
        "model.int8.onnx",
        "encoder.json",
        pytest.param("tokenizer.json", marks=pytest.mark.long),
        pytest.param("canaries.int8.npy", marks=pytest.mark.long),
    ],
)
def test_a_tampered_encoder_is_refused_at_start(data: Path, serve: Serve, file: str) -> None:
    """One changed byte in an encoder file keeps the server NOT_SERVING, and the log names the file."""
    [path] = data.glob(f"encoders/*/{file}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()  # it is shared with other folders
    path.write_bytes(content)
    server = serve(data)
    with grpc.insecure_channel(server.address) as channel:
        health = health_stub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(service="")).status == 2
    assert any("revision_refused" in line and file in line for line in server.log)


def test_no_prompt_reaches_the_log(data: Path, serve: Serve) -> None:
    """Whatever is routed or refused, the words of a request stand in no log line."""
    server = serve(data)
    with Client(server.address, timeout_seconds=30) as client:
        client.route("canaryword one")
        client.explain("canaryword two")
        with pytest.raises(InvalidRequest):
            client.route("canaryword\0")
        with pytest.raises(NotFound):
            client.route("x", Options(catalog="canaryword"))
    server.terminate()
    assert server.wait() == 0
    assert server.log
    assert not any("canaryword" in line for line in server.log)
