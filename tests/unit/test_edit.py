"""Texts put into YAML and taken out, with every other character as it was: each way to write a list."""

import json

import pytest

from fingerpost.build.edit.edit import added, list_of, removed
from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.errors import InvalidRequest


def add(content: str, *texts: str, key: str = "utterances") -> str:
    return added("code.yaml", content, key, texts)


def remove(content: str, *texts: str, key: str = "utterances") -> str:
    return removed("code.yaml", content, key, texts)


# --- Lists of lines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("utterances:\n  - a\n  - b\n", "utterances:\n  - a\n  - b\n  - new\n"),
        ("utterances:\n- a\ntests: []\n", "utterances:\n- a\n- new\ntests: []\n"),
        ("utterances:\n    -   a  # why\n\n# end\n", "utterances:\n    -   a  # why\n    - new\n\n# end\n"),
        ("utterances:\n  - a\n  # - b\ntests: []\n", "utterances:\n  - a\n  - new\n  # - b\ntests: []\n"),
        (
            "utterances:\n  - |\n    a\n    b\n\n\ntests: []\n",
            "utterances:\n  - |\n    a\n    b\n  - new\n\n\ntests: []\n",
        ),
        ("utterances:\n  - |+\n    a\n\n\n", "utterances:\n  - |+\n    a\n  - new\n\n\n"),
        ("utterances:\n  - >-\n    a\n    b", "utterances:\n  - >-\n    a\n    b\n  - new"),
        ('utterances:\n  - "a\n    b"\n', 'utterances:\n  - "a\n    b"\n  - new\n'),
        ("utterances:\n  - a\n    b\n", "utterances:\n  - a\n    b\n  - new\n"),
        ("utterances:\n  -\n    a\n", "utterances:\n  -\n    a\n  - new\n"),
        ("utterances:\r\n  - a\r\nmodel: m\r\n", "utterances:\r\n  - a\r\n  - new\r\nmodel: m\r\n"),
        ("utterances:\n  - a", "utterances:\n  - a\n  - new"),
        ("---\nutterances:\n  - a\n...\n", "---\nutterances:\n  - a\n  - new\n...\n"),
        ("'utterances' :\n  - \N{GRINNING FACE} a\n", "'utterances' :\n  - \N{GRINNING FACE} a\n  - new\n"),
    ],
)
def test_adding_a_line(before: str, after: str) -> None:
    """A text stands behind the last one, indented as the others; all else is as it was."""
    assert add(before, "new") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("utterances:\n  - a\n  - gone\n  - b\n", "utterances:\n  - a\n  - b\n"),
        ("utterances:\n  # first\n  - gone  # why\n  # second\n  - b\n", "utterances:\n  # first\n  # second\n  - b\n"),
        ("utterances:\n  - gone\ntests: []\n", "utterances: []\ntests: []\n"),
        ("utterances:  # all\n  - gone\n  - GONE\n", "utterances: []  # all\n"),
        ("utterances:\r\n- gone\r\n- b\r\n", "utterances:\r\n- b\r\n"),
        ("utterances:\n  - b\n  - gone", "utterances:\n  - b\n"),
        ("utterances:\n  - |\n    gone\n  - |\n    b\n", "utterances:\n  - |\n    b\n"),
        ("utterances:\n  -  # a - b\n\n    gone\n  - b\n", "utterances:\n  - b\n"),
        ('utterances:\n  - "go\\\n    ne"\n  - b\n', "utterances:\n  - b\n"),
        ("utterances:\n  - b\n  - gone\n  - gone\n  - c\n", "utterances:\n  - b\n  - c\n"),
    ],
)
def test_removing_a_line(before: str, after: str) -> None:
    """The lines of a text go, with the comment at their end, wherever the same text stands; all else stays."""
    assert remove(before, "gone") == after


def test_what_is_not_there_changes_nothing() -> None:
    """Removing a text that the list lacks gives the same content."""
    assert remove("utterances: [a]\n", "gone") == "utterances: [a]\n"
    assert remove("model: m\n", "gone") == "model: m\n"


def test_texts_are_written_so_that_they_stay_texts() -> None:
    """What YAML would read as something else is put in quotes."""
    texts = ["123", "a: b", "it's", "- a", "no", "two\nlines", "# not a comment"]
    new = add("utterances:\n  - a\n", *texts)
    assert new == "utterances:\n  - a\n" + "".join(f"  - {text}\n" for text in map(quoted, texts))


def quoted(text: str) -> str:
    return text if text == "it's" else json.dumps(text)


