"""What is set by hand, as a file that servers follow: whole, the latest state, and read without a database."""

import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from fingerpost import failpoints
from fingerpost.backends.overrides_file import OverridesFile
from fingerpost.errors import DataLoss, StorageFull, Unavailable
from fingerpost.failpoints import Step
from fingerpost.types import Override


def override(number: int) -> Override:
    value = {"budget": "monthly", "holder": "ä/b", "limit_usd_micros": str(number)}
    return Override("default", "budget", "monthly/%C3%A4%2Fb", value, "os:ann", number)


def test_what_is_followed_is_read(tmp_path: Path) -> None:
    """In a folder that is made for it; without the file nothing is set."""
    file = OverridesFile(tmp_path / "data" / "overrides.json")
    assert (file.read(), file.mark()) == ((), (0, 0))
    file.follow(lambda: [override(1), override(2)])
    assert file.read() == (override(1), override(2))
    file.follow(list)
    assert file.read() == ()


def test_each_write_has_another_mark(tmp_path: Path) -> None:
    """However soon one comes after the other: none is missed by whoever looks in between."""
    file, marks = OverridesFile(tmp_path / "overrides.json"), list[tuple[int, int]]()
    for number in range(100):
        file.follow(lambda number=number: [override(number)])  # type: ignore[misc]
        marks.append(file.mark())
    assert all(one != other for one, other in pairwise(marks))


def test_what_stays_the_same_is_not_written(tmp_path: Path) -> None:
    """So that servers have nothing to follow."""
    path = tmp_path / "overrides.json"
    OverridesFile(path).follow(lambda: [override(1)])
    before = path.stat()
    OverridesFile(path).follow(lambda: [override(1)])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_of_two_writers_the_later_state_stays(tmp_path: Path) -> None:
    """The one that began first has read an old state; the other waits for it, and reads after it."""
    path, state = tmp_path / "overrides.json", [override(1)]
    reading, go_on = threading.Event(), threading.Event()

    def slowly() -> Sequence[Override]:
        read = list(state)
        reading.set()
        assert go_on.wait(20)
        return read

    first = threading.Thread(target=OverridesFile(path).follow, args=(slowly,))
    first.start()
    assert reading.wait(20)
    state.append(override(2))
    second = threading.Thread(target=OverridesFile(path).follow, args=(lambda: list(state),))
    second.start()
    second.join(0.1)
    assert second.is_alive(), "it waits"
    go_on.set()
    first.join(20)
    second.join(20)
    assert OverridesFile(path).read() == (override(1), override(2))


@pytest.mark.parametrize("content", [b"", b"{}", b"[{}]", b'[{"catalog": 1}]', b"\xff"])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    """The error says how to mend it, and that mends it."""
    path = tmp_path / "overrides.json"
    path.write_bytes(content)
    with pytest.raises(DataLoss, match="writes it anew"):
        OverridesFile(path).read()
    OverridesFile(path).follow(lambda: [override(1)])
    assert OverridesFile(path).read() == (override(1),)


@pytest.mark.parametrize(("failpoint", "error"), [("ENOSPC", StorageFull), ("EIO", Unavailable)])
@pytest.mark.parametrize("step", [Step.FILE_WRITTEN, Step.FILE_SYNCED])
def test_a_disk_that_fails_leaves_the_old_one(
    tmp_path: Path, failpoint: str, error: type[Exception], step: Step
) -> None:
    """Whole, and nothing beside it."""
    path = tmp_path / "overrides.json"
    OverridesFile(path).follow(lambda: [override(1)])
    failpoints.arm_by_setting(f"error:{failpoint}:{step}")
    try:
        with pytest.raises(error):
            OverridesFile(path).follow(lambda: [override(2)])
    finally:
        failpoints.arm(None)
    assert OverridesFile(path).read() == (override(1),)
    assert {one.name for one in tmp_path.iterdir()} == {"overrides.json", ".overrides.json.lock"}


def test_what_cannot_be_looked_up_changes_nothing(tmp_path: Path) -> None:
    """The ledger is away: its error is told."""

    def away() -> Sequence[Override]:
        raise Unavailable("the ledger cannot be reached", "STORE_UNAVAILABLE")

    path = tmp_path / "overrides.json"
    OverridesFile(path).follow(lambda: [override(1)])
    with pytest.raises(Unavailable):
        OverridesFile(path).follow(away)
    assert OverridesFile(path).read() == (override(1),)
