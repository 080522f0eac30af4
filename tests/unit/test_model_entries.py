"""Edits of `_models.yaml` where it is written in ways that are seldom; tests/property has the usual ones."""

import pytest

from fingerpost.build.edit.model_entries import with_entries, with_values
from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.errors import InvalidRequest

FILE = "_models.yaml"
PRICE = "input_price_usd_micros"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"    {PRICE}:  # unknown\n", f"    {PRICE}: 7  # unknown\n"),
        (f"    {PRICE}: ~ # unknown\n", f"    {PRICE}: 7 # unknown\n"),
        (f"    {PRICE}: 0x10\n", f"    {PRICE}: 7\n"),
        (f'    "{PRICE}": 5\n', f'    "{PRICE}": 7\n'),
    ],
)
def test_a_value_however_it_is_written(before: str, after: str) -> None:
    """An empty value, another base and quotes around the key stand in no one's way."""
    content = "models:\n  - name: a\n{}    tier: cheap\n"
    assert with_values(FILE, content.format(before), {0: {PRICE: 7}}) == content.format(after)


def test_entries_in_braces_in_a_list_of_lines() -> None:
    """A new key of such an entry stands in its braces, and a new entry on lines of its own."""
    content = "models:\n- {name: a,   tier: cheap} # one\n- {name: b} # two\n"
    assert with_values(FILE, content, {0: {PRICE: 7, "capabilities": ("a, b", "c")}}) == content.replace(
        "name: a,", f'name: a, {PRICE}: 7, capabilities: ["a, b", c],'
    )
    assert with_entries(FILE, content, [{"name": "c", PRICE: 7}]) == f"{content}- name: c\n  {PRICE}: 7\n"


def test_a_file_of_json() -> None:
    """New entries and values stand in its brackets."""
    content = '{"models": [{"name": "a", "tier": "cheap"}]}'
    assert with_values(FILE, content, {0: {PRICE: 7}}) == content.replace('"a"', f'"a", {PRICE}: 7')
    assert with_entries(FILE, content, [{"name": "b"}]) == content.replace("}]", "}, {name: b}]")


def test_a_dash_on_a_line_of_its_own() -> None:
    """The new key is as deep as the others, and a text of several lines stays whole."""
    content = "models:\n-\n    name: a\n    description: >-\n      some\n      words\n"
    assert with_values(FILE, content, {0: {PRICE: 7}}) == content.replace("name: a\n", f"name: a\n    {PRICE}: 7\n")
    assert with_entries(FILE, content, [{"name": "b"}]) == f"{content}\n- name: b\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("models:\n  - name: a\n    description: |+\n      words\n\n\n", "the change would alter another value"),
        ("models: []\n", "it has no list of models"),
        ("other: 1\n", "it has no list of models"),
        ("[]\n", "it has no list of models"),
        ("models: [a]\n", "it has no list of models"),
    ],
)
def test_what_must_be_edited_by_hand(content: str, why: str) -> None:
    """Where an entry cannot be added without touching something else, nothing is given back."""
    with pytest.raises(InvalidRequest, match=f"{FILE} must be edited by hand: {why}"):
        with_entries(FILE, content, [{"name": "b"}])


def test_what_is_no_yaml() -> None:
    """The findings say what is wrong, as the loader does."""
    with pytest.raises(RouteFilesInvalid) as caught:
        with_entries(FILE, "models: [\n", [{"name": "b"}])
    assert [found.code for found in caught.value.findings] == ["FP111"]