# --- Lists in brackets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("utterances: [a, b]  # c\n", 'utterances: [a, b, new, "x, y"]  # c\n'),
        ("utterances: [a, b,]\n", 'utterances: [a, b, new, "x, y",]\n'),
        ("utterances: [\n  a,  # c, d\n  b  # e\n]\n", 'utterances: [\n  a,  # c, d\n  b, new, "x, y"  # e\n]\n'),
        ('{"utterances": ["a"], "model": "m"}\n', '{"utterances": ["a", new, "x, y"], "model": "m"}\n'),
        ('{"utterances": [], "model": "m"}\n', '{"utterances": [new, "x, y"], "model": "m"}\n'),
        ("utterances: []  # none\ntests: []\n", "utterances:  # none\n  - new\n  - x, y\ntests: []\n"),
        ("utterances: []", "utterances:\n  - new\n  - x, y"),
        ("tests:\n- a\nutterances: []\n", "tests:\n- a\nutterances:\n- new\n- x, y\n"),
        ("utterances: [  # none\n]\n", 'utterances: [new, "x, y"  # none\n]\n'),
    ],
)
def test_adding_in_brackets(before: str, after: str) -> None:
    """Texts stand behind the last one in the brackets; empty brackets become lines where they can."""
    assert add(before, "new", "x, y") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("utterances: [a, gone, b]\n", "utterances: [a, b]\n"),
        ("utterances: [gone, b]\n", "utterances: [b]\n"),
        ("utterances: [a, gone]  # c\n", "utterances: [a]  # c\n"),
        ("utterances: [a, gone, 'gone']\n", "utterances: [a]\n"),
        ("utterances: [gone]\n", "utterances: []\n"),
        ("utterances: [a, gone,]\n", "utterances: [a, ]\n"),
        ("utterances: [\n  a,  # c\n  gone,\n  b,\n]\n", "utterances: [\n  a,  # c\n  b,\n]\n"),
        ("utterances: [\n  a,  # c\n  gone  # d, e\n]\n", "utterances: [\n  a  # c\n    # d, e\n]\n"),
        ("utterances: [\n  a,\n  gone\n]\n", "utterances: [\n  a\n]\n"),
    ],
)
def test_removing_from_brackets(before: str, after: str) -> None:
    """A text goes with its comma; comments stay."""
    assert remove(before, "gone") == after


# --- Keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("model: m\nutterances:\n    - a\n# end\n", "model: m\nutterances:\n    - a\ntests:\n    - new\n# end\n"),
        ("model: m", "model: m\ntests:\n  - new"),
        ("model: m\r\ndescription: |\r\n  d\r\n\r\n", "model: m\r\ndescription: |\r\n  d\r\ntests:\r\n  - new\r\n\r\n"),
        ("utterances: [a]\n...\n", "utterances: [a]\ntests:\n  - new\n...\n"),
    ],
)
def test_a_missing_key_is_made(before: str, after: str) -> None:
    """A list that is missing comes behind everything else that is no comment, indented as the other one."""
    assert add(before, "new", key="tests") == after


def test_a_new_list() -> None:
    """A list for a new file has a line for each text, and brackets without one."""
    assert list_of("tests", ["a", "1"]) == 'tests:\n  - a\n  - "1"\n'
    assert list_of("tests", []) == "tests: []\n"


def test_only_the_files_own_list_grows() -> None:
    """A value or a text that is called as the key is no list."""
    before = "description: utterances\nmodel: utterances\nutterances:\n  - utterances\ntests:\n  - utterances\n"
    assert add(before, "new") == before.replace("  - utterances\ntests", "  - utterances\n  - new\ntests")


# --- What must be done by hand ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "utterances:\n  - |\n    a\n  - gone\n      # deep enough to become a line of a\n  - b\n",
        "? utterances\n: - gone\n  - b\n",
    ],
)
def test_an_edit_that_would_change_something_else_is_refused(content: str) -> None:
    """Where lines cannot go without changing another text, the edit says so instead."""
    with pytest.raises(InvalidRequest, match=r"code\.yaml must be edited by hand"):
        remove(content, "gone")


def test_a_mapping_in_braces_gets_no_new_key() -> None:
    """A file like JSON that lacks the list is left alone, and a file that is no YAML too."""
    with pytest.raises(InvalidRequest, match="braces"):
        add('{"model": "m"}\n', "new")
    with pytest.raises(RouteFilesInvalid):
        add("utterances: [a\n", "new")
    with pytest.raises(RouteFilesInvalid):
        add("utterances: [a]\n---\nutterances: [b]\n", "new")
