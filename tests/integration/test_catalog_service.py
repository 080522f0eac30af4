"""The catalog service over its real listener: who may do what, once, and what wrong input meets."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from fingerpost.access.editing import add_token
from fingerpost.bootstrap.collecting import collect
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import read_audit
from fingerpost.client.catalogs import CatalogClient
from fingerpost.errors import (
    Conflict,
    DataLoss,
    ErrorReason,
    FailedPrecondition,
    FingerpostError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from fingerpost.release.audit import verified
from fingerpost.release.proposing import propose
from fingerpost.rpc.permissions import NEEDED
from fingerpost.types import AccessRole, Action, Arm, AuditEntry, Experiment
from fingerpost.v1 import catalog_service_pb2 as pb
from fingerpost.v1.catalog_service_pb2_grpc import CatalogServiceStub
from tests.artefacts import store_revision
from tests.integration.test_identity import bearer
from tests.integration.test_tls import on_loop
from tests.ledgers import pointers_of, told
from tests.serving import Served, serving
from tests.tcp_proxy import Fault, running_proxy
from tests.unit.test_file_store import put

_SERVICE = "/fingerpost.v1.CatalogService/"
_OLD = time.time() - 3 * 86_400


@dataclass(frozen=True)
class Site:
    """A data folder with three revisions, the first of which is served, and a token of each role's principal."""

    root: Path
    access: Path
    tokens: dict[str, str]
    revisions: tuple[str, str, str]

    def settings(self, **more: Any) -> dict[str, Any]:
        return {"data": self.root, "access": str(self.access), "admin_listen": "", **more}

    def client(self, role: str, target: str = "") -> CatalogClient:
        return CatalogClient(target or f"unix:{self.root}/admin.sock", token=self.tokens[role])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    root = tmp_path / "data"
    access = tmp_path / "access.yaml"
    tokens = {role.value: add_token(access, f"a-{role}", [role.value], "", None, None).token for role in AccessRole}
    revisions = (put(root, "a"), put(root, "b"), put(root, "c"))
    pointers_of(root).activate("default", revisions[0])
    return Site(root, access, tokens, revisions)


@asynccontextmanager
async def admin(site: Site, **settings: Any) -> AsyncIterator[tuple[Served, Any]]:
    """A server, and a stub of its catalog service."""
    async with (
        serving(**site.settings(**settings)) as served,
        grpc.aio.insecure_channel(f"unix:{site.root}/admin.sock", [("grpc.default_authority", "localhost")]) as channel,
    ):
        yield served, CatalogServiceStub(channel)


async def in_thread(work: Any, *arguments: Any) -> Any:
    return await asyncio.to_thread(work, *arguments)


@on_loop
async def test_from_proposal_to_roll_back_by_several_people(site: Site) -> None:
    """Each does their part through the listener; everything is on record, and servers are told."""
    _, second, _ = site.revisions
    async with admin(site):
        with (
            site.client("proposer") as ann,
            site.client("approver") as bob,
            site.client("operator") as olga,
            site.client("auditor") as ada,
        ):
            made = await in_thread(ann.propose, second[:12], "", "more words")
            assert (made.state, made.proposer, made.comment) == ("approved", "a-proposer", "more words")
            voted = await in_thread(bob.approve, second, "default", "fine")
            assert [(vote.actor, vote.comment) for vote in voted.approvals] == [("a-approver", "fine")]
            done = await in_thread(olga.activate, second, "", 1)
            assert (done.revision, done.generation, done.entry.actor) == (second, 2, "a-operator")
            assert told(site.root) == (second, 2)
            back = await in_thread(olga.roll_back)
            assert (back.revision, back.generation) == (site.revisions[0], 3)
            entries = await in_thread(ada.audit)
            assert [one.action for one in entries] == ["roll_back", "activate", "approve", "propose", "activate"]
            assert (await in_thread(ada.verify, done.entry.hash[:12])).hash == back.entry.hash
            assert [one.generation for one in await in_thread(ann.catalogs)] == [3]
            kept = await in_thread(bob.proposals)
            assert [(one.revision, one.state) for one in kept] == [(second, "approved")]
    verified(*read_audit(DataFolder(site.root)))


def denials(site: Site) -> list[AuditEntry]:
    return [one for one in read_audit(DataFolder(site.root))[0] if one.event.action is Action.DENY]


