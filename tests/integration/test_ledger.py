"""The ledger of a data folder: every change of a pointer whole, once, and on record."""

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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
from fingerpost.types import Action, Activation, AuditEntry, Event
from tests.ledgers import Clock, ledger_of, pointers_of, told
from tests.unit.test_file_store import put

_CONTEXT = multiprocessing.get_context("forkserver")


def actions(entries: list[AuditEntry]) -> list[tuple[str, str]]:
    return [(str(one.event.action), one.event.revision) for one in entries]


def test_generations_grow_by_one_and_are_on_record(tmp_path: Path) -> None:
    """Each activation has the catalog's next generation, is told to servers, and stands in the history."""
    pointers = pointers_of(tmp_path)
    assert pointers.activate("default", "a").generation == 1
    assert pointers.activate("default", "b").generation == 2
    assert pointers.activate("team", "b").generation == 1
    assert told(tmp_path) == ("b", 2)
    assert pointers.catalogs() == ["default", "team"]
    assert actions(list(history(DataFolder(tmp_path), "default"))) == [("activate", "b"), ("activate", "a")]
    entries, head = read_audit(DataFolder(tmp_path))
    assert verified(entries, head).sequence == 3
    assert entries[1].event.details == {"before": "a", "generation": "2"}


def test_the_same_key_has_one_effect(tmp_path: Path) -> None:
    """A change that is repeated with its key, since its reply was lost, is done once and answered alike."""
    ledger = ledger_of(tmp_path)
    first = activate(ledger, "os:x", "key", "default", "a", 0)
    assert activate(ledger, "os:x", "key", "default", "a", 0) == first
    assert ledger.audit()[1].sequence == 1
    with pytest.raises(InvalidRequest):
        activate(ledger, "os:x", "k" * 129, "default", "a")


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    """A change whose work raises after it wrote is as if it had never begun."""
    ledger = ledger_of(tmp_path)

    def work(records: Records) -> Event:
        records.point(Activation("default", "a", 1))
        raise NotFound("no")

    with pytest.raises(NotFound):
        ledger.change("key", work)
    assert (ledger.pointers(), ledger.audit()[1].sequence) == ([], 0)


def test_one_of_a_hundred_activations_wins(tmp_path: Path) -> None:
    """Of 100 that expect the same generation one succeeds; the others are told the current one and change nothing."""
    pointers = pointers_of(tmp_path)
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
    assert [(winners[0], 2)] == [told(tmp_path)]
    assert read_audit(DataFolder(tmp_path))[1].sequence == 2


def test_time_never_goes_back(tmp_path: Path) -> None:
    """A clock that steps back gives entries of the time before the step."""
    clock = Clock(5_000)
    ledger = ledger_of(tmp_path, clock)
    for now in (5_000, 4_000, 6_000):
        clock.now = now
        activate(ledger, "os:x", f"key-{now}", "default", f"r{now}")
    assert [entry.time_us for entry in ledger.audit()[0]] == [5_000, 5_000, 6_000]


def test_a_folder_of_before_is_taken_over(tmp_path: Path) -> None:
    """Pointers that were there before the ledger keep their revision and generation, and go on from there."""
    (tmp_path / "catalogs").mkdir()
    (tmp_path / "catalogs" / "default.json").write_text('{"revision": "old", "generation": 41}\n')
    pointers = pointers_of(tmp_path)
    assert pointers.read("default") == Activation("default", "old", 41)
    assert pointers.activate("default", "new", 41).generation == 42
    assert actions(list(history(DataFolder(tmp_path), "default"))) == [("activate", "new"), ("import", "old")]
    assert told(tmp_path) == ("new", 42)


def test_what_a_kill_left_undone_is_done_by_the_next_command(tmp_path: Path) -> None:
    """A pointer file that is older than the ledger, or damaged, or gone, is written anew."""
    pointers = pointers_of(tmp_path)
    pointers.activate("default", "a")
    pointers.activate("default", "b")
    file = tmp_path / "catalogs" / "default.json"
    for content in ('{"revision": "a", "generation": 1}', "{", None):
        file.unlink()
        if content is not None:
            file.write_text(content)
        pointers_of(tmp_path)
        assert told(tmp_path) == ("b", 2)


