"""Several servers behind Envoy, as deploy/envoy sets it up, and several behind a client that takes turns."""

import asyncio
import random
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer
from prometheus_client.parser import text_string_to_metric_families

from fingerpost.client import Client
from fingerpost.errors import FingerpostError, Unavailable
from fingerpost.settings import Settings
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.envoy import EnvoyProcess
from tests.processes import ServerProcess, fingerpost
from tests.serving import Refusal, health_stub, refusal

# A queue so long that a busy machine refuses nothing, but where a test is about refusals.
SETTINGS: dict[str, Any] = {
    "metrics_listen": "127.0.0.1:0",
    "embed_threads": 1,
    "queue_burst_ms": 60_000,
    "queue_standing_ms": 60_000,
}
TEXT = "fix the indentation error in my python script"

Serve = Callable[..., ServerProcess]
Front = Callable[..., EnvoyProcess]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Puts Envoy in front of servers until the test ends."""
    with ExitStack() as stack:

        def start(*servers: ServerProcess) -> EnvoyProcess:
            return stack.enter_context(EnvoyProcess(tmp_path, [server.address for server in servers]))

        yield start


@pytest.fixture(scope="module")
def pair(published: Path) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Two servers of the same data folder; tests must not change them."""
    with ServerProcess(published, **SETTINGS) as first, ServerProcess(published, **SETTINGS) as second:
        yield first, second


@pytest.fixture
def staying(pair: tuple[ServerProcess, ServerProcess]) -> ServerProcess:
    """A server beside which another one ends; tests must not change it."""
    return pair[1]


@pytest.fixture(scope="module")
def proxy(
    pair: tuple[ServerProcess, ServerProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EnvoyProcess]:
    """Envoy in front of the pair."""
    with EnvoyProcess(tmp_path_factory.mktemp("envoy"), [server.address for server in pair]) as envoy:
        yield envoy


def sent(server: ServerProcess, code: str = "OK") -> int:
    """How many calls of RouterService the server has ended with the code."""
    [line] = [line for line in server.log if "metrics_served" in line]
    address = line.partition('"http://')[2].partition('"')[0]
    with urllib.request.urlopen(f"http://{address}", timeout=10) as reply:
        families = text_string_to_metric_families(reply.read().decode())
    samples = [sample for family in families for sample in family.samples if sample.name == "fingerpost_calls_total"]
    ours = [sample for sample in samples if "RouterService" in sample.labels["method"]]
    return round(sum(sample.value for sample in ours if sample.labels["code"] == code))


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "too late"
        time.sleep(0.02)


class Load:
    """Four clients that ask for new texts, one after the other with a pause between; a context manager."""

    def __init__(self, target: str, **options: Any) -> None:
        self._clients = [Client(target, timeout_seconds=30, **options) for _ in range(4)]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=each) for each in enumerate(self._clients)]
        self.revisions: list[str] = []
        self.failed: list[FingerpostError] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.more(40)
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for client in self._clients:
            client.close()

    def _call(self, name: int, client: Client) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                self.revisions.append(client.route(f"question {name} {number} about a list").revision)
            except FingerpostError as error:
                self.failed.append(error)
            time.sleep(0.01)

    def more(self, count: int) -> None:
        """Wait until so many more calls were answered."""
        before = len(self.revisions)
        wait_until(lambda: len(self.revisions) >= before + count, 30)


@contextmanager
def stub_of(address: str) -> Iterator[Any]:
    with grpc.insecure_channel(address) as channel:
        yield RouterServiceStub(channel)


# --- Behind Envoy ---------------------------------------------------------------------------------------------------


def test_envoy_spreads_the_calls_of_one_connection(
    proxy: EnvoyProcess, pair: tuple[ServerProcess, ServerProcess]
) -> None:
    """One client's calls, one after the other over one connection, are answered by both servers."""
    before = [sent(server) for server in pair]
    with Client(proxy.address, timeout_seconds=30) as client:
        for number in range(60):
            client.route(f"a text, the {number}th")
    shares = [sent(server) - was for server, was in zip(pair, before, strict=True)]
    assert sum(shares) == 60
    assert min(shares) >= 10


def test_every_replica_decides_the_same(published: Path, serve: Serve, front: Front) -> None:
    """Whichever server answers, the reply is the same to the byte but for the decision's id, times and the cache."""
    # Servers of its own: each counts its own decisions for the escalation limit, which begins at 100 a minute.
    pair = [serve(published, **SETTINGS) for _ in range(2)]
    replies = set()
    with stub_of(front(*pair).address) as stub:
        for text in (TEXT, "Was kostet das?", "zorbulate the quonk") * 20:
            request = pb.RouteRequest(text=text, alternatives_count=3, include_matches=True, include_embedding=True)
            request.request_id = "same"
            reply = stub.Route(request, timeout=10)
            assert reply.decision_id
            for own in ("decision_id", "timing", "cached"):
                reply.ClearField(own)
            replies.add(reply.SerializeToString(deterministic=True))
    assert all(sent(server) > 0 for server in pair)
    assert len(replies) == 3


