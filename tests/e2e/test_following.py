"""Several servers, each with a data folder of its own, on one PostgreSQL and one shared folder."""

import json
import os
import shutil
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import go_back, move_pointer
from fingerpost.client import Client, LedgerInfo
from fingerpost.durable import holds
from fingerpost.errors import ErrorReason, FailedPrecondition, Unavailable
from fingerpost.serve.revision_format import MANIFEST, digest_of
from tests.artefacts import flip
from tests.e2e.test_replicas import Load, wait_until
from tests.postgres import Postgres, running_postgres
from tests.processes import ServerProcess, fingerpost
from tests.serving import health_stub
from tests.tcp_proxy import Fault, running_proxy

PROMPT = "fix the indentation error in my python script"
PATIENCE_SECONDS = 30
"""That something happens at all; how soon, benchmarks/load/following.py measures."""

Serve = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


class Site:
    """Machines that share a ledger and a folder; the first one publishes."""

    def __init__(self, home: Path, published: Path, database: Postgres) -> None:
        (home / "shared").mkdir()
        self.home, self.database, self.schema = home, database, database.new_schema()
        self.shared = home / "shared"
        self.publisher = DataFolder(home / "publisher", database.url(self.schema), str(self.shared))
        self._encoders = published / "encoders"
        shutil.copytree(published / "revisions", self.publisher.revisions)
        self.give_encoder(self.publisher.root)
        self.give_encoder(self.shared)
        [self.first] = [path.name for path in self.publisher.revisions.iterdir() if len(path.name) == 64]
        self.generation = 0
        self.activate(self.first)

    def give_encoder(self, folder: Path) -> Path:
        """Let the folder have it without copying a hundred megabytes; its files must not be written to."""
        shutil.copytree(self._encoders, folder / "encoders", copy_function=os.link)
        return folder

    def variant(self, number: int) -> str:
        """Another revision that decides as the first one does."""
        store = FileRevisionStore(self.publisher.revisions)
        files = store.read(self.first)
        manifest = json.loads(files[MANIFEST])
        report = files["report.json"] + b"\n" * number
        manifest["files"]["report.json"] = {"sha256": digest_of(report), "bytes": len(report)}
        data = json.dumps(manifest).encode()
        store.publish(digest_of(data), {**files, "report.json": report, MANIFEST: data})
        return digest_of(data)

    def activate(self, digest: str) -> None:
        done = move_pointer(self.publisher, "default", digest, self.generation)
        self.generation = done.activation.generation

    def point(self, catalog: str, revision: str, generation: int) -> None:
        """Write a pointer as no program of ours does."""
        with self.database.connect(self.schema) as connection:
            connection.execute(
                "INSERT INTO pointers VALUES (%(catalog)s, %(revision)s, %(generation)s) ON CONFLICT (catalog) "
                "DO UPDATE SET revision = %(revision)s, generation = %(generation)s",
                {"catalog": catalog, "revision": revision, "generation": generation},
            )

    def settings(self, **others: Any) -> dict[str, Any]:
        usual = {"store": self.database.url(self.schema), "shared": self.shared, "ledger_poll_ms": 400}
        return {**usual, "reload_poll_ms": 50, "embed_threads": 1, "metrics_listen": "127.0.0.1:0", **others}


@pytest.fixture
def site(tmp_path: Path, published: Path, database: Postgres) -> Site:
    return Site(tmp_path, published, database)


def serves(server: ServerProcess, digest: str) -> bool:
    with Client(server.address, timeout_seconds=30) as client:
        return [catalog.revision for catalog in client.info().catalogs] == [digest]


def ledger(server: ServerProcess) -> LedgerInfo:
    with Client(server.address, timeout_seconds=30) as client:
        found = client.info().ledger
    assert found is not None
    return found


def is_serving(server: ServerProcess) -> bool:
    with grpc.insecure_channel(server.address) as channel:
        request = health_pb2.HealthCheckRequest(service="fingerpost.v1.RouterService")
        found: int = health_stub(channel).Check(request, timeout=10).status
    return found == health_pb2.HealthCheckResponse.SERVING


def events(server: ServerProcess, name: str) -> list[dict[str, Any]]:
    return [row for line in server.log if line.startswith("{") and (row := json.loads(line))["event"] == name]


def metric(server: ServerProcess, name: str) -> float:
    [served] = events(server, "metrics_served")
    with urllib.request.urlopen(served["address"], timeout=10) as reply:  # noqa: S310  an address of our own
        [line] = [line for line in reply.read().decode().splitlines() if line.startswith(name)]
    return float(line.rpartition(" ")[2])


def until(holds: Callable[[], bool]) -> None:
    wait_until(holds, PATIENCE_SECONDS)


# --- Activations ----------------------------------------------------------------------------------------------------


