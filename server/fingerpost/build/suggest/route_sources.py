"""Route sources: which file of a folder holds which route, with its very characters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerpost.build.draft import DraftRoute
from fingerpost.build.findings import Findings
from fingerpost.build.source import decode, read_source_bytes
from fingerpost.build.text_files import MAX_BYTES

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it stands; `mark` is its byte order mark, or empty."""

    name: str
    mark: str
    content: str


@dataclass(frozen=True, slots=True)
class RouteSource:
    """Where a route is written."""

    yaml: SourceFile
    beside: SourceFile | None  # its utterances file


def route_sources(folder: Path, routes: Sequence[DraftRoute]) -> Mapping[str, RouteSource]:
    """The files of routes, by the routes' names.

    Args:
        folder: Of route files.
        routes: What `build.load` found in it.

    Raises:
        RouteFilesInvalid: a file has changed since, so that it cannot be read.
    """
    findings = Findings()
    read = {
        name: _read(folder / name, findings)
        for entry in routes
        for name in (entry.named.file, entry.utterances_file)
        if name is not None
    }
    findings.check()
    files = {name: file for name, file in read.items() if file is not None}
    return {
        entry.route.name: RouteSource(files[entry.named.file], files.get(entry.utterances_file or ""))
        for entry in routes
    }


def _read(path: Path, findings: Findings) -> SourceFile | None:
    data = read_source_bytes(path, MAX_BYTES, findings)
    content = None if data is None else decode(path.name, data, findings)
    if data is None or content is None:
        return None
    return SourceFile(path.name, _BYTE_ORDER_MARK if data.startswith(_BYTE_ORDER_MARK.encode()) else "", content)
