"""Naming: what would a person call a group of texts? Its own words that the other groups do not use."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from fingerpost.build.files import fits_name

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_POSSESSIVE = re.compile(r"['’]s$")
_SHORTEST = 2  # characters of a word that can stand in a name
_LONGEST = 24
_STEM = 4  # letters that forms of a word share
_WORDS_TOLD = 5
_NEEDED_SHARE = 0.15  # of the group's texts that have a word, under which it does not speak for them
_ADDED_SHARE = 0.5  # of the first word's weight, under which a second word only makes the name longer
_NO_NAME = "new_route"


@dataclass(frozen=True, slots=True)
class Named:
    """What a group is called."""

    name: str  # fits a route file
    words: tuple[str, ...]  # the most telling first; empty where the texts share no word


class Words:
    """How common words are in the groups of texts that a name must be told apart from."""

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self._groups = 0
        self._groups_with: Counter[str] = Counter()
        self._total = 0
        self._counts: Counter[str] = Counter()
        for texts in groups:
            counts = Counter(word for text in texts for word in set(_words(text)))
            self._groups += 1
            self._groups_with.update(counts.keys())
            self._counts.update(counts)
            self._total += len(texts)

    def telling(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """Words of a group by how much they tell, with their weight, the most telling first.

        The weight is the share of the group's texts that have the word, times how rare it is in all groups: the class-
        based tf-idf of Grootendorst (2022, "BERTopic"), counted in texts so that no long one outweighs the others, and
        less for words that many groups have.
        """
        counts = Counter(word for text in texts for word in set(_words(text)))
        least = max(2 if len(texts) > 2 else 1, math.ceil(_NEEDED_SHARE * len(texts)))
        weights = {w: count / len(texts) * self._rarity(w) for w, count in counts.items() if count >= least}
        return sorted(weights.items(), key=lambda item: (-item[1], item[0]))

    def _rarity(self, word: str) -> float:
        among_texts = math.log((1.0 + self._total) / (1.0 + self._counts[word]))
        among_groups = math.log((1.0 + self._groups) / (1.0 + self._groups_with[word]))
        return max(among_texts, 0.0) * max(among_groups, 0.0)


def name_of(texts: Sequence[str], words: Words, taken: Iterable[str]) -> Named:
    """A name for a group of texts.

    Args:
        texts: At least one.
        words: Of all groups, this one too.
        taken: Names that are in use; case makes no difference.
    """
    telling = words.telling(texts)[:_WORDS_TOLD]
    chosen = _chosen(telling)
    wanted = re.sub("['’]", "", "_".join(_in_order(chosen, texts))) or _NO_NAME
    return Named(_free(wanted if fits_name(wanted) else _NO_NAME, taken), tuple(word for word, _ in telling))


def _chosen(telling: Sequence[tuple[str, float]]) -> list[str]:
    """The first word, and the next that tells nearly as much and is no other form of it."""
    if not telling:
        return []
    first, most = telling[0]
    others = (w for w, weight in telling[1:] if weight >= _ADDED_SHARE * most and w[:_STEM] != first[:_STEM])
    return [first, *islice(others, 1)]


def described(words: Sequence[str]) -> str:
    """A first description for a person to mend."""
    if not words:
        return ""
    *others, last = words
    return f"Requests about {', '.join(others)} and {last}." if others else f"Requests about {last}."


def _words(text: str) -> list[str]:
    """Words in lower case, without a possessive's end; no numbers, nothing of one character or very long."""
    found = (_POSSESSIVE.sub("", word) for word in _WORD.findall(text.casefold()))
    return [word for word in found if _SHORTEST <= len(word) <= _LONGEST and not word.isnumeric()]


def _in_order(chosen: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The words as the texts mostly put them."""
    if len(chosen) < 2:
        return list(chosen)
    first, second = chosen
    before = after = 0
    for text in texts:
        words = _words(text)
        if first in words and second in words:
            before += words.index(first) < words.index(second)
            after += words.index(first) > words.index(second)
    return [second, first] if after > before else [first, second]


def _free(wanted: str, taken: Iterable[str]) -> str:
    used = {name.casefold() for name in taken}
    name, number = wanted, 1
    while name.casefold() in used:
        number += 1
        name = f"{wanted}_{number}"
    return name
