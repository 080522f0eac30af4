"""Hints: what a route's name and description say, as texts to train on beside its utterances."""

import re
from collections import Counter
from collections.abc import Sequence

from fingerpost.build.texts import text_fault
from fingerpost.types import Route

_SEPARATORS = re.compile(r"[\W_]+")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def hints_of(routes: Sequence[Route]) -> list[tuple[str, int]]:
    """Texts with the numbers of their routes: names in words, and descriptions that no other route shares."""
    shared = Counter(route.description for route in routes)
    found = []
    for number, route in enumerate(routes):
        words = _SEPARATORS.sub(" ", _HUMPS.sub(" ", route.name)).strip()
        texts = [words, route.description.strip() if shared[route.description] == 1 else ""]
        found += [(text, number) for text in dict.fromkeys(texts) if text and not text_fault(text)]
    return found
