"""A table of texts and labels as CSV: commas, semicolons or tabs, a header that names two columns."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from fingerpost.build.finding_codes import TEXTS_ROW
from fingerpost.build.findings import Findings, Place
from fingerpost.build.imports.codes import IMPORT_FORM, IMPORT_UNKNOWN_KEY
from fingerpost.build.imports.imported import Imported
from fingerpost.build.imports.labelled_jsonl import by_label
from fingerpost.build.labelled import LabelledText, labelled_text

_DELIMITERS = ",;\t"
_TEXT_NAMES = {"text", "utterance", "query", "sentence"}
_LABEL_NAMES = {"label", "intent", "route", "category"}


@dataclass(frozen=True, slots=True)
class _Header:
    delimiter: str
    text: int  # number of the column
    label: int
    columns_count: int


def is_csv(content: str) -> bool:
    """Whether the first line names a column of texts and one of labels."""
    return _header(content) is not None


def read_csv(file: str, content: str, findings: Findings) -> Imported:
    """The rows by label; a row that is not as wide as the header is a finding."""
    header = _header(content)
    if header is None:
        message = (
            "the first line names no two columns, one of texts (text, utterance, query, sentence) and one of labels "
            "(label, intent, route, category), between commas, semicolons or tabs"
        )
        findings.add(IMPORT_FORM, Place(file, 1), message)
        return Imported()
    for number in range(header.columns_count):
        if number not in {header.text, header.label}:
            findings.add(
                IMPORT_UNKNOWN_KEY, Place(file, 1), f"column {number + 1} of {header.columns_count} is left out"
            )
    return by_label(_rows(file, content, header, findings))


def _header(content: str) -> _Header | None:
    """Of the delimiters, the one with which the first line has both columns once."""
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader(_stream(content), delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [cell.strip().casefold() for cell in cells]
        texts = [number for number, name in enumerate(names) if name in _TEXT_NAMES]
        labels = [number for number, name in enumerate(names) if name in _LABEL_NAMES]
        if len(texts) == len(labels) == 1:
            return _Header(delimiter, texts[0], labels[0], len(names))
    return None


def _rows(file: str, content: str, header: _Header, findings: Findings) -> Iterator[LabelledText]:
    reader = csv.reader(_stream(content), delimiter=header.delimiter, strict=True)
    next(reader)
    line = reader.line_num + 1
    try:
        for cells in reader:
            place, line = Place(file, line), reader.line_num + 1  # a quoted text may span lines
            if cells and (row := _row(cells, header, place, findings)):
                yield row
    except csv.Error as error:
        findings.add(TEXTS_ROW, Place(file, reader.line_num), f"the row is not CSV: {error}")


def _row(cells: list[str], header: _Header, place: Place, findings: Findings) -> LabelledText | None:
    if len(cells) != header.columns_count:
        message = f"the row has {len(cells)} cells and the header {header.columns_count}: put texts in double quotes"
        findings.add(TEXTS_ROW, place, message)
        return None
    return labelled_text(cells[header.text], cells[header.label], place, findings)


def _stream(content: str) -> io.StringIO:
    return io.StringIO(content, newline="")  # line ends inside quotes stay as they are
