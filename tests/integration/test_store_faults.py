"""Faults of the store that are let happen: kills at named steps, disks that are full, read-only or cut files short."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fingerpost.bootstrap.ballast import ballast_of
from fingerpost.bootstrap.collecting import collect
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import go_back, move_pointer
from fingerpost.bootstrap.sharing import whole
from fingerpost.errors import InvalidRequest, StorageFull, Unavailable
from fingerpost.failpoints import Step, arm_by_setting
from fingerpost.release.audit import verified
from tests.kills import CASES, Change, rounds
from tests.ledgers import pointers_of, told
from tests.processes import fingerpost
from tests.unit.test_file_store import put

_PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.mark.fault("S1")
@pytest.mark.parametrize(("change", "step"), CASES, ids=lambda one: getattr(one, "name", str(one)))
def test_killed_at_a_named_step(tmp_path: Path, change: Change, step: Step) -> None:
    """SIGKILL at every step of every change: old or new, whole, acknowledged, once, and nothing left behind."""
    assert rounds(tmp_path, change, step, times=1, seed=1) == 1


def test_a_failpoint_that_means_nothing_is_refused(tmp_path: Path) -> None:
    """Nobody takes a fault that never happens for one that was survived; a server does not start with one."""
    for text in ("kill:nowhere", "kill", "error:ENOSUCH:file-written", "kill:file-written@x", "sleep:file-written"):
        with pytest.raises(InvalidRequest, match="FINGERPOST_FAILPOINT"):
            arm_by_setting(text)
        fingerpost("history", "--data", tmp_path, code=7, FINGERPOST_FAILPOINT=text)
    fingerpost("serve", "--data", tmp_path, code=7, FINGERPOST_FAILPOINT="kill:file-written")


def test_a_command_that_is_killed_by_its_failpoint(tmp_path: Path) -> None:
    """The real command dies there, and the next one mends what it left."""
    a, b = put(tmp_path, "a"), put(tmp_path, "b")
    pointers_of(tmp_path).activate("default", a)
    fingerpost("activate", b, "--data", tmp_path, code=-9, FINGERPOST_FAILPOINT="kill:ledger-committed")
    assert told(tmp_path) == (a, 1)
    fingerpost("history", "--data", tmp_path)
    assert told(tmp_path) == (b, 2)


# --- Disks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 16 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount the small file system that this test fills")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def remount(disk: Path, *options: str) -> None:
    subprocess.run(["mount", "-o", ",".join(("remount", *options)), str(disk)], check=True)


def used(disk: Path) -> int:
    state = os.statvfs(disk)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


def resize(disk: Path, size: int) -> None:
    remount(disk, f"size={size}")


_TEXTS = [f"text {number}" for number in range(60)]


@pytest.mark.fault("S2")
def test_a_disk_that_is_full_at_any_page_of_a_publication(disk: Path) -> None:
    """With room for every number of pages: published whole, or STORAGE_FULL with nothing left; the old one serves."""
    old = put(disk, "old")
    pointers_of(disk).activate("default", old)
    ballast_of(disk).unlink()
    before = used(disk)
    whole_one = put(disk, *_TEXTS)
    pages = (used(disk) - before) // _PAGE
    clean = {path.name for path in (disk / "revisions").iterdir()} - {whole_one}
    fulls = 0
    for room in range(pages + 3):
        subprocess.run(["rm", "-rf", str(disk / "revisions" / whole_one)], check=True)
        resize(disk, used(disk) + room * _PAGE)
        try:
            put(disk, *_TEXTS)
        except StorageFull:
            fulls += 1
            assert {path.name for path in (disk / "revisions").iterdir()} == clean, f"room for {room} pages"
        else:
            whole(DataFolder(disk), whole_one)
        whole(DataFolder(disk), old)
        assert told(disk) == (old, 1)
        resize(disk, 16 << 20)
    assert pages - 2 <= fulls <= pages + 2, "the disk was full as often as the revision has pages"


@pytest.mark.fault("S3")
def test_going_back_and_clearing_up_on_a_full_disk(disk: Path) -> None:
    """No change finds room, but these two do; with room again everything is as before, the ballast too."""
    a, b, c = put(disk, "a"), put(disk, "b"), put(disk, "c")
    pointers = pointers_of(disk)
    for digest in (a, b):
        pointers.activate("default", digest)
    assert ballast_of(disk).stat().st_size == 1 << 20
    fill(disk)
    with pytest.raises(StorageFull):
        move_pointer(DataFolder(disk), "default", c, None)
    whole(DataFolder(disk), b)
    assert go_back(DataFolder(disk), "default", None).activation.revision == a
    assert told(disk) == (a, 3)
    assert not ballast_of(disk).exists()
    (disk / "filler").unlink()
    assert move_pointer(DataFolder(disk), "default", c, 3).activation.generation == 4
    assert ballast_of(disk).exists()
    os.utime(disk / "revisions" / b, (0, 0))
    fill(disk)
    assert collect(DataFolder(disk), 2, dry_run=False).revisions == (b,)
    assert not (disk / "revisions" / b).exists()
    verified(*pointers_of(disk).ledger.audit())


def fill(disk: Path) -> None:
    """Write until there is no room left."""
    with (disk / "filler").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * _PAGE)
        except OSError:
            pass
    assert os.statvfs(disk).f_bavail == 0


@pytest.mark.fault("S4")
def test_a_disk_that_can_only_be_read(disk: Path) -> None:
    """Changes are refused with words, nothing breaks, and what is there can be read and decided with."""
    a, b = put(disk, "a"), put(disk, "b")
    pointers_of(disk).activate("default", a)
    remount(disk, "ro")
    try:
        for change in (
            lambda: move_pointer(DataFolder(disk), "default", b, None),
            lambda: go_back(DataFolder(disk), "default", None),
            lambda: put(disk, "c"),
        ):
            with pytest.raises(Unavailable) as refused:
                change()
            assert "cannot be" in refused.value.message
        assert told(disk) == (a, 1)
        whole(DataFolder(disk), a)
    finally:
        remount(disk, "rw")
    assert move_pointer(DataFolder(disk), "default", b, 1).activation.generation == 2
