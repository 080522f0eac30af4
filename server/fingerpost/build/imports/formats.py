"""The formats that can be imported, by name, and the import itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from fingerpost.build.findings import Findings, Place, RouteFilesInvalid
from fingerpost.build.imports.codes import IMPORT_NOTHING, IMPORT_UNRECOGNISED
from fingerpost.build.imports.csv_table import is_csv, read_csv
from fingerpost.build.imports.cursor import Cursor
from fingerpost.build.imports.documents import read_document
from fingerpost.build.imports.folder import Written, check_free, write_folder
from fingerpost.build.imports.imported import Imported
from fingerpost.build.imports.labelled_jsonl import is_labelled, read_labelled_jsonl
from fingerpost.build.imports.rasa import read_rasa
from fingerpost.build.imports.redisvl import read_redisvl
from fingerpost.build.imports.semantic_router import read_litellm, read_semantic_router
from fingerpost.build.labelled import read_content
from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.types import Finding

AUTO = "auto"

_TABLES: Mapping[str, Callable[[str, str, Findings], Imported]] = {
    "labelled-jsonl": read_labelled_jsonl,
    "csv": read_csv,
}
_DOCUMENTS: Mapping[str, Callable[[Cursor], Imported]] = {
    "semantic-router": read_semantic_router,
    "litellm": read_litellm,
    "redisvl": read_redisvl,
    "rasa": read_rasa,
}
FORMATS = (*_TABLES, *_DOCUMENTS)

_TABLE_ENDINGS = {".jsonl": "labelled-jsonl", ".gz": "labelled-jsonl", ".csv": "csv", ".tsv": "csv"}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was written, and what was reported on the way: nothing is left out in silence."""

    format: str
    written: Written
    findings: tuple[Finding, ...]  # warnings, by line


def import_file(source: Path, out: Path, form: str = AUTO) -> ImportReport:
    """Make a route folder of a file of another program.

    Args:
        source: The file; nothing that it names is imported, evaluated or connected to.
        out: A folder that is empty or does not exist; it appears whole or not at all.
        form: One of `FORMATS`, or `auto`: told by the content, and refused in doubt.

    Raises:
        RouteFilesInvalid: with a finding for each thing that is wrong; nothing was written.
        InvalidRequest: there is no such format, or `out` is not empty.
    """
    _check_format(form)
    check_free(out.resolve())
    findings = Findings()
    content = read_content(source, findings)
    _check(findings)
    form, imported = _read(source.name, content or "", form, findings)
    _check(findings)
    if not imported.texts_count:
        message = "there is no utterance of any route in the file, so there is nothing to route by"
        findings.add(IMPORT_NOTHING, Place(source.name), message)
        _check(findings)
    written = write_folder(imported, out, findings)
    return ImportReport(form, written, findings.ordered())


def _check_format(form: str) -> None:
    if form not in {AUTO, *FORMATS}:
        known = ", ".join((AUTO, *FORMATS))
        raise InvalidRequest(
            f"unknown format {form}: use one of {known}", fields=[FieldViolation("format", f"must be one of {known}")]
        )


def _check(findings: Findings) -> None:
    if findings.errors_count:
        raise RouteFilesInvalid(findings.ordered(), "the file to import has")


def _read(file: str, content: str, form: str, findings: Findings) -> tuple[str, Imported]:
    """The format and what the file holds; empty where there are errors."""
    table = _table(file, content) if form == AUTO else form
    if table is not None and table in _TABLES:
        return table, _TABLES[table](file, content, findings)
    document = read_document(file, content, findings)
    if document is None:
        return form, Imported()
    root = Cursor.root(document, findings)
    recognised = _recognised(root) if form == AUTO else form
    return (form, Imported()) if recognised is None else (recognised, _DOCUMENTS[recognised](root))


# --- Telling formats apart ----------------------------------------------------------------------------------------


def _table(file: str, content: str) -> str | None:
    """By content; the ending counts only where the content says nothing, for a better message."""
    if is_labelled(content):
        return "labelled-jsonl"
    return "csv" if is_csv(content) else _TABLE_ENDINGS.get(PurePath(file).suffix.lower())


def _recognised(root: Cursor) -> str | None:
    """The one format whose signs a document has; None, and a finding, when it is none or several."""
    signs = {
        "semantic-router": _has_signs_of_semantic_router(root),
        "redisvl": not {"vectorizer", "routing_config"}.isdisjoint(root.keys) or _entries_have(root, "references"),
        "rasa": not {"nlu", "rasa_nlu_data"}.isdisjoint(root.keys),
    }
    found = [name for name, fits in signs.items() if fits]
    if len(found) == 1:
        return found[0]
    why = f"it has signs of {' and '.join(found)}" if found else "it has signs of none that is known"
    root.note(IMPORT_UNRECOGNISED, f"the format cannot be told: {why}; give --format, one of {', '.join(FORMATS)}")
    return None


def _has_signs_of_semantic_router(root: Cursor) -> bool:
    if isinstance(root.value, list):  # the oldest files are bare lists of routes
        return bool(root.value) and isinstance(root.value[0], dict) and "utterances" in root.value[0]
    keys = {"router_type", "encoder_type", "encoder_name"}
    return not keys.isdisjoint(root.keys) or _entries_have(root, "utterances")


def _entries_have(root: Cursor, key: str) -> bool:
    routes = root.value.get("routes") if isinstance(root.value, dict) else None
    return isinstance(routes, list) and any(isinstance(entry, dict) and key in entry for entry in routes)
