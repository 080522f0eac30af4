"""The outbox on a disk: portions whole or not at all, whatever is killed, and read again by whoever comes after."""

import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from structlog.testing import capture_logs

from fingerpost import failpoints
from fingerpost.backends.outbox import FileOutbox
from fingerpost.errors import ErrorReason, StorageFull, Unavailable
from fingerpost.failpoints import Step
from fingerpost.types import CallStatus, CostSource, Debit, Report, ReportRow, Verdict

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def row(number: int) -> ReportRow:
    report = Report(f"{number:053d}", "coder", CallStatus.OK)
    return ReportRow(
        f"{number:024d}", "shop", "acme", "default", report, 1, 2, 3, CostSource.RESERVED, debits=(Debit(3, 300),)
    )


def drained(outbox: FileOutbox) -> list[ReportRow]:
    rows: list[ReportRow] = []
    while portion := outbox.oldest():
        name, some = portion
        rows += some
        outbox.drop(name)
    return rows


def test_what_was_put_comes_out_in_its_order(tmp_path: Path) -> None:
    """Also after a restart, and what comes then comes last."""
    outbox = FileOutbox(tmp_path / "outbox")
    assert (outbox.rows, outbox.oldest()) == (0, None)
    outbox.put([row(1), row(2)])
    outbox.put([row(3)])
    again = FileOutbox(tmp_path / "outbox")
    assert again.rows == 3
    again.put([row(4)])
    assert drained(again) == [row(1), row(2), row(3), row(4)]
    assert (again.rows, list((tmp_path / "outbox").iterdir())) == (0, [])


def test_names_grow_although_the_clock_went_back(tmp_path: Path) -> None:
    """A portion from a time to come is older than what is put now."""
    outbox = FileOutbox(tmp_path)
    outbox.put([row(1)])
    [file] = tmp_path.iterdir()
    file.rename(tmp_path / f"{9 * 10**18:020d}-1-1.json")
    later = FileOutbox(tmp_path)
    later.put([row(2)])
    assert drained(FileOutbox(tmp_path)) == [row(1), row(2)]


def test_only_its_user_reads_it(tmp_path: Path) -> None:
    """Reports tell of tenants."""
    FileOutbox(tmp_path).put([row(1)])
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_it_is_bounded(tmp_path: Path) -> None:
    """A portion that is too large is refused as a whole, and a smaller one still fits."""
    outbox = FileOutbox(tmp_path, max_rows=3)
    outbox.put([row(1), row(2)])
    with pytest.raises(Unavailable, match="full") as raised:
        outbox.put([row(3), row(4)])
    assert (raised.value.reason, raised.value.retry_after_ms) == (ErrorReason.STORE_UNAVAILABLE, 5_000)
    outbox.put([row(3)])
    assert FileOutbox(tmp_path, max_rows=3).rows == 3
    assert drained(outbox) == [row(1), row(2), row(3)]


# --- Faults ---------------------------------------------------------------------------------------------------------


def _killed(folder: Path, failpoint: str) -> None:
    failpoints.arm_by_setting(failpoint)
    FileOutbox(folder).put([row(2), row(3)])


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        (Step.FILE_WRITTEN, [row(1)]),
        (Step.FILE_SYNCED, [row(1)]),
        (Step.FILE_RENAMED, [row(1), row(2), row(3)]),
        (Step.FOLDER_SYNCED, [row(1), row(2), row(3)]),
    ],
)
def test_a_kill_leaves_a_portion_whole_or_not_there(tmp_path: Path, step: Step, kept: Sequence[ReportRow]) -> None:
    """Nobody was told that it is kept before it is."""
    FileOutbox(tmp_path).put([row(1)])
    process = _CONTEXT.Process(target=_killed, args=(tmp_path, f"kill:{step}"))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, "the fault has happened"
    after = FileOutbox(tmp_path)
    assert after.rows == len(kept)
    after.put([row(4)])
    assert drained(after) == [*kept, row(4)]


def test_a_disk_that_is_full_keeps_nothing_of_it(tmp_path: Path) -> None:
    """It says so, and nothing is left that would be brought on later."""
    outbox = FileOutbox(tmp_path)
    failpoints.arm_by_setting(f"error:ENOSPC:{Step.FILE_WRITTEN}")
    try:
        with pytest.raises(StorageFull):
            outbox.put([row(1)])
    finally:
        failpoints.arm(None)
    assert (outbox.rows, list(tmp_path.iterdir())) == (0, [])
    outbox.put([row(2)])
    assert drained(outbox) == [row(2)]


