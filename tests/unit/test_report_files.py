"""Where a report may be written, and how."""

import os
import stat
from pathlib import Path

import pytest

from fingerpost.cli.page.render import Made, is_report, render
from fingerpost.cli.report import check_place
from fingerpost.durable import put_unlocked
from fingerpost.errors import FailedPrecondition
from tests.portraits import portrait_of


def test_a_report_may_be_replaced(tmp_path: Path) -> None:
    """A page of ours, of any version, is known as one and may be written over."""
    out = tmp_path / "page.html"
    out.write_text(render(portrait_of({"code": ["write"]}), Made("9.9", "today", baseline_installed=False)))
    assert is_report(out)
    check_place(out, force=False)


@pytest.mark.parametrize("content", [b"", b"<!doctype html><title>mine</title>", bytes(range(256))])
def test_another_file_is_kept_unless_forced(tmp_path: Path, content: bytes) -> None:
    """What is no report is refused, and --force takes it."""
    out = tmp_path / "page.html"
    out.write_bytes(content)
    with pytest.raises(FailedPrecondition, match="--force"):
        check_place(out, force=False)
    check_place(out, force=True)


def test_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    """Not even --force puts a file in the place of a pipe or device, nor waits for what comes out of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FailedPrecondition, match="no place"):
        check_place(pipe, force=True)


def test_a_written_file_has_the_usual_mode_or_keeps_its_own(tmp_path: Path) -> None:
    """A new file has the mode of any other, a replaced one keeps what it allowed, and nothing else is left."""
    out, any_other = tmp_path / "page.html", tmp_path / "other"
    put_unlocked(out, b"one")
    any_other.touch()
    assert out.stat().st_mode == any_other.stat().st_mode
    any_other.unlink()
    out.chmod(0o600)
    put_unlocked(out, b"two")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [out]
