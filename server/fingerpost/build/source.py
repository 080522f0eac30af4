"""Reads the files of a folder as text: small enough, regular, inside the folder, UTF-8."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fingerpost.build.finding_codes import FILE_ENCODING, FILE_LARGE, FILE_MISSING, FILE_UNREADABLE
from fingerpost.build.findings import Findings, Place

Drafts = Mapping[str, bytes]
"""Names of files of a folder, and contents that are read in place of what they hold."""

NO_DRAFTS: Drafts = MappingProxyType({})


def read_source(
    path: Path, max_bytes: int, findings: Findings, mention: Place | None = None, drafts: Drafts = NO_DRAFTS
) -> str | None:
    """The file's text without a byte order mark, or None and a finding.

    Args:
        path: The file; it may be a link, but only to a file inside its own folder.
        max_bytes: A larger file is refused before it is read.
        findings: Hears what is wrong.
        mention: Where the file is named, if it is another file that names it.
        drafts: Contents that are not written yet.
    """
    data = drafts.get(path.name)
    if data is None:
        data = read_source_bytes(path, max_bytes, findings, mention)
    elif len(data) > max_bytes:
        findings.add(FILE_LARGE, mention or Place(path.name), _too_large(path.name, max_bytes))
        return None
    return None if data is None else decode(path.name, data, findings)


def read_source_bytes(path: Path, max_bytes: int, findings: Findings, mention: Place | None = None) -> bytes | None:
    place = mention or Place(path.name)
    try:
        if not _contained(path):
            findings.add(FILE_UNREADABLE, place, f"{path.name} is no regular file of this folder")
            return None
        data = _read_at_most(path, max_bytes)
    except FileNotFoundError:
        findings.add(FILE_MISSING, place, f"the file {path.name} is missing")
        return None
    except OSError as error:
        findings.add(FILE_UNREADABLE, place, f"{path.name} cannot be read: {error.strerror}")
        return None
    if data is None:
        findings.add(FILE_LARGE, place, _too_large(path.name, max_bytes))
    return data


def _too_large(name: str, max_bytes: int) -> str:
    return f"{name} is larger than {max_bytes >> 20} MiB: split it"


def decode(file: str, data: bytes, findings: Findings) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings.add(FILE_ENCODING, Place(file, line), f"byte 0x{data[error.start]:02X} is not UTF-8 text")
        return None


def _contained(path: Path) -> bool:
    """A link out of the folder could show any file of the machine in a message; a pipe would block for ever."""
    target = Path(os.path.realpath(path, strict=True))  # unlike `resolve`, a loop of links is an OSError
    return target.is_relative_to(path.parent.resolve()) and stat.S_ISREG(target.stat().st_mode)


def _read_at_most(path: Path, max_bytes: int) -> bytes | None:
    if path.stat().st_size > max_bytes:
        return None
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)  # it may have grown since
    return data if len(data) <= max_bytes else None
