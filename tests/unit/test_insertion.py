"""Insertion: utterances join those of a file, and every other character stays."""

import csv
import io
import json

import pytest
import yaml

from fingerpost.build.suggest.insertion import fits_file, with_rows, with_utterances

NEW = ["what: is it", "b, c]"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("model: a\nutterances:\n  - x\n  - y\n", "model: a\nutterances:\n  - x\n  - y\n  - new\n"),
        ("utterances:\n- x # c\n\n# more\ntests:\n- t\n", "utterances:\n- x # c\n- new\n\n# more\ntests:\n- t\n"),
        ("model: a\nutterances:\n  - x", "model: a\nutterances:\n  - x\n  - new\n"),
        ("utterances:\r\n  - x\r\nmodel: a\r\n", "utterances:\r\n  - x\r\n  - new\r\nmodel: a\r\n"),
        ("utterances:\n  - |\n    x\n    y\n\nmodel: a\n", "utterances:\n  - |\n    x\n    y\n  - new\n\nmodel: a\n"),
        ("utterances:\n  -\n    x\n    y\nmodel: a\n", "utterances:\n  -\n    x\n    y\n  - new\nmodel: a\n"),
        ("utterances: [x, y] # c\nmodel: a\n", 'utterances: [x, y, "new"] # c\nmodel: a\n'),
        ("utterances: []\nmodel: a\n", 'utterances: ["new"]\nmodel: a\n'),
        ("utterances: [\n  x, # one\n]\nmodel: é\n", 'utterances: [\n  x, "new", # one\n]\nmodel: é\n'),
        ("model: a # c\n", "model: a # c\nutterances:\n  - new\n"),
        ("---\nmodel: a\n...\n", "---\nmodel: a\nutterances:\n  - new\n...\n"),
        ("  model: a\n  tests:\n    - t\n", "  model: a\n  tests:\n    - t\n  utterances:\n    - new\n"),
        ("{model: a}\n", '{model: a, utterances: ["new"]}\n'),
    ],
)
def test_lines_join_the_list_in_its_own_style(before: str, after: str) -> None:
    """Indentation, comments, line ends and brackets stay as they are."""
    assert with_utterances(before, ["new"]) == after


@pytest.mark.parametrize("before", ["utterances:\n  - x\n", "utterances: [x]\n", "{utterances: [x]}\n"])
def test_texts_are_quoted_where_they_must_be(before: str) -> None:
    """What YAML would read as something else is put in quotes."""
    assert yaml.safe_load(with_utterances(before, NEW)) == {"utterances": ["x", *NEW]}


def test_only_the_roots_own_list_grows() -> None:
    """A value that is called utterances is no list of them."""
    before = "description: utterances\nmodel: utterances\nutterances:\n  - utterances\ntests:\n  - utterances\n"
    assert yaml.safe_load(with_utterances(before, ["new"]))["utterances"] == ["utterances", "new"]


def test_rows_of_each_kind_of_file() -> None:
    """Text files get lines, JSON rows, CSV a cell in the column of the text; a missing line end is added first."""
    assert with_rows("a.txt", "x\n", NEW) == "x\nwhat: is it\nb, c]\n"
    assert with_rows("a.txt", "x\r\ny", ["new"]) == "x\r\ny\r\nnew\r\n"
    rows = with_rows("a.jsonl", '{"text": "x"}', ['say "é"']).splitlines()
    assert [json.loads(row)["text"] for row in rows] == ["x", 'say "é"']
    table = list(csv.DictReader(io.StringIO(with_rows("a.CSV", "id,text\n1,x\n", ['b, "c"\nd']))))
    assert table == [{"id": "1", "text": "x"}, {"id": "", "text": 'b, "c"\nd'}]


def test_a_text_of_several_lines_fits_no_text_file() -> None:
    """A line of a .txt file is a text."""
    assert not fits_file("a.txt", "x\ny")
    assert fits_file("a.jsonl", "x\ny")