def test_the_deadline_reaches_the_server(tmp_path: Path) -> None:
    """A server behind Envoy knows how long the caller waits; a call without a deadline gets the default of a server."""
    with Clock() as clock, EnvoyProcess(tmp_path, [clock.address]) as envoy, stub_of(envoy.address) as stub:
        stub.Route(pb.RouteRequest(text=TEXT), timeout=7)
        stub.Route(pb.RouteRequest(text=TEXT))
    default = Settings.model_fields["default_deadline_ms"].default / 1000
    assert [6 < clock.left[0] <= 7, default - 1 < clock.left[1] <= default] == [True, True]


class Clock(grpc.GenericRpcHandler):
    """A server that only notes how much time callers leave it; a context manager."""

    def __init__(self) -> None:
        self.left: list[float] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        health = HealthServicer()
        health.set("fingerpost.v1.RouterService", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(health, self._server)
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._answer) if "Route" in details.method else None

    def _answer(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        self.left.append(context.time_remaining() or 0)
        return b""

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.stop(None).wait()


def test_what_is_no_service_of_ours_stays_outside(proxy: EnvoyProcess) -> None:
    """Health comes through Envoy, and a method that is not there is UNIMPLEMENTED."""
    with grpc.insecure_channel(proxy.address) as channel:
        request = health_pb2.HealthCheckRequest(service="fingerpost.v1.RouterService")
        assert health_stub(channel).Check(request, timeout=30).status == 1
        unknown: Any = channel.unary_unary("/other.v1.Service/Method")
        with pytest.raises(grpc.RpcError) as raised:
            unknown(b"", timeout=30)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_refusal_comes_through_as_it_is(published: Path, serve: Serve, front: Front) -> None:
    """RESOURCE_EXHAUSTED keeps details and push-back, and no other server is asked, even if the caller orders that."""
    servers = [serve(published, in_flight_calls=4, **SETTINGS) for _ in range(2)]
    envoy = front(*servers)

    async def ask() -> Refusal:
        async with grpc.aio.insecure_channel(envoy.address) as channel:
            stub: Any = RouterServiceStub(channel)
            batch = pb.RouteBatchRequest(requests=[pb.RouteRequest(text=f"item {n}") for n in range(9)])
            order = (("x-envoy-retry-grpc-on", "resource-exhausted"), ("x-envoy-max-retries", "3"))
            return await refusal(stub.RouteBatch(batch, timeout=10, metadata=order))

    answer = asyncio.run(ask())
    assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (answer.domain, answer.infos, answer.metadata["cause"]) == ("fingerpost", 1, "in_flight")
    assert answer.retry_ms is not None
    assert int(answer.trailing["grpc-retry-pushback-ms"]) == answer.retry_ms
    assert sum(sent(server, "RESOURCE_EXHAUSTED") for server in servers) == 1
    assert envoy.count("upstream_rq_retry") == 0


def test_envoy_drains_a_server_without_a_failed_call(
    published: Path, serve: Serve, front: Front, staying: ServerProcess
) -> None:
    """On SIGTERM under load Envoy looks away while the server still answers; no call fails, and the exit code is 0."""
    leaving = serve(published, drain_wait_ms=8_000, **SETTINGS)
    envoy = front(leaving, staying)
    with Load(envoy.address) as load:
        leaving.terminate()
        wait_until(lambda: envoy.healthy == {staying.address}, 30)
        assert leaving.process.poll() is None
        assert leaving.wait() == 0
        before = sent(staying)
        load.more(40)
        assert sent(staying) >= before + 40
    assert load.failed == []


def test_a_killed_server_costs_no_call(published: Path, serve: Serve, front: Front, staying: ServerProcess) -> None:
    """A server that is gone at once fails no call of a client with the standard service config; Envoy looks away."""
    dying = serve(published, **SETTINGS)
    envoy = front(dying, staying)
    with Load(envoy.address) as load:
        dying.process.kill()
        wait_until(lambda: envoy.healthy == {staying.address}, 30)
        load.more(40)
    assert load.failed == []


def test_a_server_that_comes_back_gets_calls_again(
    published: Path, serve: Serve, front: Front, staying: ServerProcess
) -> None:
    """A new server on the address of one that ended is found by the health checks."""
    first = serve(published, listen=own_address(), **SETTINGS)
    envoy = front(first, staying)
    first.terminate()
    assert first.wait() == 0
    wait_until(lambda: envoy.healthy == {staying.address}, 30)
    again = serve(published, listen=first.address, **SETTINGS)
    wait_until(lambda: len(envoy.healthy) == 2, 30)
    with Load(envoy.address):
        wait_until(lambda: sent(again) > 0, 30)


def own_address() -> str:
    """An address that nobody else of this machine gets who asks for any free port."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    for port in random.sample(range(10_000, low), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"
    raise AssertionError("no port is free")


def test_a_frozen_server_holds_no_call_for_ever(
    published: Path, serve: Serve, front: Front, staying: ServerProcess
) -> None:
    """Calls without a deadline that a frozen server holds are ended by Envoy, which then looks away."""
    frozen = serve(published, **SETTINGS)
    envoy = front(frozen, staying)
    with stub_of(envoy.address) as stub:
        frozen.process.send_signal(signal.SIGSTOP)
        calls = [stub.Route.future(pb.RouteRequest(text=f"text {n}")) for n in range(12)]
        codes = {call.exception(60).code() if call.exception(60) else grpc.StatusCode.OK for call in calls}
        assert codes == {grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED}
        wait_until(lambda: envoy.healthy == {staying.address}, 30)
        for number in range(8):
            stub.Route(pb.RouteRequest(text=f"later {number}"), timeout=30)


def test_without_a_server_envoy_says_unavailable(published: Path, serve: Serve, front: Front) -> None:
    """When no server is healthy, callers hear UNAVAILABLE."""
    server = serve(published, **SETTINGS)
    envoy = front(server)
    server.process.kill()
    wait_until(lambda: envoy.healthy == set(), 30)
    with Client(envoy.address, timeout_seconds=30) as client, pytest.raises(Unavailable):
        client.route(TEXT)


def test_an_activation_reaches_every_replica(data: Path, routes: Path, serve: Serve, front: Front) -> None:
    """After a publication under load every server answers by the new revision, and no call fails."""
    servers = [serve(data, **SETTINGS) for _ in range(2)]
    envoy = front(*servers)
    with Load(envoy.address) as load:
        old = load.revisions[0]
        (routes / "maths.yaml").unlink()
        fingerpost("reindex", "--routes", routes, "--data", data)
        wait_until(lambda: all(revision_of(server.address) != old for server in servers), 30)
        load.more(8)  # those that began before
        count = len(load.revisions)
        load.more(40)
    assert load.failed == []
    assert {revision_of(server.address) for server in servers} == set(load.revisions[count:])


def revision_of(address: str) -> str:
    with Client(address, timeout_seconds=30) as client:
        return client.info().catalogs[0].revision


# --- Clients that take turns ----------------------------------------------------------------------------------------


def target_of(*servers: ServerProcess) -> str:
    return "ipv4:" + ",".join(server.address for server in servers)


@pytest.mark.parametrize("watch_health", [False, True])
def test_a_client_takes_turns(pair: tuple[ServerProcess, ServerProcess], watch_health: bool) -> None:
    """With two addresses in its target, one client's calls go to both servers in turn."""
    with Client(target_of(*pair), timeout_seconds=30, watch_health=watch_health) as client:
        wait_until(lambda: all(moves(client, server) for server in pair), 10)  # both connections are there
        before = [sent(server) for server in pair]
        for _ in range(40):
            client.info()
    assert [sent(server) - was for server, was in zip(pair, before, strict=True)] == [20, 20]


def moves(client: Client, server: ServerProcess) -> bool:
    """Whether one of two calls comes to the server."""
    before = sent(server)
    client.info()
    client.info()
    return sent(server) > before


@pytest.mark.parametrize("watch_health", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_leaves_without_a_failed_call(
    published: Path, serve: Serve, staying: ServerProcess, watch_health: bool, number: signal.Signals
) -> None:
    """Of two servers one ends under load, in order or at once, and clients that take turns lose no call."""
    leaving, before = serve(published, drain_wait_ms=500, **SETTINGS), sent(staying)
    with Load(target_of(leaving, staying), watch_health=watch_health) as load:
        wait_until(lambda: sent(leaving) > 0 and sent(staying) > before, 30)
        leaving.process.send_signal(number)
        leaving.wait()
        load.more(40)
    assert load.failed == []


def test_a_client_that_watches_leaves_out_who_does_not_serve(
    tmp_path: Path, serve: Serve, staying: ServerProcess
) -> None:
    """A server without a revision gets no call of a client that watches health, which therefore never fails."""
    empty, before = serve(tmp_path / "empty", **SETTINGS), sent(staying)
    with Client(target_of(empty, staying), timeout_seconds=30, watch_health=True) as client:
        for number in range(20):
            client.route(f"text {number}")
    assert (sent(empty, "FAILED_PRECONDITION"), sent(staying) - before) == (0, 20)
