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
    content = read_maybe_packed(source, findings)
    rows = [
        row
        for number, line in lines(content or "")
        if line.strip() and (row := _row(line, Place(source.name, number), findings)) is not None
    ]
    findings.check()
    return rows


def read_cases(source: Path) -> list[Case]:
    """Labelled texts as cases; the label `oos` should fall back."""
    return [Case(row.text, None if row.label == OUT_OF_SCOPE_LABEL else row.label) for row in read_labelled(source)]


def _row(line: str, place: Place, findings: Findings) -> LabelledText | None:
    try:
        row = json_row(line)
        text, label = string_of(row, "text"), string_of(row, "label").strip()
    except RowFault as fault:
        findings.add(TEXTS_ROW, place, fault.message)
        return None
    if fault_found := text_fault(text):
        findings.add(fault_found[0], place, fault_found[1])
        return None
    if text_fault(label):
        findings.add(TEXTS_ROW, place, "the label is no readable text")
        return None
    return LabelledText(label, Text(text.strip(), place.file, place.line))


def read_maybe_packed(source: Path, findings: Findings) -> str | None:
    """The text of a file, of a .gz file what it holds; None, and a finding, where it cannot be read."""
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
