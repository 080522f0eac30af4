"""Courtesy: what is asked, without the words of politeness around it? A request is the same with and without them."""

import re

_OPENING = re.compile(
    r"(?:hi|hello|hey|please|pls|kindly|(?:could|can|would|will) you|i(?: would|'d) like you to)(?!\w)[\s,.!:]*",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?<!\w)(?:please|pls|thanks|thank you|thx|cheers)(?: a lot| so much| very much| in advance)?$", re.IGNORECASE
)
_CLOSING_CHARS = 40  # more than any of these; only so much of the end is searched
_MIN_WORDS = 2  # less is no request: "thank you" may be one's own
_WORD = re.compile(r"\w+")


def without_courtesy(text: str) -> str | None:
    """What is left of a text without English words of politeness at its ends; None when nothing goes, or too much."""
    start = 0
    while opening := _OPENING.match(text, start):
        start = opening.end()
    left = text[start:]
    while closing := _CLOSING.search(ended := left.rstrip(" \t\r\n,.!?"), max(0, len(ended) - _CLOSING_CHARS)):
        left = ended[: closing.start()].rstrip(" \t\r\n,")
    if left == text or len(_WORD.findall(left)) < _MIN_WORDS:
        return None
    return left
