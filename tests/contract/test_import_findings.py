"""The findings of imports and exports: each page's examples give what the page says."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fingerpost.build.exports.semantic_router import export_file
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.imports.codes import EXPORT_LEFT_OUT, LIST_PRICE, REGISTRY
from fingerpost.build.imports.formats import import_file
from fingerpost.build.imports.models import Wish, import_models
from fingerpost.types import Finding
from tests.route_folders import ROUTE, write_folder

CARRIED = pytest.mark.parametrize("kind", REGISTRY.values(), ids=lambda kind: kind.code)


def _found(kind: Kind, files: Mapping[str, str], folder: Path) -> Sequence[Finding]:
    if EXPORT_LEFT_OUT.code <= kind.code < LIST_PRICE.code:
        return export_file(write_folder(folder / "routes", files), "semantic-router-1", folder / "out.yaml").findings
    *beside, (name, content) = files.items()
    (folder / name).write_text(content)
    try:
        if kind.code >= LIST_PRICE.code:
            routes = write_folder(folder / "routes", {"code.yaml": ROUTE, **dict(beside)})
            return import_models(folder / name, routes, Wish()).findings
        return import_file(folder / name, folder / "out").findings
    except RouteFilesInvalid as error:
        return error.findings


@CARRIED
def test_the_wrong_example_gives_the_finding(kind: Kind, tmp_path: Path) -> None:
    """The example of the page raises its code, with its severity, and nothing else."""
    assert {(found.code, found.severity) for found in _found(kind, kind.bad, tmp_path)} == {(kind.code, kind.severity)}


@CARRIED
def test_the_right_example_gives_none(kind: Kind, tmp_path: Path) -> None:
    """What a page recommends is carried over without a word."""
    assert _found(kind, kind.good, tmp_path) == ()
