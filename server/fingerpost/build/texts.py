"""What a text of a route file may hold, and when two texts count as the same."""

import re
import unicodedata

from fingerpost.build.finding_codes import TEXT_CHARACTER, TEXT_EMPTY, TEXT_LONG
from fingerpost.build.finding_kinds import Kind

MAX_TEXT_BYTES = 16 * 1024

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNREADABLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}  # controls, zero-width characters, spaces


def text_fault(text: str) -> tuple[Kind, str] | None:
    """Why a text cannot be an utterance or a test; None when it can."""
    if not any(unicodedata.category(character) not in _UNREADABLE for character in text):
        return TEXT_EMPTY, "the text has no readable character: write one or remove the line"
    return prose_fault(text)


def prose_fault(text: str) -> tuple[Kind, str] | None:
    """Why a string cannot be stored or sent; empty is fine here."""
    if forbidden := _FORBIDDEN.search(text):
        return TEXT_CHARACTER, f"the text holds the character U+{ord(forbidden[0]):04X}: remove it"
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        return TEXT_LONG, f"the text has {size:,} bytes and the limit is {MAX_TEXT_BYTES:,}: shorten it"
    return None


def normalised(text: str) -> str:
    """Equal for texts that differ only in case, width, compatibility forms or white space."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())  # folding can undo the normal form
