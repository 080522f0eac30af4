"""Who may call: tokens, certificates and users of the machine, over real connections, and every way around them."""

import asyncio
import base64
import importlib
import json
import os
import pkgutil
import pwd
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from fingerpost import v1
from fingerpost.access.editing import add_token, revoke_token
from fingerpost.access.tokens import hashed
from fingerpost.client import AsyncClient, Client
from fingerpost.client.catalogs import CatalogClient
from fingerpost.errors import (
    ErrorReason,
    FailedPrecondition,
    InvalidRequest,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
)
from fingerpost.rpc.permissions import NEEDED, OPEN
from fingerpost.serve.runtime import Snapshot
from fingerpost.types import AccessRole
from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.fakes import snapshot
from tests.integration.test_tls import CLIENT, OURS, on_loop
from tests.serving import Served, serving

_SECRET = "S" * 43
_TOKEN = f"fp_a1_{_SECRET}"
_METHODS = {
    "Route": pb.RouteRequest(text="fix this bug"),
    "RouteBatch": pb.RouteBatchRequest(requests=[pb.RouteRequest(text="fix this bug")]),
    "Explain": pb.ExplainRequest(request=pb.RouteRequest(text="fix this bug")),
    "GetServerInfo": pb.GetServerInfoRequest(),
}


@dataclass(frozen=True)
class Known:
    """A file of access, and the token of each role's principal."""

    path: Path
    tokens: dict[str, str]

    def __getitem__(self, role: str) -> str:
        return self.tokens[role]


@pytest.fixture(scope="module")
def snapshots() -> Snapshot:
    return snapshot()


@pytest.fixture
def known(tmp_path: Path) -> Known:
    path = tmp_path / "access.yaml"
    tokens = {role.value: add_token(path, f"a-{role}", [role.value], "", None, None).token for role in AccessRole}
    return Known(path, tokens)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def answer(method: Any, request: Any, headers: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """Code and words of a call with these headers."""
    try:
        await method(request, metadata=headers, timeout=10)
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details() or ""
    return "OK", ""


async def info(served: Served, *headers: tuple[str, str]) -> str:
    """The code of a harmless call with these headers."""
    return (await answer(served.stub.GetServerInfo, pb.GetServerInfoRequest(), headers))[0]


def counted(served: Served, cause: str) -> float:
    found = served.server.watch.metrics.registry.get_sample_value("fingerpost_refused_callers_total", {"cause": cause})
    return found or 0.0


def jwt(algorithm: str) -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, {"sub": "admin", "roles": ["operator"]})
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts), ""])