@pytest.mark.fault("X2")
@on_loop
async def test_every_role_may_call_exactly_what_the_table_says(site: Site) -> None:
    """Each method with a token of each role; whoever asked for more stands in the audit, once."""
    async with admin(site) as (_, stub):
        methods = [name.removeprefix(_SERVICE) for name in NEEDED if name.startswith(_SERVICE)]
        for method in methods:
            request = getattr(pb, f"{method}Request")()
            for role in AccessRole:
                for _ in range(2):
                    try:
                        await getattr(stub, method)(request, metadata=bearer(site.tokens[role]), timeout=10)
                        code = "OK"
                    except grpc.aio.AioRpcError as error:
                        code = error.code().name
                    assert (code == "PERMISSION_DENIED") == (role not in NEEDED[f"{_SERVICE}{method}"]), (method, role)
                    assert code in {"OK", "PERMISSION_DENIED", "INVALID_ARGUMENT", "NOT_FOUND"}
        denied = sum(len(AccessRole) - len(NEEDED[f"{_SERVICE}{method}"]) for method in methods)
        ends = time.monotonic() + 30
        while len(written := denials(site)) < denied:
            assert time.monotonic() < ends
            await asyncio.sleep(0.1)
        assert len(written) == denied
        assert {one.event.details["method"] for one in written} == {f"{_SERVICE}{method}" for method in methods}
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ListCatalogs(pb.ListCatalogsRequest(), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


@on_loop
async def test_a_repeat_has_one_effect(site: Site) -> None:
    """The same key of the same caller and method is one change; of another caller or method it is another."""
    second = site.revisions[1]
    add_token(site.access, "other", ["operator"], "", None, None)
    async with admin(site) as (_, stub):
        request = pb.ActivateRevisionRequest(revision=second, idempotency_key="k", expected_generation=1)
        owner = bearer(site.tokens["operator"])
        first = await stub.ActivateRevision(request, metadata=owner, timeout=10)
        again = await stub.ActivateRevision(request, metadata=owner, timeout=10)
        assert (first.entry, first.catalog) == (again.entry, again.catalog)
        back = pb.RollBackCatalogRequest(idempotency_key="k")
        assert (await stub.RollBackCatalog(back, metadata=owner, timeout=10)).catalog.generation == 3
        token = add_token(site.access, "other", [], "", None, None).token
        await until_known(stub, token)
        with pytest.raises(grpc.aio.AioRpcError, match="is at generation 3, not 1"):
            await stub.ActivateRevision(request, metadata=bearer(token), timeout=10)


async def until_known(stub: Any, token: str) -> None:
    """The file of access is looked at once a second."""
    ends = time.monotonic() + 30
    while True:
        try:
            await stub.ListCatalogs(pb.ListCatalogsRequest(), metadata=bearer(token), timeout=10)
        except grpc.aio.AioRpcError:
            assert time.monotonic() < ends
            await asyncio.sleep(0.1)
        else:
            return


@pytest.mark.fault("D6")
@on_loop
async def test_a_reply_that_is_lost(site: Site) -> None:
    """The connection breaks after the server got the change: the client repeats it, and it is made once."""
    second = site.revisions[1]
    async with serving(**site.settings(admin_listen="127.0.0.1:0")) as served:
        assert served.server.admin is not None
        port = int(served.server.admin.address.rpartition(":")[2])
        with running_proxy(port) as proxy:
            with site.client("operator", f"127.0.0.1:{proxy.port}") as olga:
                await in_thread(olga.catalogs)
                proxy.arm(second.encode(), Fault.CUT_AFTER)
                done = await in_thread(olga.activate, second)
            assert proxy.fired == 1
    assert (done.generation, told(site.root)) == (2, (second, 2))
    entries, _ = read_audit(DataFolder(site.root))
    assert [one.event.revision for one in entries] == [site.revisions[0], second]


@pytest.mark.fault("S11")
@on_loop
async def test_one_of_a_hundred_wins(site: Site) -> None:
    """Of 100 activations that expect the same generation one succeeds; the others are told the current one."""
    async with admin(site):
        with site.client("operator") as olga, ThreadPoolExecutor(20) as threads:

            def one(number: int) -> str:
                try:
                    return str(olga.activate(site.revisions[number % 3], "", 1).generation)
                except Conflict as error:
                    return f"{error.reason} {error.metadata['generation']}"

            loop = asyncio.get_running_loop()
            ends = await asyncio.gather(*(loop.run_in_executor(threads, one, number) for number in range(100)))
    assert sorted(set(ends)) == ["2", "GENERATION_CONFLICT 2"]
    assert ends.count("2") == 1


def reads() -> Iterator[tuple[str, dict[str, Any], str, str]]:
    """Method, fields, code and field or reason of wrong requests."""
    yield "ListRoutes", {"catalog": "../x"}, "INVALID_ARGUMENT", "catalog"
    yield "ListRoutes", {"catalog": "team"}, "NOT_FOUND", "CATALOG_NOT_FOUND"
    yield "ListRoutes", {"revision": "0123"}, "INVALID_ARGUMENT", "at least 6 characters"
    yield "ListRoutes", {"revision": "0" * 64}, "NOT_FOUND", "no revision"
    yield "GetRoute", {"name": "none"}, "NOT_FOUND", "no such route"
    yield "GetRoute", {"name": "code", "page_size": 1_001}, "INVALID_ARGUMENT", "page_size"
    yield "GetRoute", {"name": "code", "page_token": "-1"}, "INVALID_ARGUMENT", "page_token"
    yield "ListRevisions", {"page_size": -1}, "INVALID_ARGUMENT", "page_size"
    yield "ListRevisions", {"page_token": "x" * 20}, "INVALID_ARGUMENT", "page_token"
    yield "GetRevision", {}, "INVALID_ARGUMENT", "revision"
    yield "GetRevision", {"revision": "ffffffffffff"}, "NOT_FOUND", "no revision"
    yield "CompareRevisions", {"before": "ffffffffffff"}, "NOT_FOUND", "no revision"
    yield "ListProposals", {"catalog": "a b"}, "INVALID_ARGUMENT", "catalog"
    yield "ProposeRevision", {}, "INVALID_ARGUMENT", "revision"
    yield "ProposeRevision", {"revision": "SECOND", "comment": "x" * 1_001}, "INVALID_ARGUMENT", "comment"
    yield "ProposeRevision", {"revision": "SECOND", "idempotency_key": "k" * 129}, "INVALID_ARGUMENT", "idempotency_key"
    yield "ProposeRevision", {"revision": "SECOND", "idempotency_key": "a\nb"}, "INVALID_ARGUMENT", "idempotency_key"
    yield "ProposeRevision", {"revision": "FIRST"}, "FAILED_PRECONDITION", "serves revision"
    yield "ApproveRevision", {"revision": "SECOND"}, "NOT_FOUND", "nobody proposed"
    yield "RejectRevision", {"revision": "SECOND"}, "INVALID_ARGUMENT", "comment"
    yield "ActivateRevision", {"revision": "SECOND", "expected_generation": 7}, "ABORTED", "is at generation 1, not 7"
    yield "RollBackCatalog", {}, "NOT_FOUND", "never served another"
    yield "RollBackCatalog", {"revision": "FIRST"}, "FAILED_PRECONDITION", "serves"
    yield "ListAuditEntries", {"page_token": "one"}, "INVALID_ARGUMENT", "page_token"
    yield "VerifyAudit", {"known_hash": "abc"}, "INVALID_ARGUMENT", "12 characters"
    yield "VerifyAudit", {"known_hash": "0" * 64}, "DATA_LOSS", "not in the chain"
    yield "CollectGarbage", {"keep_last": -1}, "INVALID_ARGUMENT", "keep 1 to"


@on_loop
async def test_wrong_input_changes_nothing(site: Site) -> None:
    """Each wrong field is refused by name, with its code."""
    named = {"FIRST": site.revisions[0], "SECOND": site.revisions[1]}
    before = read_audit(DataFolder(site.root))
    async with admin(site) as (_, stub):
        for method, fields, code, words in reads():
            role = sorted(NEEDED[f"{_SERVICE}{method}"])[0]
            request = getattr(pb, f"{method}Request")(
                **{name: named.get(value, value) if isinstance(value, str) else value for name, value in fields.items()}
            )
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await getattr(stub, method)(request, metadata=bearer(site.tokens[role]), timeout=10)
            assert refused.value.code().name == code, (method, fields, refused.value.details())
            assert words in (refused.value.details() or "") or words in str(refused.value.trailing_metadata()), method
    assert read_audit(DataFolder(site.root)) == before


@on_loop
async def test_what_is_listed(site: Site) -> None:
    """Routes, models, revisions and what two of them have otherwise; long lists page by page."""
    first, second, _ = site.revisions
    async with admin(site) as (_, stub):
        with site.client("reader") as reader:
            routes = await in_thread(reader.routes)
            assert [(one.name, one.utterances) for one in routes] == [("code", 1), ("maths", 0)]
            assert await in_thread(reader.utterances, "code", "", second) == ["b"]
            assert [one.name for one in await in_thread(reader.models)]
            stored = await in_thread(reader.revisions)
            assert {one.digest: one.active_in for one in stored} == {
                one: ("default",) if one == first else () for one in site.revisions
            }
            found = await in_thread(reader.compare, first, second)
            changes = [(one.subject, one.name, one.field, one.before, one.after) for one in found]
            assert changes == [
                ("route", "code", "utterances_added", "", "1"),
                ("route", "code", "utterances_removed", "1", ""),
            ]
            assert await in_thread(reader.compare, first, "") == []
        reply = await stub.GetRevision(
            pb.GetRevisionRequest(revision=second[:8]), metadata=bearer(site.tokens["reader"]), timeout=10
        )
        assert reply.revision.digest == second
        assert reply.request_id
        pages, token = [], ""
        while True:
            page = await stub.ListRevisions(
                pb.ListRevisionsRequest(page_size=2, page_token=token),
                metadata=bearer(site.tokens["reader"]),
                timeout=10,
            )
            pages.append([one.digest for one in page.revisions])
            token = page.next_page_token
            if not token:
                break
        assert [len(one) for one in pages] == [2, 1]
        assert sorted(digest for one in pages for digest in one) == sorted(site.revisions)


@on_loop
async def test_the_audit_page_by_page(site: Site) -> None:
    """The latest first; what is written meanwhile moves nothing to another page."""
    pointers = pointers_of(site.root)
    for number in range(6):
        pointers.activate("default", site.revisions[number % 2])
    async with admin(site) as (_, stub):
        owner = bearer(site.tokens["auditor"])
        first = await stub.ListAuditEntries(pb.ListAuditEntriesRequest(page_size=3), metadata=owner, timeout=10)
        pointers.activate("team", site.revisions[2])
        second = await stub.ListAuditEntries(
            pb.ListAuditEntriesRequest(page_size=3, page_token=first.next_page_token), metadata=owner, timeout=10
        )
        assert [one.sequence for one in (*first.entries, *second.entries)] == [7, 6, 5, 4, 3, 2]
        with site.client("auditor") as ada:
            assert [one.sequence for one in await in_thread(ada.audit, "", 2)] == [8, 7]
            assert [one.catalog for one in await in_thread(ada.audit, "team")] == ["team"]
            assert len(await in_thread(ada.audit)) == 8


@pytest.mark.fault("S5", "X10")
@on_loop
async def test_damage_is_told(site: Site) -> None:
    """A damaged revision and a changed audit are DATA_LOSS, with the name of what is wrong; serving goes on."""
    (site.root / "revisions" / site.revisions[1] / "index.faiss").write_bytes(b"x")
    async with admin(site):
        with site.client("operator") as olga, site.client("auditor") as ada:
            with pytest.raises(DataLoss, match=r"index\.faiss"):
                await in_thread(olga.activate, site.revisions[1])
            (site.root / "ledger.sqlite").write_bytes(b"no database at all" * 100)
            with pytest.raises(DataLoss) as refused:
                await in_thread(ada.verify)
            assert refused.value.reason == ErrorReason.STORE_CORRUPT
            assert "DATA/ledger.sqlite" in refused.value.message
            assert str(site.root) not in refused.value.message


@on_loop
async def test_nobody_gets_in_who_is_not_known(site: Site) -> None:
    """The client raises by class, as for other calls."""
    async with admin(site):
        with CatalogClient(f"unix:{site.root}/admin.sock") as nobody, pytest.raises(Unauthenticated):
            await in_thread(nobody.catalogs)
        with site.client("reader") as reader, pytest.raises(PermissionDenied, match="operator"):
            await in_thread(reader.activate, site.revisions[1])


# --- Clearing up --------------------------------------------------------------------------------------------------


def aged(root: Path, *digests: str) -> None:
    for digest in digests:
        os.utime(root / "revisions" / digest, (_OLD, _OLD))


def stored(root: Path) -> set[str]:
    return {path.name for path in (root / "revisions").iterdir() if not path.name.startswith(".")}


@on_loop
async def test_only_what_nobody_needs_is_removed(site: Site) -> None:
    """Kept: the last served of each catalog, proposed, approved and young ones; the rest goes, and is on record."""
    root = site.root
    served = [put(root, f"served {number}") for number in range(5)]
    ledger = pointers_of(root).ledger
    pointers = pointers_of(root)
    for digest in served:
        pointers.activate("default", digest)
    pointers.activate("team", site.revisions[1])
    rejected, proposed, young = put(root, "rejected"), put(root, "proposed"), put(root, "young")
    async with admin(site):
        with site.client("proposer") as ann, site.client("approver") as bob, site.client("operator") as olga:
            for digest in (rejected, proposed):
                await in_thread(ann.propose, digest)
            await in_thread(bob.reject, rejected, "", "no")
            aged(root, *site.revisions, *served, rejected, proposed)
            told_first = await in_thread(lambda: olga.collect(2, dry_run=True))
            goes = {site.revisions[0], site.revisions[2], *served[:3], rejected}
            assert set(told_first.revisions) == goes
            assert stored(root) >= goes
            done = await in_thread(lambda: olga.collect(2))
            assert done == told_first
            assert done.bytes > 0
            assert (await in_thread(lambda: olga.collect(2))).revisions == ()
            assert stored(root) == {site.revisions[1], *served[3:], proposed, young}
            assert not list((root / "revisions").glob(".scratch-*"))
            assert (await in_thread(olga.roll_back)).revision == served[3]
            with pytest.raises(FingerpostError):
                await in_thread(olga.roll_back, "", served[0])
    last = [one for one in ledger.audit()[0] if one.event.action == "collect"]
    assert [set(one.event.details["revisions"].split()) for one in last] == [goes]


def test_what_an_experiment_needs_is_not_removed(tmp_path: Path) -> None:
    """Arms and shadows of what is in force or proposed stay; of what goes they go with it."""
    shadow, arm, wanted, old = (store_revision(tmp_path, text) for text in ("shadow", "arm", "wanted", "old"))
    split = Experiment("split", arms=(Arm("now", 50), Arm("then", 50, revision=arm)))
    gone = store_revision(tmp_path, "gone", (Experiment("e", shadow=old),))
    active = store_revision(tmp_path, "active", (split, Experiment("next", shadow=shadow)))
    proposed = store_revision(tmp_path, "proposed", (Experiment("e", shadow=wanted),))
    pointers = pointers_of(tmp_path)
    for digest in (gone, active):
        pointers.activate("default", digest)
    propose(pointers.ledger, "ann", "1", "default", proposed, "", 1)
    aged(tmp_path, *stored(tmp_path))
    assert set(collect(DataFolder(tmp_path), 1, dry_run=False).revisions) == {gone, old}
    assert stored(tmp_path) == {shadow, arm, wanted, active, proposed}


def test_a_removed_revision_cannot_be_activated_any_more(site: Site) -> None:
    """Looked at before it was removed, refused when the pointer would move: never a pointer to nothing."""
    from fingerpost.bootstrap.pointing import check_stored
    from fingerpost.release.pointing import activate

    data = DataFolder(site.root)
    with pytest.raises(NotFound, match="removed meanwhile"):
        activate(
            pointers_of(site.root).ledger, "x", "k", "default", "f" * 64, None, 0, lambda one: check_stored(data, one)
        )
    assert told(site.root) == (site.revisions[0], 1)


@pytest.mark.fault("S12")
def test_approvals_hold_through_every_way(site: Site) -> None:
    """What the policy in force asks for cannot be passed by with the command line either."""
    from fingerpost.bootstrap.pointing import move_pointer
    from fingerpost.release.pointing import activate as pure_activate
    from fingerpost.release.proposing import approve, propose

    ledger = pointers_of(site.root).ledger
    _, second, third = site.revisions
    propose(ledger, "ann", "1", "default", second, "", 1)
    approve(ledger, "bob", "2", "default", second, "")
    pure_activate(ledger, "olga", "3", "default", second, None, 1)
    with pytest.raises(FailedPrecondition) as refused:
        move_pointer(DataFolder(site.root), "default", third, None)
    assert refused.value.reason == ErrorReason.APPROVAL_REQUIRED
    with pytest.raises(InvalidRequest):
        propose(ledger, "ann", "4", "default", third, "x" * 1_001, 0)
