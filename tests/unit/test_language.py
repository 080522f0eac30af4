"""The language of a text, as rules read it."""

import re

import pytest

from fingerpost.backends.language import UNDETERMINED, LangidDetector

DETECTOR = LangidDetector()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("write a function that reverses a linked list", "en"),
        ("wie wird das Wetter morgen in Berlin", "de"),
        ("hola, quiero reservar una mesa para dos personas", "es"),
        ("quel est le plus grand fleuve de France", "fr"),
        ("明日の東京の天気を教えてください", "ja"),
        ("какая завтра будет погода в Москве и нужно ли брать зонт", "ru"),
    ],
)
def test_a_sentence_has_a_language(text: str, language: str) -> None:
    """By its ISO 639-1 code."""
    assert DETECTOR.detect(text) == language


@pytest.mark.parametrize("text", ["", "ok", "12345 67890 12345", "👍👍👍👍👍👍👍👍", "\0" * 50, "thanks"])
def test_too_little_says_nothing(text: str) -> None:
    """Rather none than a wrong one."""
    assert DETECTOR.detect(text) == UNDETERMINED


@pytest.mark.parametrize("text", ["zx qw vb nm kj hg fd sa po iu yt re", "a" * 2_000_000, "\ud7ff" * 40, "é" * 30])
def test_anything_has_a_code_of_two_letters_or_none(text: str) -> None:
    """Of a long text the beginning is read."""
    assert re.fullmatch(r"[a-z]{2}|und", DETECTOR.detect(text))
