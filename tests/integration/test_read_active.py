"""Reading what a catalog decides with and what its reindex reported, of revisions of any age."""

from pathlib import Path

import pytest

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.bootstrap.studying import read_active
from fingerpost.build.activate import activate
from fingerpost.build.publish import publish
from fingerpost.errors import ErrorReason, FailedPrecondition, NotFound
from fingerpost.serve.revision_format import REPORT, decode
from tests.ledgers import pointers_of

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def published(data: Path, golden: str, report: bytes | None = None) -> Path:
    """A data folder whose catalog serves a golden revision, with its own report or another."""
    [stored] = [path for path in (GOLDEN / golden).iterdir() if path.is_dir()]
    files = {path.name: path.read_bytes() for path in stored.iterdir()}
    old = decode(stored.name, files)
    parts = (old.encoder, old.exemplars, old.index_kind, old.index_bytes, old.head, old.decider)
    digest = publish(FileRevisionStore(data / "revisions"), *parts, files[REPORT] if report is None else report)
    activate(pointers_of(data), "default", digest, 0)
    return data


def test_a_revision_with_a_curve(tmp_path: Path) -> None:
    """The decider and the report of the active revision belong together."""
    decider, report = read_active(published(tmp_path, "schema-1-head"), "default")
    assert report.held_out is not None
    assert report.held_out.promise == decider.promise
    assert report.held_out.curve


@pytest.mark.parametrize(
    ("golden", "report"),
    [
        ("schema-1", None),
        ("schema-1-head", b"{}"),
        ("schema-1-head", b"no JSON"),
        (
            "schema-1-head",
            b'{"cases": 0, "out_of_scope_cases": 0, "metrics": {}, "at_share": {}, "threshold": 0.5, '
            b'"calibration": "POOLED", "confusions": [], "routes": [], "mistakes": []}',
        ),
    ],
    ids=["earliest", "empty", "not JSON", "before the curve"],
)
def test_a_report_of_another_version(tmp_path: Path, golden: str, report: bytes | None) -> None:
    """A report without what a later version tells asks for a reindex, and never passes for a small catalog."""
    with pytest.raises(FailedPrecondition, match="another version: reindex") as refused:
        read_active(published(tmp_path, golden, report), "default")
    assert refused.value.reason == ErrorReason.ARTEFACT_INCOMPATIBLE


def test_no_such_catalog(tmp_path: Path) -> None:
    """A catalog that nothing was published for is named."""
    with pytest.raises(NotFound, match="catalog other has no active revision"):
        read_active(published(tmp_path, "schema-1-head"), "other")
