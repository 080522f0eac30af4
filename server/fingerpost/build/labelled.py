"""Labelled texts: rows {"text", "label"} of a file, all checked before any is used."""

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

from fingerpost.build.finding_codes import FILE_LARGE, FILE_UNREADABLE, TEXTS_ROW
from fingerpost.build.findings import Findings, Place
from fingerpost.build.judging import Case
from fingerpost.build.rows import RowFault, json_row, lines, string_of
from fingerpost.build.source import decode, read_source_bytes
from fingerpost.build.text_files import MAX_BYTES
from fingerpost.build.texts import text_fault
from fingerpost.types import Text

OUT_OF_SCOPE_LABEL = "oos"


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and the label that it should get."""

    label: str
    text: Text


def read_labelled(source: Path) -> list[LabelledText]:
    """Rows of a .jsonl or .jsonl.gz file; other keys are ignored, blank lines too.

    Raises:
        RouteFilesInvalid: with a finding for each bad row.
    """
    findings = Findings()
    content = read_content(source, findings)
    rows = labelled_rows(source.name, content or "", findings)
    findings.check()
    return rows


def labelled_rows(file: str, content: str, findings: Findings) -> list[LabelledText]:
    """The good rows of a file's text, and a finding for each bad one."""
    return [
        row
        for number, line in lines(content)
        if line.strip() and (row := _row(line, Place(file, number), findings)) is not None
    ]


def read_cases(source: Path) -> list[Case]:
    """Labelled texts as cases; the label `oos` should fall back."""
    return [Case(row.text, None if row.label == OUT_OF_SCOPE_LABEL else row.label) for row in read_labelled(source)]


def _row(line: str, place: Place, findings: Findings) -> LabelledText | None:
    try:
        row = json_row(line)
        text, label = string_of(row, "text"), string_of(row, "label")
    except RowFault as fault:
        findings.add(TEXTS_ROW, place, fault.message)
        return None
    return labelled_text(text, label, place, findings)


def labelled_text(text: str, label: str, place: Place, findings: Findings) -> LabelledText | None:
    """A row's text and label; None, and a finding, when either cannot be used."""
    if fault_found := text_fault(text):
        findings.add(fault_found[0], place, fault_found[1])
        return None
    if text_fault(label):
        findings.add(TEXTS_ROW, place, "the label is no readable text")
        return None
    return LabelledText(label.strip(), Text(text.strip(), place.file, place.line))


def read_content(source: Path, findings: Findings) -> str | None:
    """A file's text, unpacked where its name ends in .gz; None, and a finding, when it cannot be had."""
    data = read_source_bytes(source, MAX_BYTES, findings)
    if data is not None and source.suffix == ".gz":
        data = _unpacked(source.name, data, findings)
    return None if data is None else decode(source.name, data, findings)


def _unpacked(file: str, data: bytes, findings: Findings) -> bytes | None:
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            unpacked = stream.read(MAX_BYTES + 1)  # a small file can unpack to any size
    except (OSError, EOFError, zlib.error):
        findings.add(FILE_UNREADABLE, Place(file), f"{file} is no intact gzip file")
        return None
    if len(unpacked) > MAX_BYTES:
        findings.add(FILE_LARGE, Place(file), f"{file} unpacks to more than {MAX_BYTES >> 20} MiB: split it")
        return None
    return unpacked
