"""Rows {"text", "label"} of a .jsonl or .jsonl.gz file."""

from collections.abc import Iterable

from fingerpost.build.findings import Findings, Place
from fingerpost.build.imports.imported import Imported, ImportedRoute
from fingerpost.build.labelled import OUT_OF_SCOPE_LABEL, LabelledText, labelled_rows
from fingerpost.build.rows import RowFault, json_row, lines
from fingerpost.types import Text


def is_labelled(content: str) -> bool:
    """Whether the first line that is not blank is a JSON object with a text and a label."""
    first = next((line for _, line in lines(content) if line.strip()), "")
    try:
        row = json_row(first)
    except RowFault:
        return False
    return {"text", "label"} <= row.keys()


def read_labelled_jsonl(file: str, content: str, findings: Findings) -> Imported:
    """The rows by label; other keys of a row are ignored."""
    return by_label(labelled_rows(file, content, findings))


def by_label(rows: Iterable[LabelledText]) -> Imported:
    """A route for each label, in the order of the rows; texts labelled `oos` belong to none."""
    texts: dict[str, list[Text]] = {}
    for row in rows:
        texts.setdefault(row.label, []).append(row.text)
    outside = texts.pop(OUT_OF_SCOPE_LABEL, [])
    return Imported(
        tuple(ImportedRoute(label, Place(own[0].file, own[0].line), tuple(own)) for label, own in texts.items()),
        tuple(outside),
    )
