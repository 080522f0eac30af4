"""The ledger of a data folder: every change of a pointer whole, once, and on record."""

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from fingerpost.backends.ledger.migrating import LATEST
from fingerpost.backends.ledger.sqlite import check_file_system
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import go_back, history, move_pointer, open_pointers, read_audit
from fingerpost.errors import (
    Conflict,
    DataLoss,
    ErrorReason,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    StorageFull,
    Unavailable,
)
from fingerpost.ports import Records
from fingerpost.release.audit import first_fault, verified
from fingerpost.release.pointing import activate
from fingerpost.types import Action, Activation, AuditEntry, Event, Override
from tests.ledgers import Clock, PostgresStore, SqliteStore, Store, pointers_of, sqlite_store, told
from tests.unit.test_file_store import put

_CONTEXT = multiprocessing.get_context("forkserver")


_CHANGES = ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "DELETE FROM activations")
_REFUSED = {SqliteStore: _CHANGES, PostgresStore: (*_CHANGES, "TRUNCATE audit", "TRUNCATE activations, pointers")}
_ALLOWED = {
    SqliteStore: ("DROP TRIGGER IF EXISTS audit_no_update", "DROP TRIGGER IF EXISTS audit_no_delete"),
    PostgresStore: ("DROP TRIGGER IF EXISTS audit_only_grows ON audit",),
}


def actions(entries: list[AuditEntry]) -> list[tuple[str, str]]:
    return [(str(one.event.action), one.event.revision) for one in entries]


@pytest.mark.parametrize("name", ["../x", "./x", ".x"])
def test_a_name_in_the_ledger_is_no_path(store: Store, name: str) -> None:
    """What is no catalog's name becomes no file, and keeps no command from the others."""
    store.pointers().activate("default", "a")
    store.run(f"INSERT INTO pointers (catalog, revision, generation) VALUES ('{name}', 'b', 1)")  # noqa: S608
    before = {path.relative_to(store.root) for path in store.root.rglob("*")}
    store.pointers().activate("default", "b")
    assert store.told() == ("b", 2)
    assert {path.relative_to(store.root) for path in store.root.rglob("*")} == before


def test_generations_grow_by_one_and_are_on_record(store: Store) -> None:
    """Each activation has the catalog's next generation, is told to servers, and stands in the history."""
    pointers = store.pointers()
    assert pointers.activate("default", "a").generation == 1
    assert pointers.activate("default", "b").generation == 2
    assert pointers.activate("team", "b").generation == 1
    assert store.told() == ("b", 2)
    assert pointers.catalogs() == ["default", "team"]
    assert actions(list(history(store.data, "default"))) == [("activate", "b"), ("activate", "a")]
    entries, head = read_audit(store.data)
    assert verified(entries, head).sequence == 3
    assert entries[1].event.details == {"before": "a", "generation": "2"}


def test_the_same_key_has_one_effect(store: Store) -> None:
    """A change that is repeated with its key, since its reply was lost, is done once and answered alike."""
    ledger = store.ledger()
    first = activate(ledger, "os:x", "key", "default", "a", 0)
    assert activate(ledger, "os:x", "key", "default", "a", 0) == first
    assert ledger.audit()[1].sequence == 1
    with pytest.raises(InvalidRequest):
        activate(ledger, "os:x", "k" * 129, "default", "a")


def test_what_fails_leaves_nothing(store: Store) -> None:
    """A change whose work raises after it wrote is as if it had never begun."""
    ledger = store.ledger()

    def work(records: Records) -> Event:
        records.point(Activation("default", "a", 1))
        raise NotFound("no")

    with pytest.raises(NotFound):
        ledger.change("key", work)
    assert (ledger.pointers(), ledger.audit()[1].sequence) == ([], 0)


@pytest.mark.fault("S11")
def test_one_of_a_hundred_activations_wins(store: Store) -> None:
    """Of 100 that expect the same generation one succeeds; the others are told the current one and change nothing."""
    pointers = store.pointers()
    pointers.activate("default", "first")

    def attempt(number: int) -> str:
        try:
            return pointers.activate("default", f"r{number}", expected_generation=1).revision
        except Conflict as error:
            conflicts.append(f"{error.reason} {error.metadata['generation']}")
            return ""

    conflicts: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        winners = [revision for revision in pool.map(attempt, range(100)) if revision]
    assert conflicts == [f"{ErrorReason.GENERATION_CONFLICT} 2"] * 99
    assert [(winners[0], 2)] == [store.told()]
    assert read_audit(store.data)[1].sequence == 2