@pytest.mark.fault("D10")
def test_activations_reach_every_replica(site: Site, serve: Serve) -> None:
    """New replicas with empty folders serve what is active; activations reach them told and untold, late and twice."""
    replicas = [serve(site.home / f"replica-{number}", **site.settings()) for number in (1, 2)]
    for replica in replicas:
        until(lambda replica=replica: is_serving(replica) and serves(replica, site.first))  # type: ignore[misc]
        until(lambda replica=replica: not ledger(replica).stale)  # type: ignore[misc]
        assert metric(replica, 'fingerpost_shared_artefacts_total{kind="encoder",result="fetched"}') == 1

    second = site.variant(2)
    site.activate(second)
    until(lambda: all(serves(replica, second) for replica in replicas))

    third = site.variant(3)
    site.database.run("ALTER TABLE pointers DISABLE TRIGGER pointers_announced", site.schema)  # nobody is told any more
    site.activate(third)
    until(lambda: all(serves(replica, third) for replica in replicas))

    # The same and an earlier pointer again, as a restored backup would tell: the generation decides.
    site.point("default", third, 3)
    site.point("default", second, 2)
    until(lambda: all(events(replica, "ledger_behind") for replica in replicas))
    assert all(serves(replica, third) for replica in replicas)
    assert all(len(events(replica, "ledger_behind")) == 1 for replica in replicas)
    site.point("default", site.first, 4)
    until(lambda: all(serves(replica, site.first) for replica in replicas))


def test_a_pointer_that_is_none_stops_nothing(site: Site, serve: Serve) -> None:
    """A row with a name that leads elsewhere is told once and passed over; the others are followed."""
    second = site.variant(2)
    site.activate(second)
    site.point("../default", site.first, 1)
    site.point("odd", "../../etc", 1)
    replica = serve(site.give_encoder(site.home / "replica"), **site.settings())
    until(lambda: serves(replica, second))
    site.point("default", site.first, 3)
    until(lambda: serves(replica, site.first))
    assert {row["catalog"] for row in events(replica, "pointer_unusable")} == {"../default", "odd"}
    assert sorted(path.name for path in (site.home / "replica" / "catalogs").glob("*.json")) == [
        ".ledger.json",
        "default.json",
    ]


# --- The database goes away -----------------------------------------------------------------------------------------


@pytest.mark.fault("D5", "D8")
def test_routing_goes_on_without_the_database(site: Site, serve: Serve) -> None:
    """The cluster crashes under load: every call is answered, servers start without it, and all catch up afterwards."""
    replica = serve(site.give_encoder(site.home / "replica"), **site.settings())
    until(lambda: serves(replica, site.first))
    with Load(replica.address) as load:
        site.database.stop(signal.SIGQUIT)
        try:
            load.more(20)
            until(lambda: ledger(replica).stale)
            age = ledger(replica).age_seconds
            assert age is not None
            until(lambda: (ledger(replica).age_seconds or 0) > age + 0.5)
            assert metric(replica, "fingerpost_ledger_age_seconds") > age
            assert metric(replica, "fingerpost_ledger_stale") == 1
            with pytest.raises(Unavailable) as caught:  # changes are refused: nothing is decided without the audit
                move_pointer(site.publisher, "default", site.first, None)
            assert caught.value.reason == ErrorReason.STORE_UNAVAILABLE

            shutil.copytree(
                site.home / "replica",
                site.home / "late",
                copy_function=os.link,
                ignore=shutil.ignore_patterns("admin.sock"),
            )
            late = serve(site.home / "late", **site.settings())
            new = serve(site.give_encoder(site.home / "new"), **site.settings())
            assert serves(late, site.first)
            assert is_serving(late)
            assert ledger(late).stale
            assert not ledger(late).overdue
            assert (ledger(late).age_seconds or 0) > age
            assert not is_serving(new)
            assert ledger(new) == LedgerInfo(age_seconds=None, stale=True, overdue=True)
            with Client(new.address, timeout_seconds=30) as client, pytest.raises(FailedPrecondition):
                client.route(PROMPT)
            load.more(20)
        finally:
            site.database.start()
        second = site.variant(2)
        site.activate(second)
        until(lambda: all(is_serving(one) and serves(one, second) for one in (replica, late, new)))
        until(lambda: not any(ledger(one).stale for one in (replica, late, new)))
        load.more(20)
    assert load.failed == []
    assert set(load.revisions) == {site.first, second}
    # Told once a change of state, not once a try.
    assert len(events(replica, "ledger_not_followed")) < metric(replica, "fingerpost_ledger_failures_total")
    assert len(events(replica, "ledger_followed")) >= 2


@pytest.mark.fault("D9")
def test_a_partition_ends_serving_where_the_policy_is_strict(site: Site, serve: Serve) -> None:
    """A silent network is noticed; past its age a strict server leaves the balancers, and comes back by itself."""
    with running_proxy(site.database.port) as proxy:
        settings = site.settings(store=site.database.url(site.schema, proxy.port), stale_after_s=2)
        strict = serve(site.give_encoder(site.home / "strict"), **settings, stale_policy="strict")
        lenient = serve(site.give_encoder(site.home / "lenient"), **settings)
        both = (strict, lenient)
        until(lambda: all(is_serving(each) for each in both))
        proxy.arm(b"", Fault.SILENCE, times=1_000_000)
        second = site.variant(2)
        site.activate(second)
        until(lambda: not is_serving(strict))
        until(lambda: ledger(lenient).overdue)
        assert is_serving(lenient)
        for each in both:  # who does not ask for health is answered all the same
            with Client(each.address, timeout_seconds=30) as client:
                assert client.route(PROMPT).revision == site.first
        assert proxy.fired
        proxy.arm(b"", Fault.SILENCE, times=0)
        until(lambda: all(is_serving(each) and serves(each, second) for each in both))
        until(lambda: not any(ledger(each).overdue for each in both))


