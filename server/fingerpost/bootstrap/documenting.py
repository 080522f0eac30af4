"""Documenting: what the page about a revision needs, from its data folder and the ledger."""

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import open_pointers
from fingerpost.bootstrap.sharing import named, whole
from fingerpost.build.document import Document, document_of, served_before
from fingerpost.build.report import Report, read_report
from fingerpost.errors import FingerpostError
from fingerpost.serve.revision_format import REPORT
from fingerpost.serve.runtime import check_catalog_name
from fingerpost.types import Revision


def document(data: DataFolder, catalog: str, begins: str) -> Document:
    """The document of a stored revision, of the one in force by default; its encoder is not needed.

    Raises:
        InvalidRequest, NotFound: there is no such catalog or revision.
        DataLoss, FailedPrecondition, Unavailable
    """
    check_catalog_name(catalog)
    with open_pointers(data) as pointers:
        digest = named(data, begins) if begins else data.active(catalog).revision
        entries = list(reversed(pointers.ledger.history(catalog)))
        pointer = pointers.read(catalog)
    earlier = served_before(digest, entries)
    revision = whole(data, digest)
    return document_of(catalog, revision, _report(data, digest), pointer, entries, _stored(data, earlier))


def _report(data: DataFolder, digest: str) -> Report | None:
    try:
        return read_report((data.revisions / digest / REPORT).read_bytes())
    except ValueError:  # of another version of the program
        return None


def _stored(data: DataFolder, digest: str | None) -> Revision | None:
    """None where it is not here any more: the page does without."""
    if digest is None:
        return None
    try:
        return whole(data, digest)
    except FingerpostError:
        return None
