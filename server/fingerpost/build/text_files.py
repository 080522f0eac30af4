"""Reads the texts of an `utterances_file`: .jsonl, .csv or .txt."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from fingerpost.build.files import MAX_TEXTS
from fingerpost.build.finding_codes import TEXTS_NAME, TEXTS_ROW, TEXTS_ROWS
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.rows import RowFault, json_row, lines, string_of
from fingerpost.build.source import NO_DRAFTS, Drafts, read_source
from fingerpost.build.texts import text_fault
from fingerpost.types import Text

MAX_BYTES = 64 * 1024 * 1024

Row = tuple[int, str | RowFault | None]
"""Line and text, what is wrong instead, or None for a blank row."""


def read_texts(
    folder: Path, name: str, findings: Findings, mention: Place, drafts: Drafts = NO_DRAFTS
) -> tuple[Text, ...]:
    """The texts of a file in the folder; what is wrong with its name is reported where it is mentioned."""
    reader = _READERS.get(Path(name).suffix.lower())
    if reader is None or name != Path(name).name or "\\" in name:
        message = f"{quoted(name)} is no plain name of a .jsonl, .csv or .txt file in this folder"
        findings.add(TEXTS_NAME, mention, message)
        return ()
    content = read_source(folder / name, MAX_BYTES, findings, mention, drafts)
    return () if content is None else tuple(_texts(name, reader(content), findings))


def rows_of(name: str, content: str) -> Iterator[Row]:
    """The rows of a file whose name ends in .jsonl, .csv or .txt."""
    return _READERS[Path(name).suffix.lower()](content)


def _texts(file: str, rows: Iterator[Row], findings: Findings) -> Iterator[Text]:
    for count, (line, row) in enumerate(rows, 1):
        place = Place(file, line)
        if count > MAX_TEXTS:
            findings.add(TEXTS_ROWS, place, f"more than {MAX_TEXTS:,} rows: keep a sample of the texts")
            return
        if isinstance(row, RowFault):
            findings.add(TEXTS_ROW, place, row.message)
        elif row is not None:
            yield from _checked(row, place, findings)


def _checked(text: str, place: Place, findings: Findings) -> Iterator[Text]:
    if fault := text_fault(text):
        findings.add(fault[0], place, fault[1])
    else:
        yield Text(text.strip(), place.file, place.line)


def _txt(content: str) -> Iterator[Row]:
    for number, line in lines(content):
        yield number, line.rstrip("\r\n") or None


def _jsonl(content: str) -> Iterator[Row]:
    for number, line in lines(content):
        yield number, _jsonl_text(line)


def _jsonl_text(line: str) -> str | RowFault | None:
    if not line.strip():
        return None
    try:
        return string_of(json_row(line), "text")
    except RowFault as fault:
        return fault


def _csv(content: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        header = next(reader, [])
        if header.count("text") != 1:
            yield 1, RowFault("the header has no column text, or two")
            return
        column, line = header.index("text"), reader.line_num + 1
        for cells in reader:
            yield line, _cell(cells, column)
            line = reader.line_num + 1  # a quoted text may span lines: the next row starts after it
    except csv.Error as error:
        yield reader.line_num, RowFault(f"the row is not CSV: {error}")


def _cell(cells: list[str], column: int) -> str | RowFault | None:
    if not cells:
        return None
    return cells[column] if column < len(cells) else RowFault("the row has no value for the column text")


_READERS: Mapping[str, Callable[[str], Iterator[Row]]] = {".csv": _csv, ".jsonl": _jsonl, ".txt": _txt}
