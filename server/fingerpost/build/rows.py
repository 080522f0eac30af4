"""Rows of text files: lines by number, and JSON objects in them."""

import io
import json
from collections.abc import Iterator, Mapping


class RowFault(Exception):
    """What is wrong with a row."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def lines(content: str) -> Iterator[tuple[int, str]]:
    """Numbered lines; only a line feed ends one, since a text may hold Unicode's other separators."""
    return enumerate(io.StringIO(content, newline="\n"), 1)


def json_row(line: str) -> Mapping[str, object]:
    """The object that a line holds.

    Raises:
        RowFault
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowFault("the row is not JSON") from error
    if not isinstance(row, dict):
        raise RowFault("the row is no JSON object")
    return row


def string_of(row: Mapping[str, object], key: str) -> str:
    """The string under a key.

    Raises:
        RowFault
    """
    if key not in row:
        raise RowFault(f'the row has no "{key}"')
    value = row[key]
    if not isinstance(value, str):
        raise RowFault(f'"{key}" is not a text: put it in quotes')
    return value
