"""Texts put into utterances files and taken out, with every other row as it was."""

import pytest

from fingerpost.build.edit.rows import added_rows, removed_rows
from fingerpost.errors import InvalidRequest


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.txt", "one\ntwo\n", "one\ntwo\nnew, text\n"),
        ("a.txt", "one\r\ntwo", "one\r\ntwo\r\nnew, text"),
        ("a.txt", "", "new, text\n"),
        ("a.jsonl", '{"text":"one","id":1}\n', '{"text":"one","id":1}\n{"text": "new, text"}\n'),
        ("a.csv", "text\none\n", 'text\none\n"new, text"\n'),
        ("a.csv", "id,text,by\r\n1,one,me\r\n", 'id,text,by\r\n1,one,me\r\n,"new, text",\r\n'),
        ("a.CSV", "text", 'text\n"new, text"'),
    ],
)
def test_adding_a_row(name: str, before: str, after: str) -> None:
    """A text is the last row, with the line ends that the file has."""
    assert added_rows(name, before, ["new, text"]) == after


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.txt", "one\n  Gone \n\ntwo\ngone", "one\n\ntwo\n"),
        ("a.jsonl", '{"text": "gone", "id": 1}\n\n{"text": "one"}\n', '\n{"text": "one"}\n'),
        ("a.csv", 'id,text\n1,gone\n2,"one\nmore"\n3,"gone"\n', 'id,text\n2,"one\nmore"\n'),
        ("a.csv", 'text,id\n"one, \n",1\ngone,2\n', 'text,id\n"one, \n",1\n'),
        ("a.txt", "one\n", "one\n"),
    ],
)
def test_removing_rows(name: str, before: str, after: str) -> None:
    """All rows of the text go, and no others."""
    assert removed_rows(name, before, ["gone"]) == after


def test_texts_of_several_lines() -> None:
    """A row of .jsonl and .csv holds a text of several lines, and that row goes whole; a .txt file cannot."""
    for name, head in (("a.jsonl", ""), ("a.csv", "text,id\r\n")):
        new = added_rows(name, head, ["two\nlines", "next"])
        assert removed_rows(name, new, ["two\nlines"]) == added_rows(name, head, ["next"])
    with pytest.raises(InvalidRequest, match="several lines"):
        added_rows("a.txt", "", ["two\nlines"])


def test_a_wrong_row_stops_the_edit() -> None:
    """A file with a row that is no text is mended first."""
    with pytest.raises(InvalidRequest, match=r"a\.jsonl:2"):
        added_rows("a.jsonl", '{"text": "a"}\n{"txt": "b"}\n', ["c"])
