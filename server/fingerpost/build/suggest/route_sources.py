"""Route sources: which file of a folder holds which route, with its very characters."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fingerpost.build.findings import Findings
from fingerpost.build.source import read_source
from fingerpost.build.text_files import MAX_BYTES as MAX_TEXTS_BYTES
from fingerpost.build.yaml_lines import MAX_BYTES, parse

BYTE_ORDER_MARK = "\ufeff"


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
    listed: bool  # the YAML file has utterances of its own
    beside: SourceFile | None  # its utterances file


def route_sources(folder: Path) -> Mapping[str, RouteSource]:
    """The routes of a folder that `build.load` accepts, by name.

    Raises:
        RouteFilesInvalid: a file has changed since.
    """
    findings = Findings()
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in {".yaml", ".yml"} or path.name.startswith("_"):
            continue
        source = _read(path, MAX_BYTES, findings)
        document = parse(path.name, source.content, findings) if source else None
        if source is None or document is None or not isinstance(document.value, dict):
            continue
        beside = document.value.get("utterances_file")
        found[str(document.value.get("name") or path.stem)] = RouteSource(
            yaml=source,
            listed=bool(document.value.get("utterances")),
            beside=_read(folder / beside, MAX_TEXTS_BYTES, findings) if isinstance(beside, str) else None,
        )
    findings.check()
    return found


def _read(path: Path, limit: int, findings: Findings) -> SourceFile | None:
    content = read_source(path, limit, findings)
    if content is None:
        return None
    with path.open("rb") as file:
        marked = file.read(3) == BYTE_ORDER_MARK.encode()
    return SourceFile(path.name, BYTE_ORDER_MARK if marked else "", content)
