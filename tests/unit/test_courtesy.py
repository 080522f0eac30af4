"""What is left of a request without the words of politeness around it."""

import pytest
from hypothesis import given, strategies as st

from fingerpost.serve.courtesy import without_courtesy
from tests.growth import cheapest

WORDS = st.lists(st.sampled_from(["book", "table", "tonight", "weather", "fix", "bug", "you", "thank"]), min_size=2)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("please book a table", "book a table"),
        ("Hi, could you book a table? Thanks!", "book a table?"),
        ("hello. Would you please, book a table", "book a table"),
        ("I'd like you to book a table, thank you so much", "book a table"),
        ("book a table please", "book a table"),
        ("can you book a table?", "book a table?"),
        ("hey hey please please fix it now pls thx", "fix it now"),
    ],
)
def test_words_of_politeness_are_left_out(text: str, left: str) -> None:
    """At both ends, in any case, any number of them."""
    assert without_courtesy(text) == left


@pytest.mark.parametrize(
    "text",
    ["", "book a table", "thank you", "hi", "please help", "hello there", "pleased to meet you", "history of rome",
     "what does please mean to you", "thanksgiving recipes", "a table, s'il vous plait"],
)  # fmt: skip
def test_other_texts_have_no_second_reading(text: str) -> None:
    """Nothing to leave out, too little left, or only a word that begins alike."""
    assert without_courtesy(text) is None


@given(words=WORDS)
def test_what_is_left_has_no_courtesy(words: list[str]) -> None:
    """Wrapped or not, the same is left, and nothing more can be left out."""
    text = " ".join(["book", *words, "tonight"])
    assert without_courtesy(text) is None
    for wrapped in (f"please {text}", f"hi, could you {text} thanks", f"{text}, please!"):
        assert without_courtesy(wrapped) == text


@given(text=st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    """Whatever it is, what is left is a part of it that holds words."""
    left = without_courtesy(text)
    assert left is None or (left in text and len(left.split()) >= 1 and left != text)


@pytest.mark.parametrize("piece", [" ", ".", "please ", "thanks", "hi", "? ", "thank you "])
def test_no_text_takes_long(piece: str) -> None:
    """Of the worst kind, four times as many characters take about four times as long."""
    short, long = ((piece * size)[:size] for size in (2_000, 8_000))
    assert cheapest(lambda: without_courtesy(long)) <= 8 * cheapest(lambda: without_courtesy(short)) + 100e-6