@pytest.mark.fault("X1")
@on_loop
async def test_every_wrong_token_is_refused_alike(tmp_path: Path, known: Known) -> None:
    """Whatever is wrong, the caller is told the same words; the cause is counted."""
    good = known["reader"]
    token_id = good.split("_")[1]
    other = known["caller"]
    revoked = add_token(known.path, "a-reader", (), "", None, None)
    revoke_token(known.path, revoked.id)
    ended = add_token(known.path, "a-reader", (), "", None, "2020-01-01").token
    ahead = add_token(known.path, "a-reader", (), "", "2990-01-01", None).token
    wrong = {
        "missing": ((), "nothing_shown"),
        "empty": ((("authorization", ""),), "no_bearer"),
        "no scheme": ((("authorization", good),), "no_bearer"),
        "basic": ((("authorization", "Basic YWRtaW46YWRtaW4="),), "no_bearer"),
        "too long": (bearer("fp_a_" + "x" * 4_000), "no_bearer"),
        "malformed": (bearer("fp_nonsense"), "token_malformed"),
        "none algorithm": (bearer(jwt("none")), "token_malformed"),
        "another algorithm": (bearer(jwt("HS256") + "c2ln"), "token_malformed"),
        "unknown": (bearer(f"fp_{'0' * 12}_{_SECRET}"), "token_unknown"),
        "revoked": (bearer(revoked.token), "token_unknown"),
        "wrong secret": (bearer(f"fp_{token_id}_{_SECRET}"), "token_wrong"),
        "truncated": (bearer(good[:-1]), "token_wrong"),
        "another's secret": (bearer(f"fp_{token_id}_{other.split('_', 2)[2]}"), "token_wrong"),
        "the hash itself": (bearer(f"fp_{token_id}_{'A' * 43}"), "token_wrong"),
        "expired": (bearer(ended), "token_expired"),
        "not yet valid": (bearer(ahead), "token_not_yet_valid"),
    }
    async with serving(access=str(known.path)) as served:
        answers = set()
        for name, (headers, cause) in wrong.items():
            before = counted(served, cause)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await served.stub.GetServerInfo(pb.GetServerInfoRequest(), metadata=headers, timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED, name
            assert counted(served, cause) == before + 1, name
            answers.add((refused.value.details(), reason_of(refused.value)))
        assert {reason for _, reason in answers} == {"UNAUTHENTICATED"}
        assert len(answers) == 1, "nobody learns from the answer what was wrong"
        assert await info(served, *bearer(good)) == "OK"


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    found = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(found)
    return str(found.reason)


@pytest.mark.fault("X2")
@on_loop
async def test_every_role_may_call_exactly_what_the_table_says(snapshots: Snapshot, known: Known) -> None:
    """Each method of the public listener, with a token of each role."""
    async with serving(snapshots, access=str(known.path)) as served:
        for method, request in _METHODS.items():
            needed = NEEDED[f"/fingerpost.v1.RouterService/{method}"]
            for role in AccessRole:
                code, words = await answer(getattr(served.stub, method), request, bearer(known[role.value]))
                assert code == ("OK" if role in needed else "PERMISSION_DENIED"), (method, role)
                assert code == "OK" or all(one.value in words for one in needed)
        assert counted(served, "role") == sum(
            6 - len(NEEDED[f"/fingerpost.v1.RouterService/{one}"]) for one in _METHODS
        )


@pytest.mark.fault("X2")
def test_every_method_has_a_rule() -> None:
    """A method without a rule would be refused to all, a rule without a method is a mistake."""
    names = [module.name for module in pkgutil.iter_modules(v1.__path__) if module.name.endswith("_service_pb2")]
    ours = {
        f"/{service.full_name}/{method.name}"
        for file in (importlib.import_module(f"fingerpost.v1.{name}").DESCRIPTOR for name in names)
        for service in file.services_by_name.values()
        for method in service.methods
    }
    health = health_pb2.DESCRIPTOR.services_by_name["Health"]
    reflection = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
    standard = {f"/{one.full_name}/{method.name}" for one in (health, reflection) for method in one.methods}
    assert ours | standard == set(NEEDED) | OPEN
    assert not set(NEEDED) & OPEN


@on_loop
async def test_streams_ask_too(known: Known) -> None:
    """Reflection wants somebody who is known; health tells everybody whether the server serves."""
    async with serving(access=str(known.path)) as served:
        health: Any = health_pb2_grpc.HealthStub(served.channel)
        await health.Check(health_pb2.HealthCheckRequest(service="live"), timeout=10)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="live"), timeout=10)
        await watch.read()
        watch.cancel()
        assert await services_listed(served.channel, ()) == "UNAUTHENTICATED"
        assert "fingerpost.v1.RouterService" in await services_listed(served.channel, bearer(known["auditor"]))


