"""What `fingerpost report` writes, and what it says about that."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import typer

from fingerpost import __version__
from fingerpost.bootstrap.portraying import baseline_installed
from fingerpost.build.portrait.portrait import Portrait
from fingerpost.cli.page.render import Made, is_report, render
from fingerpost.durable import put_unlocked, storing
from fingerpost.errors import ErrorReason, FailedPrecondition


def check_place(out: Path, *, force: bool) -> None:
    """Whether the page can be written there, before anything slow is done.

    Raises:
        FailedPrecondition: a file is there that is no report.
        OSError: there is no such folder, or the place is no file's.
    """
    folder = out.resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
    if not out.exists():
        return
    if not out.is_file():
        raise FailedPrecondition(f"{out} is no place for a file: choose another", ErrorReason.INVALID_FIELD)
    if not (force or is_report(out)):
        raise FailedPrecondition(
            f"{out} is there already and no report: choose another file, or replace it with --force",
            ErrorReason.INVALID_FIELD,
        )


def write_page(portrait: Portrait, out: Path) -> None:
    """Write the page as a whole or not at all, and say where it is.

    Raises:
        StorageFull: there is no room for it.
        OSError: it cannot be written.
    """
    now = datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC")
    page = render(portrait, Made(__version__, now, baseline_installed())).encode()
    with storing("the report"):
        put_unlocked(out.resolve(), page)
    typer.echo(f"Report on catalog {portrait.catalog}, revision {portrait.revision[:12]}: {out} ({_size(len(page))})")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{count / 1000:.0f} kB"