def test_time_never_goes_back(store: Store) -> None:
    """A clock that steps back gives entries of the time before the step."""
    clock = Clock(5_000)
    ledger = store.ledger(clock)
    for now in (5_000, 4_000, 6_000):
        clock.now = now
        activate(ledger, "os:x", f"key-{now}", "default", f"r{now}")
    assert [entry.time_us for entry in ledger.audit()[0]] == [5_000, 5_000, 6_000]


def test_a_folder_of_before_is_taken_over(store: Store) -> None:
    """Pointers that were there before the ledger keep their revision and generation, and go on from there."""
    (store.root / "catalogs").mkdir()
    (store.root / "catalogs" / "default.json").write_text('{"revision": "old", "generation": 41}\n')
    pointers = store.pointers()
    assert pointers.read("default") == Activation("default", "old", 41)
    assert pointers.activate("default", "new", 41).generation == 42
    assert actions(list(history(store.data, "default"))) == [("activate", "new"), ("import", "old")]
    assert store.told() == ("new", 42)


@pytest.mark.fault("S1")
def test_what_a_kill_left_undone_is_done_by_the_next_command(store: Store) -> None:
    """A pointer file that is older than the ledger, or damaged, or gone, is written anew."""
    pointers = store.pointers()
    pointers.activate("default", "a")
    pointers.activate("default", "b")
    file = store.root / "catalogs" / "default.json"
    for content in ('{"revision": "a", "generation": 1}', "{", None):
        file.unlink()
        if content is not None:
            file.write_text(content)
        store.pointers()
        assert store.told() == ("b", 2)


def _activate_for_ever(data: DataFolder, acknowledged: str) -> None:
    """In a child process, until it is killed."""
    with open_pointers(data) as pointers, Path(acknowledged).open("a") as out:
        while True:
            done = pointers.activate("default", os.urandom(32).hex())
            out.write(f"{done.revision}\n")
            out.flush()


@pytest.mark.fault("S1")
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_loses_nothing_that_was_acknowledged(store: Store, seed: int) -> None:
    """SIGKILL in the middle of activations: the chain is whole, and each acknowledged one stands in it."""
    generator = random.Random(seed)  # noqa: S311
    acknowledged = store.root / "acknowledged"
    acknowledged.touch()
    for _ in range(3):
        seen = len(acknowledged.read_text().splitlines())
        child = _CONTEXT.Process(target=_activate_for_ever, args=(store.data, str(acknowledged)))
        child.start()
        while len(acknowledged.read_text().splitlines()) < seen + 3 + generator.randrange(5):
            assert child.is_alive()
            child.join(0.005 * generator.random())
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        entries, head = read_audit(store.data)
        assert first_fault(entries, head) is None
        revisions = [entry.event.revision for entry in entries]
        assert set(acknowledged.read_text().splitlines()) <= set(revisions)
        assert store.told() == (revisions[-1], len(revisions))


def test_going_back(store: Store) -> None:
    """Back to what was served before, to a named one, and forward again; without encoder or the current revision."""
    a, b = put(store.root, "a"), put(store.root, "b")
    pointers = store.pointers()
    pointers.activate("default", a)
    pointers.activate("default", b)
    for file in (store.root / "revisions" / b).iterdir():
        file.write_bytes(b"broken")
    back = go_back(store.data, "default", None)
    assert (back.activation, store.told()) == (Activation("default", a, 3), (a, 3))
    assert back.entry.event.action is Action.ROLL_BACK
    with pytest.raises(FailedPrecondition) as caught:
        go_back(store.data, "default", a[:8])
    assert caught.value.reason == ErrorReason.REVISION_ALREADY_ACTIVE
    for name in (None, b[:8]):
        with pytest.raises((DataLoss, FailedPrecondition)):
            go_back(store.data, "default", name)
    assert store.told() == (a, 3)
    with pytest.raises(NotFound):
        go_back(store.data, "default", "0123456789")
    with pytest.raises(NotFound):
        go_back(store.data, "team", None)


@pytest.mark.fault("X11")
def test_the_audit_can_only_grow(store: Store) -> None:
    """The database itself refuses to change or remove what was written; who gets around that is found out."""
    pointers = store.pointers()
    for name in "abcd":
        pointers.activate("default", name)
    for statement in _REFUSED[type(store)]:
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match="can only grow"):
            store.run(statement)
    for statement in _ALLOWED[type(store)]:
        store.run(statement)
    store.run("UPDATE audit SET revision = 'z' WHERE sequence = 3")
    with pytest.raises(DataLoss) as caught:
        verified(*read_audit(store.data))
    assert (caught.value.reason, caught.value.metadata["sequence"]) == (ErrorReason.AUDIT_BROKEN, "3")


