"""TLS on the listener: who may connect, what is refused, and certificates that change under way."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from fingerpost.errors import InvalidRequest
from fingerpost.rpc.tls import Certificates, is_loopback
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.authority import Authority, Leaf
from tests.serving import Served, serving


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs on an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


OURS = Authority()
STRANGER = Authority()  # of the same name, with another key
CLIENT = OURS.leaf("gateway", server=False)


@asynccontextmanager
async def guarded(folder: Path, **settings: Any) -> AsyncIterator[Served]:
    """A server whose clients must show a certificate of ours."""
    certificate, key = OURS.leaf().write(folder, "server")
    (folder / "ca.pem").write_bytes(OURS.pem)
    files = {"tls_certificate": str(certificate), "tls_key": str(key), "tls_client_ca": str(folder / "ca.pem")}
    async with serving(**{**files, **settings}) as served:
        yield served


async def ask(served: Served, client: Leaf | None, ca: bytes = OURS.pem, name: str = "localhost") -> str:
    """Version of the server, asked over a connection of its own; the error's code where there is none."""
    own = (client.key, client.certificate) if client else (None, None)
    options = [("grpc.ssl_target_name_override", name), ("grpc.use_local_subchannel_pool", 1)]
    credentials = grpc.ssl_channel_credentials(ca, *own)
    async with grpc.aio.secure_channel(served.address, credentials, options) as channel:
        stub: Any = RouterServiceStub(channel)
        try:
            return str((await stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=5)).version)
        except grpc.aio.AioRpcError as error:
            return error.code().name


@on_loop
async def test_a_client_of_ours_is_answered(tmp_path: Path) -> None:
    """Both sides prove who they are."""
    async with guarded(tmp_path) as served:
        assert await ask(served, CLIENT) not in {"UNAVAILABLE", ""}


@pytest.mark.fault("T13")
@pytest.mark.parametrize(
    ("client", "ca", "name"),
    [
        pytest.param(None, OURS.pem, "localhost", id="no certificate"),
        pytest.param(STRANGER.leaf("gateway", server=False), OURS.pem, "localhost", id="another authority"),
        pytest.param(OURS.leaf("gateway", -3, -1, server=False), OURS.pem, "localhost", id="expired"),
        pytest.param(OURS.leaf("gateway", 1, 3, server=False), OURS.pem, "localhost", id="not yet valid"),
        pytest.param(OURS.leaf("gateway", server=True), OURS.pem, "localhost", id="of a server"),
        pytest.param(CLIENT, STRANGER.pem, "localhost", id="the server is of another authority"),
        pytest.param(CLIENT, OURS.pem, "elsewhere", id="the server has another name"),
    ],
)
@on_loop
async def test_bad_certificates_are_refused(tmp_path: Path, client: Leaf | None, ca: bytes, name: str) -> None:
    """No handshake, thus no call; a client of ours is answered right after."""
    async with guarded(tmp_path) as served:
        assert await ask(served, client, ca, name) == "UNAVAILABLE"
        assert await ask(served, CLIENT) != "UNAVAILABLE"


@pytest.mark.fault("T13")
@on_loop
async def test_there_is_no_way_around_tls(tmp_path: Path) -> None:
    """Plain text on the same port is answered by nothing."""
    async with guarded(tmp_path) as served, grpc.aio.insecure_channel(served.address) as channel:
        stub: Any = RouterServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.fault("T13")
@on_loop
async def test_certificates_change_under_way(tmp_path: Path) -> None:
    """A new certificate is used at once, a broken one never; who is connected notices neither."""
    async with guarded(tmp_path) as served:
        credentials = grpc.ssl_channel_credentials(OURS.pem, CLIENT.key, CLIENT.certificate)
        options = [("grpc.ssl_target_name_override", "localhost")]
        async with grpc.aio.secure_channel(served.address, credentials, options) as channel:
            stub: Any = RouterServiceStub(channel)
            await stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=5)
            OURS.leaf("renamed").write(tmp_path, "server")
            assert await ask(served, CLIENT, name="renamed") != "UNAVAILABLE"
            assert await ask(served, CLIENT) == "UNAVAILABLE"
            for broken in (b"no certificate", OURS.leaf("other").certificate, b""):
                (tmp_path / "server.pem").write_bytes(broken)
                assert await ask(served, CLIENT, name="renamed") != "UNAVAILABLE"
            (tmp_path / "server.pem").unlink()
            assert await ask(served, CLIENT, name="renamed") != "UNAVAILABLE"
            OURS.leaf().write(tmp_path, "server")
            assert await ask(served, CLIENT) != "UNAVAILABLE"
            await stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=5)


@on_loop
async def test_without_an_authority_clients_need_no_certificate(tmp_path: Path) -> None:
    """The way is protected, and whoever reaches the server may ask."""
    async with guarded(tmp_path, tls_client_ca="") as served:
        assert await ask(served, None) != "UNAVAILABLE"


def test_files_that_do_not_fit_are_refused_at_the_start(tmp_path: Path) -> None:
    """Missing, of another key, no PEM, an authority that is none: each told with the file, without its content."""
    certificate, key = OURS.leaf().write(tmp_path, "one")
    _, other = OURS.leaf().write(tmp_path, "other")
    none = tmp_path / "none.pem"
    none.write_text("secret words")
    for parts in ((certificate, other, None), (none, key, None), (certificate, key, none), (tmp_path / "x", key, None)):
        with pytest.raises(InvalidRequest, match="cannot be used") as caught:
            Certificates(*parts)
        assert "secret words" not in caught.value.message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"listen": "0.0.0.0:0", "allow_anonymous": True}, "FINGERPOST_ALLOW_PLAINTEXT"),
        ({"listen": "[::]:0", "allow_anonymous": True}, "FINGERPOST_ALLOW_PLAINTEXT"),
        ({"tls_certificate": "x"}, "set both"),
        ({"tls_client_ca": "x"}, "set both"),
    ],
)
@on_loop
async def test_unsafe_settings_refuse_to_start(settings: dict[str, Any], words: str) -> None:
    """Plain text beyond loopback, and half of what TLS needs."""
    with pytest.raises(InvalidRequest, match=words):
        async with serving(**settings):
            pass


@on_loop
async def test_plain_text_elsewhere_when_told_so() -> None:
    """Whoever says so is believed."""
    async with serving(listen="0.0.0.0:0", allow_plaintext=True, allow_anonymous=True) as served:
        assert served.address.startswith("0.0.0.0:")


def test_what_counts_as_loopback() -> None:
    """Addresses that only this machine reaches; a name that may lead anywhere is none."""
    assert all(map(is_loopback, ("127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1")))
    assert not any(
        map(is_loopback, ("0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.org:1", "localhost.example:1", ":1"))
    )
