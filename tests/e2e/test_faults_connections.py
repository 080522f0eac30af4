"""Connections that misbehave: idle, silent, half open, too many, resetting, pinging. The others are served on."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from resource import RLIMIT_NOFILE, prlimit
from typing import Any

import grpc
import pytest

from benchmarks.load.every import Every
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.http2 import ENHANCE_YOUR_CALM, PREFACE, Kind, RawConnection, address_of
from tests.processes import ServerProcess
from tests.watched import METRICS, Watched, until

Serve = Callable[..., ServerProcess]

_SECONDS = 30.0
"""A call's deadline; far more than any takes, so that a slow machine fails nothing."""

MESSAGE = pb.RouteRequest(text="fix this bug").SerializeToString()


def ask(watched: Watched, calls: int, text: str) -> None:
    """Calls one after the other over a connection of their own; each must be answered in its time."""
    with watched.channel() as channel:
        stub: Any = RouterServiceStub(channel)
        for number in range(calls):
            assert stub.Route(pb.RouteRequest(text=f"{text} {number}"), timeout=_SECONDS).model


def cost_of(watched: Watched, calls: int, text: str) -> float:
    """Seconds of the processor that the server needs for them."""
    before = watched.family.cpu_seconds
    ask(watched, calls, text)
    return watched.family.cpu_seconds - before


@contextmanager
def callers_beside(watched: Watched) -> Iterator[None]:
    """Calls by another client as long as the context lasts, each of which must be answered."""
    answered = 0
    errors: list[Exception] = []

    def call() -> None:
        nonlocal answered
        try:
            ask(watched, 5, "beside")
            answered += 5
        except Exception as error:  # noqa: BLE001  told below
            errors.append(error)

    with Every(0.0, call):
        yield
    assert errors == []
    assert answered