async def services_listed(channel: grpc.aio.Channel, headers: tuple[tuple[str, str], ...]) -> str:
    """Names of the services, or the code of the refusal."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, channel))
    call = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), metadata=headers, timeout=10
    )
    try:
        reply = await call.read()
    except grpc.aio.AioRpcError as error:
        return error.code().name
    if reply is grpc.aio.EOF:
        return str((await call.code()).name)
    return " ".join(one.name for one in reply.list_services_response.service)


@pytest.mark.fault("X3")
@on_loop
async def test_forged_headers_prove_nothing(known: Known) -> None:
    """What proxies and other servers send to name somebody is not looked at."""
    forged = [
        ("x-forwarded-client-cert", 'By=x;Subject="CN=a-operator"'),
        ("x-forwarded-user", "a-reader"),
        ("x-remote-user", "root"),
        ("x-user", "a-reader"),
        ("x-fingerpost-principal", "a-reader"),
        ("x-auth-roles", "operator"),
        ("proxy-authorization", f"Bearer {known['reader']}"),
        ("x-authorization", f"Bearer {known['reader']}"),
        ("cookie", f"authorization=Bearer {known['reader']}"),
        ("grpc-peer", "unix-abstract:x"),
    ]
    async with serving(access=str(known.path)) as served:
        for header in forged:
            assert await info(served, header) == "UNAUTHENTICATED", header
        assert await info(served, *forged) == "UNAUTHENTICATED"
        assert counted(served, "nothing_shown") == len(forged) + 1


@pytest.mark.fault("X4")
@on_loop
async def test_tokens_that_begin_alike_are_two(tmp_path: Path, snapshots: Snapshot) -> None:
    """Two tokens equal in their first 20 characters and more are two principals, whoever came first."""
    begins = "a" * 18
    path = tmp_path / "access.yaml"
    path.write_text(
        "principals:\n  - {name: one, roles: [caller]}\n  - {name: two, roles: [reader]}\ntokens:\n"
        f"  - {{id: {begins}1, owner: one, hash: '{hashed(_SECRET)}'}}\n"
        f"  - {{id: {begins}2, owner: two, hash: '{hashed(_SECRET)}'}}\n"
    )
    path.chmod(0o600)
    one, two = (bearer(f"fp_{begins}{number}_{_SECRET}") for number in (1, 2))
    async with serving(snapshots, access=str(path)) as served:
        for _ in range(3):
            await served.stub.Route(_METHODS["Route"], metadata=one, timeout=10)
            with pytest.raises(grpc.aio.AioRpcError, match="two lacks the role caller"):
                await served.stub.Route(_METHODS["Route"], metadata=two, timeout=10)


_PAYLOADS = [
    "' OR '1'='1",
    "'; DROP TABLE audit; --",
    '") UNION SELECT 1 --',
    "$(reboot)",
    "`id`",
    "../../etc/passwd",
    "%00",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "\\x00",
    "a" * 250,
]


@pytest.mark.fault("X5")
@on_loop
async def test_characters_that_mean_something_elsewhere_mean_nothing(snapshots: Snapshot, known: Known) -> None:
    """In tokens and every text field: refused or answered like any other text, and told to nobody."""
    token = known["caller"]
    async with serving(snapshots, access=str(known.path)) as served:
        for payload in _PAYLOADS:
            for value in (payload, f"Bearer {payload}", f"Bearer fp_{payload}_{payload}", f"Bearer {token}{payload}"):
                assert await info(served, ("authorization", value)) == "UNAUTHENTICATED", value
            for field in ("tenant", "session_id", "catalog", "request_id"):
                request = pb.RouteRequest(text=payload)
                setattr(request, field, payload)
                code, _ = await answer(served.stub.Route, request, bearer(token))
                assert code in {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}, (field, payload)
        await served.stub.Route(_METHODS["Route"], metadata=bearer(token), timeout=10)


@pytest.mark.fault("X6")
@pytest.mark.parametrize("guesses", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
@on_loop
async def test_guesses_get_nowhere(known: Known, guesses: int) -> None:
    """A source has some attempts and one every few seconds; who is known there already does not notice."""
    guess = bearer(f"fp_{known['reader'].split('_')[1]}_{_SECRET}")
    codes: list[str] = []
    async with serving(access=str(known.path)) as served:
        assert await info(served, *bearer(known["reader"])) == "OK"
        began = time.monotonic()

        async def guessing() -> None:
            codes.extend([await info(served, *guess) for _ in range(guesses // 100)])

        await asyncio.gather(*(guessing() for _ in range(100)))
        took = time.monotonic() - began
        assert await info(served, *bearer(known["reader"])) == "OK"
        assert len(codes) == guesses
        assert set(codes) == {"UNAUTHENTICATED", "RESOURCE_EXHAUSTED"}
        assert codes.count("UNAUTHENTICATED") == counted(served, "token_wrong") <= 20 + took / 3 + 1
        async with AsyncClient(served.address, timeout_seconds=30, token=guess[0][1].removeprefix("Bearer ")) as client:
            while True:  # an attempt may be due by now
                with pytest.raises((Unauthenticated, Overloaded)) as told:
                    await client.info()
                if isinstance(told.value, Overloaded):
                    break
        assert told.value.retry_after_ms
        assert told.value.reason == ErrorReason.TOO_MANY_ATTEMPTS


@on_loop
async def test_a_revoked_token_is_forgotten(known: Known) -> None:
    """A token that worked works no more soon after it was revoked, and the others go on."""
    async with serving(access=str(known.path)) as served:
        reader = known["reader"]
        assert await info(served, *bearer(reader)) == "OK"
        revoke_token(known.path, reader.split("_")[1])
        async with asyncio.timeout(60):
            while await info(served, *bearer(reader)) == "OK":
                await asyncio.sleep(0.05)
        assert await info(served, *bearer(known["caller"])) == "OK"


@on_loop
async def test_somebody_of_a_tenant_speaks_for_it_alone(snapshots: Snapshot, known: Known) -> None:
    """Their requests are the tenant's, whether they say so or not, and never another's; in batches too."""
    token = add_token(known.path, "acme-app", ["caller"], "acme", None, None).token
    async with serving(snapshots, access=str(known.path)) as served:
        client = AsyncClient(served.address, timeout_seconds=30, token=token)
        await client.route("fix this bug")
        for tenant, code in (("", "OK"), ("acme", "OK"), ("other", "PERMISSION_DENIED")):
            request = pb.RouteRequest(text="fix this bug", tenant=tenant)
            assert (await answer(served.stub.Route, request, bearer(token)))[0] == code
        batch = pb.RouteBatchRequest(
            requests=[pb.RouteRequest(text="fix this bug"), pb.RouteRequest(text="fix this bug", tenant="other")]
        )
        reply = await served.stub.RouteBatch(batch, metadata=bearer(token), timeout=10)
        assert [one.WhichOneof("result") for one in reply.results] == ["response", "error"]
        assert "another tenant" in reply.results[1].error.message
        await client.close()


@asynccontextmanager
async def with_certificates(folder: Path, **settings: Any) -> AsyncIterator[Served]:
    certificate, key = OURS.leaf().write(folder, "server")
    (folder / "ca.pem").write_bytes(OURS.pem)
    files: dict[str, Any] = {
        "tls_certificate": str(certificate),
        "tls_key": str(key),
        "tls_client_ca": str(folder / "ca.pem"),
    }
    async with serving(**files, **settings) as served:
        yield served


async def by_certificate(served: Served, name: str) -> str:
    leaf = CLIENT if name == "gateway" else OURS.leaf(name, server=False)
    credentials = grpc.ssl_channel_credentials(OURS.pem, leaf.key, leaf.certificate)
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(served.address, credentials, options) as channel:
        stub: Any = RouterServiceStub(channel)
        try:
            await stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return "OK"


@on_loop
async def test_certificates_name_principals(tmp_path: Path) -> None:
    """With a file of access a certificate must be of somebody in it; without one, of the authority."""
    path = tmp_path / "access.yaml"
    path.write_text(
        "principals:\n  - {name: front, roles: [reader], certificates: [gateway]}\n"
        "  - {name: other, roles: [approver], certificates: [elsewhere]}\n"
    )
    path.chmod(0o600)
    async with with_certificates(tmp_path, access=str(path)) as served:
        assert await by_certificate(served, "gateway") == "OK"
        assert await by_certificate(served, "elsewhere") == "PERMISSION_DENIED"
        assert await by_certificate(served, "stranger") == "UNAUTHENTICATED"
        assert counted(served, "certificate_unknown") == 1
    async with with_certificates(tmp_path) as served:
        assert await by_certificate(served, "stranger") == "OK"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"listen": "0.0.0.0:0", "allow_plaintext": True}, "FINGERPOST_ALLOW_ANONYMOUS"),
        ({"admin_listen": "127.0.0.1:0"}, "admin listener"),
        ({"admin_listen": "0.0.0.0:0", "allow_anonymous": True}, "admin listener"),
    ],
)
@on_loop
async def test_nobody_is_served_who_is_not_known(settings: dict[str, Any], words: str) -> None:
    """A listener that others reach, or that changes things, does not start without saying who may call."""
    with pytest.raises(FailedPrecondition, match=words) as refused:
        async with serving(**settings):
            pass
    assert refused.value.reason == ErrorReason.AUTHENTICATION_REQUIRED


@on_loop
async def test_a_wrong_file_refuses_to_start(tmp_path: Path) -> None:
    """A server that would let in nobody, or the wrong ones, does not start."""
    (tmp_path / "access.yaml").write_text("principals: {}\n")
    with pytest.raises(InvalidRequest, match="a list"):
        async with serving(access=str(tmp_path / "access.yaml")):
            pass


# --- The admin listener -------------------------------------------------------------------------------------------


def me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


async def admin_says(address: str, headers: tuple[tuple[str, str], ...] = ()) -> str:
    async with grpc.aio.insecure_channel(address) as channel:
        return await services_listed(channel, headers)


@on_loop
async def test_the_local_door_knows_users(tmp_path: Path, known: Known) -> None:
    """Who runs the server may do everything by it; with a file of access, those whom it names."""
    door = f"unix:{tmp_path}/admin.sock"
    async with serving(data=tmp_path, admin_listen=""):
        assert "grpc.health.v1.Health" in await admin_says(door)
        assert os.stat(tmp_path / "admin.sock").st_mode & 0o777 == 0o600
    assert not (tmp_path / "admin.sock").exists()
    async with serving(data=tmp_path, admin_listen="", access=str(known.path)) as served:
        assert await admin_says(door) == "UNAUTHENTICATED"
        assert counted(served, "user_unknown") == 1
        assert "Health" in await admin_says(door, bearer(known["operator"]))
    known.path.write_text(f"principals:\n  - {{name: ann, roles: [auditor], users: [{me()}]}}\n")
    async with serving(data=tmp_path, admin_listen="", access=str(known.path)) as served:
        assert "Health" in await admin_says(door)


@on_loop
async def test_the_inner_address_lets_nobody_in(tmp_path: Path) -> None:
    """Whoever finds it and connects by themselves, with whatever name, is nobody."""
    async with serving(data=tmp_path, admin_listen="") as served:
        assert served.server.admin is not None
        assert served.server.admin.door is not None
        assert await admin_says(served.server.admin.door.inner) == "UNAUTHENTICATED"
        assert "Health" in await admin_says(f"unix:{tmp_path}/admin.sock")
        assert counted(served, "nothing_shown") == 1


@on_loop
async def test_the_ways_do_not_meet(tmp_path: Path, known: Known) -> None:
    """The public listener has no admin service, and the admin listener routes nothing, with every token."""
    async with (
        serving(data=tmp_path, admin_listen="", access=str(known.path)) as served,
        grpc.aio.insecure_channel(f"unix:{tmp_path}/admin.sock") as channel,
    ):
        stub: Any = RouterServiceStub(channel)
        assert (await answer(stub.Route, _METHODS["Route"], bearer(known["caller"])))[0] == "UNIMPLEMENTED"
        catalogs = CatalogClient(served.address, token=known["operator"])
        with pytest.raises(FailedPrecondition, match="admin listener"):
            await asyncio.to_thread(catalogs.catalogs)
        catalogs.close()


@on_loop
async def test_doors_that_cannot_be_opened(tmp_path: Path) -> None:
    """What a killed server has left is replaced; a door in use, a long path and a file are left alone."""
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "admin.sock"))
    stale.close()
    door = f"unix:{tmp_path}/admin.sock"
    async with serving(data=tmp_path, admin_listen=""):
        assert "Health" in await admin_says(door)
        async with serving(data=tmp_path, admin_listen="") as second:
            assert second.server.admin is not None
            assert second.server.admin.address == "", "the first one's door stays its own"
        assert "Health" in await admin_says(door)
    (tmp_path / "file").write_text("kept")
    for path, words in (
        (tmp_path / "file", "no socket"),
        (tmp_path / ("x" * 120), "107"),
        (tmp_path / "a/b", "folder"),
    ):
        with pytest.raises(FailedPrecondition, match=words):
            async with serving(admin_listen=f"unix:{path}"):
                pass
    assert (tmp_path / "file").read_text() == "kept"


@on_loop
async def test_an_address_for_admins(known: Known) -> None:
    """HOST:PORT works as well, with a file of access."""
    async with serving(admin_listen="127.0.0.1:0", access=str(known.path)) as served:
        assert served.server.admin is not None
        assert await admin_says(served.server.admin.address) == "UNAUTHENTICATED"
        assert "Health" in await admin_says(served.server.admin.address, bearer(known["reader"]))


def test_a_client_sends_no_token_in_plain_text() -> None:
    """Off this machine a token goes over TLS alone."""
    for target in ("example.org:1", "dns:///example.org:1", "10.0.0.1:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "0.0.0.0:1"):
        with pytest.raises(InvalidRequest, match="TLS"):
            Client(target, token=_TOKEN)
    for target in ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/x", "ipv4:127.0.0.1:1,127.0.0.2:1"):
        Client(target, token=_TOKEN).close()
    Client("example.org:1", token=_TOKEN, credentials=grpc.ssl_channel_credentials()).close()
    with pytest.raises(InvalidRequest):
        Client("127.0.0.1:1", token=f"{_TOKEN} ")


@on_loop
async def test_errors_of_the_client(known: Known, snapshots: Snapshot) -> None:
    """The client raises what the server says, by its class."""
    async with serving(snapshots, access=str(known.path)) as served:
        for token, error in ((None, Unauthenticated), (known["reader"], PermissionDenied)):
            client = AsyncClient(served.address, timeout_seconds=30, token=token)
            with pytest.raises(error):
                await client.route("fix this bug")
            await client.close()