@pytest.mark.parametrize("content", [b"", b"[", b"[{}]", b"\xff", json.dumps([{"key": 1}]).encode()])
def test_what_cannot_be_read_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """For a person to look at; what comes after it goes on, and it is not met again."""
    outbox = FileOutbox(tmp_path)
    outbox.put([row(1)])
    [file] = tmp_path.iterdir()
    outbox.put([row(2)])
    file.write_bytes(content)
    with capture_logs() as logs:
        assert drained(outbox) == [row(2)]
    assert [line["event"] for line in logs] == ["outbox_unreadable"]
    assert [path.name for path in tmp_path.iterdir()] == [f"{file.name}.unreadable"]
    assert FileOutbox(tmp_path).rows == 0


# --- Two servers of one folder --------------------------------------------------------------------------------------


def test_two_servers_bring_on_what_they_find(tmp_path: Path) -> None:
    """Whoever is first; the other passes over what is gone, and what both have taken the store tells apart."""
    FileOutbox(tmp_path).put([row(1)])
    one, other = FileOutbox(tmp_path), FileOutbox(tmp_path)
    one.put([row(2)])
    other.put([row(3)])
    assert drained(one) == [row(1), row(2)]
    assert drained(other) == [row(3)]
    assert (one.rows, other.rows) == (0, 0)


def test_both_have_the_same_portion_in_hand(tmp_path: Path) -> None:
    """Each drops it; the second time it is gone already."""
    FileOutbox(tmp_path).put([row(1)])
    one, other = FileOutbox(tmp_path), FileOutbox(tmp_path)
    taken = [outbox.oldest() for outbox in (one, other)]
    for outbox, portion in zip((one, other), taken, strict=True):
        assert portion is not None
        outbox.drop(portion[0])
    assert (one.oldest(), other.oldest()) == (None, None)


def test_both_meet_the_same_unreadable_one(tmp_path: Path) -> None:
    """Read before, and set aside by the other meanwhile."""
    outbox = FileOutbox(tmp_path)
    outbox.put([row(1)])
    [file] = tmp_path.iterdir()
    aside = tmp_path / f"{file.name}.unreadable"
    os.mkfifo(tmp_path / "pipe")
    file.unlink()
    file.symlink_to("pipe")  # read while the other server sets it aside
    reader = _CONTEXT.Process(target=_set_aside_while_read, args=(file, aside))
    reader.start()
    assert outbox.oldest() is None
    reader.join(60)
    assert reader.exitcode == 0, "the fault has happened"
    assert (outbox.rows, aside.is_symlink()) == (0, True)


def _set_aside_while_read(file: Path, aside: Path) -> None:
    with (file.parent / "pipe").open("wb") as pipe:  # opens when somebody reads
        file.rename(aside)
        pipe.write(b"no rows")


# --- What is written is what is read ---------------------------------------------------------------------------------

_counts = st.none() | st.integers(0, 10**12)
_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_reports = st.builds(
    Report,
    decision_id=_words,
    model=_words,
    status=st.sampled_from(CallStatus),
    input_tokens=_counts,
    output_tokens=_counts,
    cost_usd_micros=_counts,
    latency_ms=_counts,
    verdict=st.none() | st.sampled_from(Verdict),
    score=st.none() | st.floats(0, 1),
    label=_words,
    retry_after_ms=_counts,
)
_rows = st.builds(
    ReportRow,
    key=_words,
    caller=_words,
    tenant=_words,
    catalog=_words,
    report=_reports,
    decided_s=st.integers(0, 2**32),
    reported_us=st.integers(0, 2**53),
    cost_usd_micros=st.integers(0, 10**12),
    cost_source=st.sampled_from(CostSource),
    route=_words,
    fell_back=st.booleans(),
    arm=_words,
    unit=_words,
    debits=st.lists(st.builds(Debit, st.integers(0, 2**32), st.integers(0, 10**12)), max_size=3).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_rows, min_size=1, max_size=3))
def test_a_row_of_any_kind(tmp_path_factory: pytest.TempPathFactory, rows: list[ReportRow]) -> None:
    """Nothing of it changes on the way, or the store would take it for another report."""
    folder = tmp_path_factory.mktemp("outbox")
    FileOutbox(folder).put(rows)
    assert drained(FileOutbox(folder)) == rows
