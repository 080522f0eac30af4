"""Naming: words that a group has and others have not, as a name that a route file may have."""

from fingerpost.build.files import fits_name
from fingerpost.build.suggest.naming import Words, described, name_of

REFUNDS = [
    "I want a refund for my order",
    "refund the order please",
    "when is the refund of my order coming",
    "order refund",
]
SHIPPING = ["where is my parcel", "when does the parcel arrive", "track the parcel for me", "my parcel is late"]
OTHERS = [
    ["what is the capital of France", "who wrote my favourite book"],
    ["translate the word for me", "say it in French"],
]
WORDS = Words([REFUNDS, SHIPPING, *OTHERS])


def test_the_name_is_of_words_of_its_own() -> None:
    """Words that all groups use stand in no name; the name has the order of the texts."""
    named = name_of(REFUNDS, WORDS, [])
    assert named.name in {"refund_order", "order_refund"}
    assert set(named.words[:2]) == {"refund", "order"}
    assert name_of(SHIPPING, WORDS, []).name == "parcel"


def test_a_taken_name_gets_a_number() -> None:
    """Names differ by more than case from those in use."""
    assert name_of(SHIPPING, WORDS, ["Parcel", "parcel_2"]).name == "parcel_3"


def test_texts_without_a_common_word() -> None:
    """Where no word speaks for the group it is called a new route, and is not described."""
    named = name_of(["aa bb", "cc dd", "ee ff", "12 34"], Words([["aa bb", "cc dd", "ee ff", "12 34"]]), [])
    assert named.name == "new_route"
    assert described(named.words) == ""
    assert name_of(["!!!", "???"], Words([]), ["new_route"]).name == "new_route_2"


def test_words_of_other_scripts() -> None:
    """Names have the letters of their texts, and fit a route file."""
    texts = ["größere Wohnung suchen", "eine größere Wohnung", "Wohnung größere bitte"]
    named = name_of(texts, Words([texts, *OTHERS]), [])
    assert "wohnung" in named.words
    assert fits_name(named.name)


def test_possessives_and_long_words() -> None:
    """The end of a possessive is no part of the word; a word without end is no name."""
    texts = ["my son's lunch " + "x" * 200, "the son's lunch " + "x" * 200, "son's lunch"]
    assert set(name_of(texts, Words([texts, *OTHERS]), []).words) == {"son", "lunch"}


def test_a_description_lists_the_words() -> None:
    """One word, or several with an and."""
    assert described(["parcel"]) == "Requests about parcel."
    assert described(["refund", "order", "late"]) == "Requests about refund, order and late."