def _activate_for_ever(folder: Path, acknowledged: str) -> None:
    """In a child process, until it is killed."""
    with open_pointers(DataFolder(folder)) as pointers, Path(acknowledged).open("a") as out:
        while True:
            done = pointers.activate("default", os.urandom(32).hex())
            out.write(f"{done.revision}\n")
            out.flush()


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    """SIGKILL in the middle of activations: the chain is whole, and each acknowledged one stands in it."""
    generator = random.Random(seed)  # noqa: S311
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    for _ in range(3):
        seen = len(acknowledged.read_text().splitlines())
        child = _CONTEXT.Process(target=_activate_for_ever, args=(tmp_path, str(acknowledged)))
        child.start()
        while len(acknowledged.read_text().splitlines()) < seen + 3 + generator.randrange(5):
            assert child.is_alive()
            child.join(0.005 * generator.random())
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        entries, head = read_audit(DataFolder(tmp_path))
        assert first_fault(entries, head) is None
        revisions = [entry.event.revision for entry in entries]
        assert set(acknowledged.read_text().splitlines()) <= set(revisions)
        assert told(tmp_path) == (revisions[-1], len(revisions))


def test_going_back(tmp_path: Path) -> None:
    """Back to what was served before, to a named one, and forward again; without encoder or the current revision."""
    a, b = put(tmp_path, "a"), put(tmp_path, "b")
    pointers = pointers_of(tmp_path)
    pointers.activate("default", a)
    pointers.activate("default", b)
    for file in (tmp_path / "revisions" / b).iterdir():
        file.write_bytes(b"broken")
    back = go_back(DataFolder(tmp_path), "default", None)
    assert (back.activation, told(tmp_path)) == (Activation("default", a, 3), (a, 3))
    assert back.entry.event.action is Action.ROLL_BACK
    with pytest.raises(FailedPrecondition) as caught:
        go_back(DataFolder(tmp_path), "default", a[:8])
    assert caught.value.reason == ErrorReason.REVISION_ALREADY_ACTIVE
    for name in (None, b[:8]):
        with pytest.raises((DataLoss, FailedPrecondition)):
            go_back(DataFolder(tmp_path), "default", name)
    assert told(tmp_path) == (a, 3)
    with pytest.raises(NotFound):
        go_back(DataFolder(tmp_path), "default", "0123456789")
    with pytest.raises(NotFound):
        go_back(DataFolder(tmp_path), "team", None)


def test_the_audit_can_only_grow(tmp_path: Path) -> None:
    """The database itself refuses to change or remove what was written; who gets around that is found out."""
    pointers = pointers_of(tmp_path)
    for name in "abcd":
        pointers.activate("default", name)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "DELETE FROM activations"):
            with pytest.raises(sqlite3.IntegrityError, match="can only grow"):
                connection.execute(statement)
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET revision = 'z' WHERE sequence = 3")
    with pytest.raises(DataLoss) as caught:
        verified(*read_audit(DataFolder(tmp_path)))
    assert (caught.value.reason, caught.value.metadata["sequence"]) == (ErrorReason.AUDIT_BROKEN, "3")


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


def test_a_newer_ledger(tmp_path: Path) -> None:
    """A layout that this program does not know is refused, not guessed at."""
    pointers_of(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(FailedPrecondition) as caught:
        pointers_of(tmp_path)
    assert caught.value.reason == ErrorReason.STORE_INCOMPATIBLE


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


def test_revisions_are_read_whole_before_they_are_pointed_at(tmp_path: Path) -> None:
    """A damaged revision is refused by name, and the pointer stays."""
    a, b = put(tmp_path, "a"), put(tmp_path, "b")
    pointers_of(tmp_path).activate("default", a)
    (tmp_path / "revisions" / b / "index.faiss").write_bytes(b"x")
    with pytest.raises(DataLoss, match=r"index\.faiss"):
        move_pointer(DataFolder(tmp_path), "default", b[:12], None)
    assert move_pointer(DataFolder(tmp_path), "default", a[:12], 1).activation.generation == 2