def open_socket(target: str) -> socket.socket:
    return socket.create_connection(address_of(target), timeout=10)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it, once all that it said is read."""
    connection.settimeout(0.01)
    try:
        while connection.recv(65_536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


# --- Too many and too silent --------------------------------------------------------------------------------------

LIMITS: dict[str, Any] = {
    "connections": 20,
    "connection_handshake_ms": 1_000,
    "connection_ping_ms": 500,
    "connection_idle_ms": 2_500,
}


@pytest.fixture(scope="module")
def strict(published: Path) -> Iterator[Watched]:
    """A server that is short with its connections."""
    with ServerProcess(published, **LIMITS, **METRICS) as server:
        yield Watched(server)


def test_connections_beyond_the_cap_are_closed(strict: Watched) -> None:
    """Of 50 connections only so many stay as may; who was there before is answered, and who comes after them too."""
    with strict.channel() as channel, ExitStack() as stack:
        stub: Any = RouterServiceStub(channel)
        stub.Route(pb.RouteRequest(text="first"), timeout=_SECONDS)
        many = [stack.enter_context(contextlib.closing(open_socket(strict.address))) for _ in range(50)]
        until(lambda: sum(map(is_closed, many)) >= 30, 30)
        assert strict.family.descriptors < 80
        assert stub.Route(pb.RouteRequest(text="still"), timeout=_SECONDS).model
    until(lambda: answers(strict), 30)


def answers(watched: Watched) -> bool:
    try:
        return bool(watched.ask("anybody there").model)
    except grpc.RpcError:
        return False


@pytest.mark.parametrize("said", [b"", PREFACE[:10], b"GET / HTTP/1.1\r\n"])
def test_who_does_not_speak_is_hung_up_on(strict: Watched, said: bytes) -> None:
    """A connection that never becomes HTTP/2 is closed after the time for it."""
    with contextlib.closing(open_socket(strict.address)) as connection:
        connection.sendall(said)
        until(lambda: is_closed(connection), 30)
    assert answers(strict)


def test_who_does_not_answer_pings_is_given_up(strict: Watched) -> None:
    """A client that is gone without a word, as when its machine loses power, is found out and its connection closed."""
    with RawConnection(strict.address) as connection:
        found = list(connection.frames(30))
    assert [one for one in found if one.kind == Kind.PING]
    assert any(b"ping_timeout" in one.payload for one in found if one.kind == Kind.GOAWAY)


def test_idle_connections_are_closed_gently(strict: Watched) -> None:
    """A connection without calls is told that it is idle, and closed; a call afterwards opens a new one."""
    with strict.channel() as channel:
        stub: Any = RouterServiceStub(channel)
        stub.Route(pb.RouteRequest(text="before"), timeout=_SECONDS)
        with RawConnection(strict.address, answers_pings=True) as connection:
            found = list(connection.frames(30))
        assert any(b"idle" in one.payload for one in found if one.kind == Kind.GOAWAY)
        assert stub.Route(pb.RouteRequest(text="after"), timeout=_SECONDS).model


# --- Many at a time -----------------------------------------------------------------------------------------------

_STOPPED_CLIENT = """
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1])
call = channel.unary_unary("/fingerpost.v1.RouterService/RouteBatch")
calls = [call.future(bytes.fromhex(sys.argv[2]), timeout=60) for _ in range(20)]
calls[0].result()
print("answered once", flush=True)
calls[-1].result()
"""


@contextmanager
def stopped_client(address: str) -> Iterator[int]:
    """A process that asked for much and is stopped before it has read all; gives its id."""
    item = pb.RouteRequest(text="reply with all that there is", include_embedding=True, include_matches=True)
    batch = pb.RouteBatchRequest(requests=[item] * 100).SerializeToString()
    command = [sys.executable, "-c", _STOPPED_CLIENT, address, batch.hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "answered once\n"
            process.send_signal(signal.SIGSTOP)
            yield process.pid
        finally:
            process.kill()


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"


def test_idle_half_open_and_stopped_clients_disturb_nobody(published: Path, serve: Serve) -> None:
    """With 500 idle connections, 100 half-open ones and a client that no longer reads, calls cost about as much."""
    watched = Watched(serve(published, **METRICS))
    ask(watched, 30, "warm up")
    before = cost_of(watched, 150, "before")
    descriptors = watched.family.descriptors
    with ExitStack() as stack:
        idle = [stack.enter_context(RawConnection(watched.address)) for _ in range(500)]
        half = [stack.enter_context(contextlib.closing(open_socket(watched.address))) for _ in range(100)]
        for connection in half:
            connection.sendall(PREFACE[:10])
        stopped = stack.enter_context(stopped_client(watched.address))
        until(lambda: watched.family.descriptors >= descriptors + 600, 30)
        during = cost_of(watched, 150, "during")
        assert len(idle) + len(half) == 600
        assert is_stopped(stopped)
    assert during <= 2 * before + 0.1
    until(lambda: watched.family.descriptors <= descriptors + 2, 30)
    assert watched.left == (0, 0)


def test_running_out_of_descriptors(published: Path, serve: Serve) -> None:
    """With a limit of 256 and 1,000 connections those that are there are served; afterwards new ones are accepted."""
    watched = Watched(serve(published, **METRICS))
    with watched.channel() as channel, ExitStack() as stack:
        stub: Any = RouterServiceStub(channel)
        stub.Route(pb.RouteRequest(text="there before"), timeout=_SECONDS)
        prlimit(watched.server.process.pid, RLIMIT_NOFILE, (256, 256))
        for _ in range(1_000):
            connection = stack.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(address_of(watched.address))
        until(lambda: _descriptors(watched) >= 250, 30)
        cpu, began = watched.family.cpu_seconds, time.monotonic()
        time.sleep(0.5)
        used, seconds = watched.family.cpu_seconds - cpu, time.monotonic() - began
        assert used < 0.8 * seconds  # the loop that accepts does not spin
        for number in range(50):
            assert stub.Route(pb.RouteRequest(text=f"existing {number}"), timeout=_SECONDS).model
        assert _descriptors(watched) >= 250
    until(lambda: answers(watched), 30)
    until(lambda: _descriptors(watched) < 100, 30)


def _descriptors(watched: Watched) -> int:
    """Of the process that accepts connections alone, whose limit was lowered."""
    return len(os.listdir(f"/proc/{watched.server.process.pid}/fd"))


# --- Abuse of HTTP/2 ----------------------------------------------------------------------------------------------


def test_too_many_pings(published: Path, serve: Serve) -> None:
    """A client that pings without end is told to calm down and loses its connection; another one notices nothing."""
    watched = Watched(serve(published, **METRICS))
    with callers_beside(watched), RawConnection(watched.address) as connection:
        found = []
        for _ in range(20):
            try:
                connection.ping()
            except ConnectionError:
                break
            found += list(connection.frames(0.2))
    [goodbye] = [one for one in found if one.kind == Kind.GOAWAY]
    assert int.from_bytes(goodbye.payload[4:8], "big") == ENHANCE_YOUR_CALM
    assert goodbye.payload[8:] == b"too_many_pings"
    assert answers(watched)


_RESETS = 20_000


def test_streams_that_are_opened_and_reset_at_once(published: Path, serve: Serve) -> None:
    """Twenty thousand of them hold neither memory nor places, and another client's calls are all answered."""
    watched = Watched(serve(published, **METRICS))
    ask(watched, 30, "warm up")
    watched.family.forget_peak()
    before = watched.family.peak_bytes
    with (
        callers_beside(watched),
        RawConnection(watched.address) as connection,
        draining(connection) as received,
    ):
        for _ in range(_RESETS):
            connection.reset(connection.call(MESSAGE))
        connection.ping()
        until(lambda: received["pong"] > 0, 60)  # all before it was read
    assert received["refused"] >= 1_000  # who is so fast has more streams open than a connection may
    assert watched.family.peak_bytes - before < 80_000_000
    until(lambda: watched.left == (0, 0), 30)
    ask(watched, 30, "afterwards")


@contextmanager
def draining(connection: RawConnection) -> Iterator[dict[str, int]]:
    """Reads what the server sends, since it waits otherwise; counts refused streams and answered pings."""
    received = {"pong": 0, "refused": 0}

    def read() -> None:
        for one in connection.frames(0.1):
            received["refused"] += one.kind == Kind.RST_STREAM
            received["pong"] += one.is_ack and one.kind == Kind.PING

    with Every(0.0, read):
        yield received
