"""Non-text: what an encoder reads as noise: no word at all, markup, keys and dumps, endless words. In linear time."""

import re
from itertools import pairwise

MAX_WORD_LETTERS = 80
"""The longest words that people use have fewer: German and Welsh ones up to about 65."""

MIN_BLOB_CHARACTERS = 32
"""Of a run that is taken for data: an MD5 sum in hexadecimal has so many."""

_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[^\W\d_]+")
_BLOB = re.compile(r"[A-Za-z0-9+/_=-]+")
_HEX = re.compile(r"[0-9A-Fa-f-]+")
_CALCULATION = frozenset("+-*/×÷=^%<>√∑∫")
_SPELLED_BELOW = "\u0900"  # Latin to Arabic: later scripts, most without spaces between words, begin here


def nontext(text: str) -> str | None:
    """Why a text says nothing to an encoder, to be read after "the text"; None for text.

    A calculation such as "12 * 7" is text, and so is a sentence that speaks of a key or holds a tag.
    """
    if not any(character.isalpha() for character in text):
        numeric = any(character.isdigit() for character in text) and not _CALCULATION.isdisjoint(text)
        return None if numeric else "has no letters"
    if "<" in text and not any(character.isalpha() for character in _TAG.sub(" ", text)):
        return "is nothing but markup"
    if _is_blob(text):
        return "is mostly a key, a hash or encoded data"
    longest = max((len(word) for word in _WORD.findall(text) if word[0] < _SPELLED_BELOW), default=0)
    return f"has a word of {longest} letters" if longest > MAX_WORD_LETTERS else None


def _is_blob(text: str) -> bool:
    """Whether runs of encoded data make more than half of what is no white space."""
    blobs = sum(len(run) for run in _BLOB.findall(text) if len(run) >= MIN_BLOB_CHARACTERS and _is_encoded(run))
    return 2 * blobs > sum(map(len, text.split()))


def _is_encoded(run: str) -> bool:
    """Hexadecimal, or Base64: small letters, capitals and digits in turns, which no word and no path has."""
    digits = sum(character.isdigit() for character in run)
    if _HEX.fullmatch(run):
        return digits > 0
    mixed = any(character.isupper() for character in run) and any(character.islower() for character in run)
    return mixed and digits > 0 and _turns(run) * 4 > len(run)


def _turns(run: str) -> int:
    """How often a letter is followed by one of the other case or by a digit, or a digit by a letter."""
    kinds = ["0" if c.isdigit() else "A" if c.isupper() else "a" if c.islower() else "" for c in run]
    return sum(one != other for one, other in pairwise(kinds))
