"""What is set by hand: rows of the ledger, as the guards take them."""

from itertools import product

import pytest
from hypothesis import given, strategies as st

from fingerpost.serve.by_hand import by_hand_of, name_of
from fingerpost.serve.guards import BreakerByHand, ByHand
from fingerpost.serve.lab import SetByHand
from fingerpost.types import BreakerPosition, Override


def row(kind: str, catalog: str = "default", **value: str) -> Override:
    return Override(catalog, kind, "name", value, "os:ann", 1)


parts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.text("/%2F", max_size=4)


@given(st.lists(parts, min_size=1, max_size=3), st.lists(parts, min_size=1, max_size=3))
def test_no_two_are_called_the_same(one: list[str], other: list[str]) -> None:
    """Whatever slashes there are in names of budgets, holders, experiments and arms."""
    assert (name_of(*one) == name_of(*other)) == (one == other)


def test_slashes_are_told_apart() -> None:
    """The plainest cases by name."""
    names = [name_of(*pair) for pair in product(["a", "a/b", ""], ["b", "b/c", "", "%2F"])]
    assert len(set(names)) == len(names)


def test_everything_of_every_catalog() -> None:
    """Limits, breakers and experiments, each in its place."""
    rows = [
        row("budget", budget="monthly", holder="", limit_usd_micros="5"),
        row("budget", budget="monthly", holder="a/b", limit_usd_micros="7"),
        row("budget", "other", budget="monthly", holder="", limit_usd_micros="9"),
        row("breaker", model="m/1", position="open", until_s="12.5"),
        row("breaker", model="m/2", position="closed", until_s=""),
        row("experiment", experiment="trial", running="false", weights='{"control": 90.0, "small": 10}'),
        row("experiment", experiment="trial", arm="small", stopped="too dear"),
        row("experiment", experiment="alone", arm="next", stopped="it fails"),
    ]
    expected = {
        "default": ByHand(
            {("monthly", ""): 5, ("monthly", "a/b"): 7},
            {
                "m/1": BreakerByHand(BreakerPosition.OPEN, 12.5, "os:ann"),
                "m/2": BreakerByHand(BreakerPosition.CLOSED, None, "os:ann"),
            },
            {
                "trial": SetByHand(False, {"control": 90.0, "small": 10.0}, {"small": "too dear"}),
                "alone": SetByHand(stopped={"next": "it fails"}),
            },
        ),
        "other": ByHand({("monthly", ""): 9}),
    }
    assert by_hand_of(rows) == expected
    assert by_hand_of(reversed(rows)) == expected, "in whatever order they come"
    assert by_hand_of([]) == {}


def test_what_only_a_later_version_knows_is_passed_over() -> None:
    """Kinds, and more of a kind that is known."""
    rows = [row("weather", temperature="12"), row("budget", budget="b", holder="", limit_usd_micros="5", colour="red")]
    assert by_hand_of(rows) == {"default": ByHand({("b", ""): 5})}


@pytest.mark.parametrize(
    "wrong",
    [
        row("budget", budget="b", holder=""),
        row("budget", budget="b", holder="", limit_usd_micros="much"),
        row("breaker", model="m", position="ajar"),
        row("breaker", position="open"),
        row("breaker", model="m", position="open", until_s="soon"),
        row("experiment", running="true"),
        row("experiment", experiment="t", arm="small"),
        row("experiment", experiment="t", weights="[1]"),
        row("experiment", experiment="t", weights="1"),
        row("experiment", experiment="t", weights='{"a": null}'),
        row("experiment", experiment="t", weights='{"a": [1]}'),
        row("experiment", experiment="t", weights="{"),
    ],
)
def test_a_row_that_nobody_wrote_so(wrong: Override) -> None:
    """It is an error that whoever follows knows of, so that what was followed before stays."""
    with pytest.raises((ValueError, KeyError)):
        by_hand_of([wrong])
