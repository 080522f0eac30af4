"""Edit: texts put into an utterances file (.txt, .jsonl, .csv) and taken out, with every other row left as it is.

Pure, and proven like `build.edit.edit`.
"""

import csv
import io
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from fingerpost.build.findings import quoted
from fingerpost.build.rows import RowFault, lines
from fingerpost.build.text_files import rows_of
from fingerpost.build.texts import normalised
from fingerpost.errors import InvalidRequest


def added_rows(name: str, content: str, texts: Sequence[str]) -> str:
    """The content with a row for each text behind the last one.

    Args:
        name: Of the file: its ending tells the format.
        content: What `read_texts` takes.
        texts: In their order.

    Raises:
        InvalidRequest: the format cannot hold a text, or the file has a row that is no text.
    """
    before = _texts(name, content)
    rows = [_row(name, content, text) for text in texts]
    new_line = "\r\n" if "\r\n" in content.partition("\n")[0] + "\n" else "\n"
    ended = content.endswith("\n") or not content
    new = content + ("" if ended else new_line) + new_line.join(rows) + (new_line if ended else "")
    return _proven(name, new, [*before, *texts])


def fits(name: str, text: str) -> bool:
    """Whether a file of that name can hold the text: a line of a .txt file is one."""
    return _format(name) != ".txt" or not ("\n" in text or "\r" in text)


def removed_rows(name: str, content: str, texts: Collection[str]) -> str:
    """The content without the rows that hold the same as one of the texts.

    Raises:
        InvalidRequest: the file has a row that is no text.
    """
    before = _texts(name, content)
    unwanted = {normalised(text) for text in texts}
    if not any(normalised(text) in unwanted for text in before):
        return content
    rows = list(rows_of(name, content))
    ends = [line for line, _ in rows[1:]] + [len(_lines(name, content)) + 1]
    gone = {
        number
        for (line, text), end in zip(rows, ends, strict=True)
        if isinstance(text, str) and normalised(text) in unwanted
        for number in range(line, end)
    }
    new = "".join(line for number, line in enumerate(_lines(name, content), 1) if number not in gone)
    return _proven(name, new, [text for text in before if normalised(text) not in unwanted])


def _texts(name: str, content: str) -> list[str]:
    rows = list(rows_of(name, content))
    for line, row in rows:
        if isinstance(row, RowFault):
            raise InvalidRequest(f"{name}:{line}: {row.message}: mend it first")
    return [row.strip() for _, row in rows if isinstance(row, str)]


def _lines(name: str, content: str) -> list[str]:
    """As the reader of this format counts them."""
    if _format(name) == ".csv":
        return list(io.StringIO(content, newline=""))
    return [line for _, line in lines(content)]


def _row(name: str, content: str, text: str) -> str:
    if _format(name) == ".jsonl":
        return json.dumps({"text": text}, ensure_ascii=False)
    if _format(name) == ".csv":
        return _csv_row(content, text)
    if not fits(name, text):
        raise InvalidRequest(
            f"{quoted(text)} has several lines and {name} one text a line: put it under utterances: in the route file"
        )
    return text


def _csv_row(content: str, text: str) -> str:
    header = next(csv.reader(io.StringIO(content, newline=""), strict=True))
    row = io.StringIO()
    csv.writer(row, lineterminator="\r\n").writerow([text if column == "text" else "" for column in header])
    return row.getvalue().removesuffix("\r\n")  # a writer that ends rows otherwise puts no quotes around those signs


def _format(name: str) -> str:
    return Path(name).suffix.lower()


def _proven(name: str, new: str, expected: Sequence[str]) -> str:
    if _texts(name, new) != [text.strip() for text in expected]:
        raise InvalidRequest(f"{name} must be edited by hand: the change would alter another row of it")
    return new