def test_entries_before_the_first_and_after_the_last(store: Store) -> None:
    """What somebody adds to the audit, wherever it stands, is found out."""
    store.pointers().activate("default", "a")
    copied = (
        "time_us, actor, action, catalog, revision, details, '{0}', previous_hash, hash FROM audit WHERE sequence = 1"
    )
    for sequence in (-5, 2):
        store.run(f"INSERT INTO audit SELECT {sequence}, {copied.format(f'key {sequence}')}")
        with pytest.raises(DataLoss):
            verified(*read_audit(store.data))
        for statement in _ALLOWED[type(store)]:
            store.run(statement)
        store.run("DELETE FROM audit WHERE sequence <> 1")
    assert verified(*read_audit(store.data)).sequence == 1


@pytest.mark.fault("S14")
def test_a_busy_ledger(tmp_path: Path) -> None:
    """Another process that holds the ledger: wait a while, then UNAVAILABLE, and nothing changed."""
    pointers = pointers_of(tmp_path)
    pointers.activate("default", "a")
    with sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as caught:
            pointers.activate("default", "b")
        holder.execute("ROLLBACK")
    assert caught.value.reason == ErrorReason.STORE_UNAVAILABLE
    assert pointers.activate("default", "b").generation == 2


@pytest.mark.fault("S14", "X10")
def test_a_damaged_ledger_and_the_way_out(tmp_path: Path) -> None:
    """Damage is told with what to do, servers keep what they serve, and doing it works."""
    pointers_of(tmp_path).activate("default", "a")
    ledger = tmp_path / "ledger.sqlite"
    whole = ledger.read_bytes()
    for damaged in (b"no database at all" * 300, whole[:8_192] + b"\xff" * 4_096 + whole[12_288:]):
        ledger.write_bytes(damaged)
        with pytest.raises(DataLoss, match="catalogs/") as caught:
            pointers_of(tmp_path)
        assert caught.value.reason == ErrorReason.STORE_CORRUPT
        assert told(tmp_path) == ("a", 1)
    ledger.rename(tmp_path / "damaged")
    assert pointers_of(tmp_path).read("default") == Activation("default", "a", 1)


@pytest.mark.fault("S14")
def test_a_ledger_that_lost_its_last_changes(tmp_path: Path) -> None:
    """An older copy of the file: what servers were told is more than it knows, so that nothing is done with it."""
    pointers = pointers_of(tmp_path)
    pointers.activate("default", "a")
    old = (tmp_path / "ledger.sqlite").read_bytes()
    pointers.activate("default", "b")
    (tmp_path / "ledger.sqlite").write_bytes(old)
    with pytest.raises(DataLoss) as caught:
        pointers_of(tmp_path)
    assert caught.value.reason == ErrorReason.STORE_BEHIND
    assert told(tmp_path) == ("b", 2)


@pytest.mark.fault("D11")
def test_a_newer_ledger(store: Store) -> None:
    """A layout that this program does not know is refused, not guessed at."""
    store.pointers()
    store.run("UPDATE alembic_version SET version_num = '9901'")
    with pytest.raises(FailedPrecondition) as caught:
        store.pointers()
    assert caught.value.reason == ErrorReason.STORE_INCOMPATIBLE


def test_a_ledger_of_the_layout_before(store: Store) -> None:
    """It gets what is missing, and keeps what it holds."""
    store.pointers().activate("default", "a")
    before = read_audit(store.data)
    store.take_back()
    assert store.pointers().read("default") == Activation("default", "a", 1)
    assert read_audit(store.data) == before
    store.take_back()


@pytest.mark.fault("D11")
def test_a_ledger_that_a_later_version_has_added_to(store: Store) -> None:
    """Versions run side by side: what a later one added to the layout, and does, an earlier one passes over."""
    store.pointers().activate("default", "a")
    later_layout = f"{LATEST[:2]}99"
    store.run(f"UPDATE alembic_version SET version_num = '{later_layout}'")  # noqa: S608
    store.run("CREATE TABLE added (id BIGINT PRIMARY KEY)")
    store.run("ALTER TABLE pointers ADD COLUMN added TEXT DEFAULT 'x'")
    later = Action("teleport")
    store.ledger().change("key", lambda _: Event("os:x", later, "default", "a"))
    assert store.pointers().activate("default", "b").generation == 2
    assert [str(entry.event.action) for entry in history(store.data, "default")] == ["activate", "teleport", "activate"]
    assert verified(*read_audit(store.data)).sequence == 3
    assert store.run("SELECT version_num FROM alembic_version") == [(later_layout,)]


def _setting(*overrides: Override) -> Callable[[Records], Event]:
    def work(records: Records) -> Event:
        for override in overrides:
            records.put_override(override)
        return Event("os:x", Action.SET, "default", "")

    return work


