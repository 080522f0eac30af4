"""Traffic: texts that were asked, with or without labels; equal ones are one text with a count."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerpost.build.files import MAX_TEXTS
from fingerpost.build.finding_codes import TEXTS_ROW, TEXTS_ROWS
from fingerpost.build.findings import Findings, Place
from fingerpost.build.labelled import read_content
from fingerpost.build.rows import RowFault, json_row, lines, string_of
from fingerpost.build.sensitive import discloses
from fingerpost.build.texts import normalised, text_fault
from fingerpost.errors import InvalidRequest
from fingerpost.types import Text

_JSON_ENDINGS = (".jsonl", ".jsonl.gz")
_PLAIN_ENDINGS = (".txt", ".txt.gz")


@dataclass(frozen=True, slots=True)
class Asked:
    """A text, where it stands first, and how often it was asked."""

    text: Text
    count: int  # at least 1


def read_traffic(source: Path) -> list[Asked]:
    """Distinct texts of a file, in their order; those that differ only in case, width or white space count as one.

    Args:
        source: Rows {"text"} of a .jsonl or .jsonl.gz file, whose other keys are ignored, or a .txt file with a text a
            line; blank lines are ignored.

    Raises:
        InvalidRequest: a file of another kind.
        RouteFilesInvalid: with a finding for each bad row.
    """
    if not source.name.endswith((*_JSON_ENDINGS, *_PLAIN_ENDINGS)):
        raise InvalidRequest(f"texts come from a .jsonl, .jsonl.gz or .txt file, not {source.name}")
    findings = Findings()
    content = read_content(source, findings)
    texts = list(_texts(source.name, content or "", findings))
    findings.check()
    return _merged(texts)


def harmless(asked: Sequence[Asked]) -> list[Asked]:
    """Those without a secret or personal data: what people type must not go into route files, nor into their names."""
    return [one for one in asked if not discloses(one.text.text)]


def _texts(file: str, content: str, findings: Findings) -> Iterator[Text]:
    rows = ((number, line) for number, line in lines(content) if line.strip())
    for count, (number, line) in enumerate(rows, 1):
        place = Place(file, number)
        if count > MAX_TEXTS:
            findings.add(TEXTS_ROWS, place, f"more than {MAX_TEXTS:,} rows: give a sample of the texts")
            return
        try:
            text = string_of(json_row(line), "text") if file.endswith(_JSON_ENDINGS) else line.rstrip("\r\n")
        except RowFault as fault:
            findings.add(TEXTS_ROW, place, fault.message)
            continue
        if fault_found := text_fault(text):
            findings.add(fault_found[0], place, fault_found[1])
        else:
            yield Text(text.strip(), file, number)


def _merged(texts: list[Text]) -> list[Asked]:
    counts: dict[str, int] = {}
    first: dict[str, Text] = {}
    for text in texts:
        key = normalised(text.text)
        counts[key] = counts.get(key, 0) + 1
        first.setdefault(key, text)
    return [Asked(text, counts[key]) for key, text in first.items()]
