"""Scalars of YAML: what an unquoted one means in YAML 1.2 (core schema), and how to write a text that stays one."""

import json
import math
import re
from collections.abc import Mapping

Scalar = str | int | float | bool | None

_WORDS: Mapping[str, Scalar] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan,
    **{f"{sign}.{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")},
}  # fmt: skip

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NUMBER_STARTS = frozenset("0123456789+-.")
_MAX_INTEGER_CHARACTERS = 40  # Python refuses to read far longer ones, and no field takes one over 2^63

_BASES = {"0o": 8, "0x": 16}

_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9 ,.'?!_/()-]*[A-Za-z0-9.?!)])?")
_OLD_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # other readers take some for booleans
_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")  # JSON keeps these, YAML refuses or breaks at them


def resolve(text: str) -> Scalar:
    """The value of an unquoted scalar: `no`, `on` and `12:30:45` are texts."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _integer(text: str) -> int | float:
    if len(text) > _MAX_INTEGER_CHARACTERS:
        return -math.inf if text.startswith("-") else math.inf
    base = _BASES.get(text[:2])
    return int(text[2:], base) if base else int(text)


def written(text: str, *, in_brackets: bool = False) -> str:
    """The text as YAML: unquoted where every reader takes it for the same text, else in double quotes.

    Args:
        text: What is to be read back.
        in_brackets: Whether it will stand in a list in brackets, where a comma ends a text.
    """
    plain = _PLAIN.fullmatch(text) and "  " not in text and text.lower() not in _OLD_WORDS
    if plain and not (in_brackets and "," in text):
        return text
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