def test_what_is_set_by_hand(store: Store) -> None:
    """It is found by its names, in the place of what was set before, until it is dropped; by catalog, kind and name."""
    ledger = store.ledger()
    limit = Override("team", "budget", "daily/käufer", {"limit_usd_micros": "5"}, "os:x", 1)
    opened = Override("default", "breaker", "coder", {"open": "true"}, "os:x", 2)
    ledger.change("one", _setting(limit, opened, replace(opened, name="another")))
    again = replace(limit, value={"limit_usd_micros": "7"}, actor="os:y", time_us=3)

    def work(records: Records) -> Event:
        records.put_override(again)
        assert records.override("team", "budget", "daily/käufer") == again
        records.drop_override("default", "breaker", "another")
        records.drop_override("default", "breaker", "none")
        assert records.override("default", "breaker", "another") is None
        return Event("os:x", Action.SET, "default", "")

    ledger.change("two", work)
    assert ledger.overrides() == store.ledger().overrides() == [opened, again]
    with pytest.raises(NotFound):
        ledger.change("three", lambda records: _setting(limit)(records) and _fail())
    assert ledger.overrides() == [opened, again]
    assert verified(*ledger.audit()).sequence == 2


def _fail() -> Event:
    raise NotFound("no")


def test_a_secret_is_the_first_one(store: Store) -> None:
    """All that propose one at the same time get the same; reading it writes nothing."""
    ledgers = [store.ledger() for _ in range(4)]
    proposed = [bytes([number]) * 32 for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda ledger, secret: ledger.secret("decisions", secret), ledgers, proposed))
    assert len(found) == 1
    assert found < set(proposed)
    assert {ledgers[0].secret("other", b"\0\xff")} | {ledgers[1].secret("other", b"x")} == {b"\0\xff"}


@pytest.mark.fault("S14")
def test_reading_waits_for_nobody(tmp_path: Path) -> None:
    """Another process that changes the ledger keeps nobody from reading what was there before."""
    with sqlite_store(tmp_path) as store:
        ledger = store.ledger()
        activate(ledger, "os:x", "key", "default", "a")
        ledger.secret("decisions", b"x")
        with closing(sqlite3.connect(store.data.ledger, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            holder.execute("UPDATE pointers SET revision = 'b'")
            assert ledger.pointers() == [Activation("default", "a", 1)]
            assert ledger.secret("decisions", b"y") == b"x"
            holder.execute("ROLLBACK")


@pytest.mark.fault("S15")
def test_shared_file_systems_are_refused(tmp_path: Path) -> None:
    """The file system of the folder decides, not one that is mounted elsewhere."""
    mounts = tmp_path / "mountinfo"
    line = "36 35 98:0 / {} rw,noatime shared:1 - {} server:/export rw\n"
    mounts.write_text(line.format("/", "ext4") + line.format(tmp_path, "nfs4") + line.format("/elsewhere", "ext4"))
    with pytest.raises(FailedPrecondition, match="nfs4") as caught:
        check_file_system(tmp_path / "data" / "ledger.sqlite", mounts)
    assert caught.value.reason == ErrorReason.STORE_INCOMPATIBLE
    mounts.write_text(line.format("/", "nfs4") + line.format(tmp_path, "ext4"))
    check_file_system(tmp_path / "ledger.sqlite", mounts)
    check_file_system(tmp_path / "ledger.sqlite", tmp_path / "none")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KiB."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount the small file system that this test fills")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.fault("S3")
def test_no_room_left(small_disk: Path) -> None:
    """A full disk: STORAGE_FULL, everything acknowledged is there and readable, and with room again it goes on."""
    pointers = pointers_of(small_disk)
    acknowledged = 0

    def fill() -> None:
        nonlocal acknowledged
        for number in range(5_000):
            pointers.activate("default", f"{number:064x}")
            acknowledged = number + 1

    with pytest.raises(StorageFull):
        fill()
    assert acknowledged > 100
    entries, head = pointers.ledger.audit()
    assert first_fault(entries, head) is None
    assert len(entries) - acknowledged in (0, 1), "at most the one that was not acknowledged is there too"
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert pointers_of(small_disk).activate("default", "a").generation == len(entries) + 1


@pytest.mark.fault("S5")
def test_revisions_are_read_whole_before_they_are_pointed_at(store: Store) -> None:
    """A damaged revision is refused by name, and the pointer stays."""
    a, b = put(store.root, "a"), put(store.root, "b")
    store.pointers().activate("default", a)
    (store.root / "revisions" / b / "index.faiss").write_bytes(b"x")
    with pytest.raises(DataLoss, match=r"index\.faiss"):
        move_pointer(store.data, "default", b[:12], None)
    assert move_pointer(store.data, "default", a[:12], 1).activation.generation == 2
