"""Route folders for tests: a good base, changed file by file, and what loading it finds."""

from collections.abc import Mapping
from pathlib import Path

from fingerpost.bootstrap.planning import rulebook_of
from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.guards.checks import check_revisions
from fingerpost.build.guards.codes import UNKNOWN
from fingerpost.build.load import load
from fingerpost.build.rules.trying import tried_rules
from fingerpost.types import Finding

MODELS = "models:\n  - name: coder\n  - name: strong\n"
POLICY = "fallback_model: strong\n"
ROUTE = "model: coder\nutterances:\n  - reverse a linked list\n"


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """The base files of a folder, with these beside or instead of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ({"_models.yaml": MODELS, "_policy.yaml": POLICY} | dict(files)).items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    return folder


def findings_of(folder: Path) -> tuple[Finding, ...]:
    """Everything found, whether or not it stops the load, as a reindex does whose store has each revision but one."""
    try:
        loaded = load(folder)
        tried_rules(loaded.rules, rulebook_of)
        check_revisions(loaded.revisions, lambda digest: digest != UNKNOWN)
        return loaded.findings
    except RouteFilesInvalid as error:
        return error.findings


def places(folder: Path) -> list[tuple[str, str, int]]:
    """Code, file and line of everything found."""
    return [(finding.code, finding.file, finding.line) for finding in findings_of(folder)]