# --- What is shared is damaged --------------------------------------------------------------------------------------


@pytest.mark.fault("S5")
def test_a_damaged_shared_revision_is_refused_until_it_is_mended(site: Site, serve: Serve) -> None:
    """A flipped bit in the shared folder keeps the last good revision in force; the publisher's copy mends it."""
    replica = serve(site.give_encoder(site.home / "replica"), **site.settings())
    until(lambda: serves(replica, site.first))
    second = site.variant(2)
    site.activate(second)
    until(lambda: serves(replica, second))
    third = site.variant(3)
    site.shared.rename(site.home / "away")
    with pytest.raises(Unavailable) as caught:
        site.activate(third)
    assert caught.value.reason == ErrorReason.ARTEFACTS_UNAVAILABLE
    assert go_back(site.publisher, "default", None).activation.revision == site.first  # needs no shared place
    until(lambda: serves(replica, site.first))
    (site.home / "away").rename(site.shared)

    fourth = site.variant(4)
    shutil.copytree(site.publisher.revisions / fourth, site.shared / "revisions" / fourth)
    flip(site.shared / "revisions" / fourth / "exemplars.jsonl")
    site.generation += 1
    site.activate(fourth)
    until(lambda: bool(events(replica, "revision_refused")))
    [refused] = events(replica, "artefact_refused")
    assert (
        f"exemplars.jsonl of revision {fourth[:12]} in the shared place is damaged: expected sha256" in refused["error"]
    )
    assert serves(replica, site.first)
    with Client(replica.address, timeout_seconds=30) as client:
        assert client.route(PROMPT).revision == site.first
    shutil.copy(site.publisher.revisions / fourth / "exemplars.jsonl", site.shared / "revisions" / fourth)
    until(lambda: serves(replica, fourth))


@pytest.mark.fault("S5")
def test_damage_on_a_replicas_disk_is_mended_from_the_shared_folder(site: Site, serve: Serve) -> None:
    """A server that starts on a damaged revision, without its encoder, fetches both and keeps the damaged one aside."""
    with ExitStack() as stack:
        replica = stack.enter_context(ServerProcess(site.give_encoder(site.home / "replica"), **site.settings()))
        until(lambda: serves(replica, site.first))
    folder = site.home / "replica"
    flip(folder / "revisions" / site.first / "index.faiss")
    damaged = (folder / "revisions" / site.first / "index.faiss").read_bytes()
    shutil.rmtree(folder / "encoders")
    site.database.stop(signal.SIGQUIT)
    try:
        again = serve(folder, **site.settings())
        until(lambda: is_serving(again) and serves(again, site.first))
    finally:
        site.database.start()
    [aside] = (folder / "revisions").glob("quarantine-*/*/index.faiss")
    assert aside.read_bytes() == damaged
    [told] = events(again, "artefact_set_aside")
    assert "index.faiss of revision" in told["error"]


@pytest.mark.fault("D8")
def test_a_server_that_does_not_reach_the_shared_folder_starts(site: Site, serve: Serve) -> None:
    """Without shared folder and database a server starts with what it has."""
    replica = serve(site.give_encoder(site.home / "replica"), **site.settings())
    until(lambda: serves(replica, site.first))
    replica.terminate()
    assert replica.wait() == 0
    began = time.monotonic()
    lost = site.settings(shared=site.home / "nowhere", store=site.database.url(site.schema, 1))
    again = serve(site.home / "replica", **lost)
    assert serves(again, site.first)
    assert is_serving(again)
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_publishing_needs_the_shared_place(data: Path, routes: Path, database: Postgres) -> None:
    """A reindex that cannot share its revision moves no pointer; afterwards the same one shares and activates it."""
    schema, shared = database.new_schema(), data.with_name("shared")
    before = (data / "catalogs" / "default.json").read_bytes()
    with (routes / "_out_of_scope.yaml").open("a", encoding="utf-8") as file:
        file.write("  - what is the capital of a country that nobody has founded\n")
    arguments = ("reindex", "--routes", routes, "--data", data, "--store", database.url(schema), "--shared", shared)
    assert "mount it" in fingerpost(*arguments, code=6).stderr
    assert (data / "catalogs" / "default.json").read_bytes() == before
    assert database.run("SELECT generation FROM pointers", schema) == [(1,)]
    shared.mkdir()
    fingerpost(*arguments)
    [(revision, generation)] = database.run("SELECT revision, generation FROM pointers", schema)
    assert generation == 2
    for kind in ("revisions", "encoders"):
        [folder] = (shared / kind).iterdir()
        assert holds(data / kind / folder.name, {path.name: path.read_bytes() for path in folder.iterdir()})
    assert (shared / "revisions" / revision).is_dir()
