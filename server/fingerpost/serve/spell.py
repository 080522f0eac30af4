"""Spell: which of the catalog's own words did the writer mean, and is it the catalog's language at all?

One slip of the finger moves a text's vector further than another wording does, since a tokenizer breaks a word that it
does not know into pieces that mean something else. A word that neither the catalog nor the encoder knows is therefore
read as the catalog's word that is one slip away. The words of utterances are known by definition, so that an utterance
is never changed. Where most words are unknown there is no slip: the text is in another language.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fingerpost.serve.courtesy import without_courtesy

MAX_CHARS = 1_000
"""Of a longer text only so much is looked at, to tell its language."""

MAX_MENDED_CHARS = 300
"""A longer text is left as it is: one slip weighs little among many words, some of which are only rare."""

_MIN_CHANGED_LETTERS = 8
"""A shorter word with another letter in it is mostly another word: "otters" are no "others"."""

_MIN_LETTERS = 3  # of a word that may be a slip
_MIN_MEANT_LETTERS = 4  # of a word that may be meant: nearly every shorter one is one slip away from another
_MAX_LETTERS = 24
_MAX_MEANT = 20_000  # words that can be meant, the most used ones; bounds memory at about 25 MB

_WORD = re.compile(r"(?<![\w'’.@/\\-])[^\W\d_]+(?![\w'’@/\\-]|\.\w)")
"""Letters that stand alone: no part of a name, a path, an address or a hyphenated or apostrophised word."""

_LETTERS = re.compile(r"[^\W\d_]+")

_MIN_TELLING = 0.5
"""Share of the catalog's words that the encoder must know for its vocabulary to tell anything: it holds few words of a
language that it was not made for, and none of a script without spaces."""

_MIN_NEW, _MIN_UNKNOWN = 2 / 3, 0.2
"""Shares of a foreign text's words that no utterance holds, and that the encoder does not know either. Of xSID's
validation texts .89 of those in other languages are so, .008 of the English ones; of CLINC150's, BANKING77's and
HWU64's .004 at most: docs/decisions/0009-spelling.md."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """A text as it was meant."""

    text: str
    foreign: bool = False  # in a language that neither the catalog nor the encoder knows
    bare: str | None = None  # the text without its courtesies, if it has any

    @property
    def views(self) -> tuple[str, ...]:
        """What is embedded: the surest of the views decides."""
        return (self.text,) if self.bare is None else (self.text, self.bare)


class Speller:
    """Knows the words of a catalog's utterances; safe to share between threads."""

    def __init__(self, texts: Iterable[str], is_whole: Callable[[str], bool]) -> None:
        """Learn the words.

        Args:
            texts: The utterances.
            is_whole: Whether the encoder reads a word as one piece, and so knows what it means.
        """
        counts = Counter(word for text in texts for word in set(_LETTERS.findall(text.lower())))
        self._known = frozenset(counts)
        self._is_whole = is_whole
        self._telling = sum(map(is_whole, counts)) >= _MIN_TELLING * max(1, len(counts))
        meant = [word for word in counts if len(word) >= _MIN_MEANT_LETTERS and _is_spelled(word)]
        meant.sort(key=lambda word: (-counts[word], word))
        self._rank = {word: place for place, word in enumerate(meant[:_MAX_MEANT])}
        self._shortened: dict[str, list[str]] = {}
        for word in self._rank:
            for key in _shortened(word):
                self._shortened.setdefault(key, []).append(word)

    def read(self, text: str) -> Spelled:
        """The text with each slip read as the word that was meant: of several the one that most utterances hold."""
        foreign = self._is_foreign(text[:MAX_CHARS])
        if len(text) > MAX_CHARS:
            return Spelled(text, foreign)
        mended = text if len(text) > MAX_MENDED_CHARS else self._mended(text)
        return Spelled(mended, foreign, without_courtesy(mended))

    def _is_foreign(self, text: str) -> bool:
        words = _LETTERS.findall(text.lower())
        new = [word for word in words if word not in self._known]
        if not self._telling or not new or len(new) < _MIN_NEW * len(words):
            return False
        return sum(not self._is_whole(word) for word in new) >= _MIN_UNKNOWN * len(words)

    def _mended(self, text: str) -> str:
        """Unchanged when more than a third of the words, and more than one, are unknown: these are no slips."""
        words = list(_WORD.finditer(text))
        unknown = [word for word in words if self._is_unknown(word[0].lower())]
        if not unknown or len(unknown) > max(1, len(words) // 3):
            return text
        parts, end = [], 0
        for word in unknown:
            parts += [text[end : word.start()], self._meant(word[0])]
            end = word.end()
        return "".join([*parts, text[end:]])

    def _is_unknown(self, word: str) -> bool:
        return len(word) >= _MIN_LETTERS and _is_spelled(word) and word not in self._known and not self._is_whole(word)

    def _meant(self, written: str) -> str:
        """The word that was meant, in the same letter case; the word itself when there is none."""
        word = written.lower()
        near = {known for key in _shortened(word) for known in self._shortened.get(key, ()) if is_slip(word, known)}
        if not near:
            return written
        meant = min(near, key=self._rank.__getitem__)
        if written.isupper():
            return meant.upper()
        return meant.capitalize() if written[0].isupper() else meant


def _is_spelled(word: str) -> bool:
    """Whether the word is short enough and of letters that one may slip on: Latin to Arabic, extended Latin and Greek.

    Where a character is a word or a syllable, another character is another word.
    """
    return len(word) <= _MAX_LETTERS and all(c < "\u0900" or "\u1e00" <= c < "\u2000" for c in word)


def is_slip(word: str, meant: str) -> bool:
    """Whether a slip of the finger makes one word of the other.

    Two neighbouring letters in the wrong order, or inside the word a letter more, less or, in a long word, another: the
    four kinds of Damerau 1964, "A technique for computer detection and correction of spelling errors", as far as they
    seldom lead to another word. The last letter tells "charger" from "charged".
    """
    short, long = sorted((word, meant), key=len)
    if word == meant or len(long) - len(short) > 1:
        return False
    same = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) == len(long):
        swapped = long[same + 1 : same + 2] + long[same : same + 1]
        if short[same : same + 2] == swapped and short[same + 2 :] == long[same + 2 :]:
            return True
    inside = short[:1] == long[:1] and short[-1:] == long[-1:]
    if len(short) < len(long):
        return inside and short[same:] == long[same + 1 :]
    return inside and len(long) >= _MIN_CHANGED_LETTERS and short[same + 1 :] == long[same + 1 :]


def _shortened(word: str) -> Iterator[str]:
    """The word, and what is left of it without one of its letters.

    Two words one slip apart have one of these in common (Garbe 2012, the symmetric delete).
    """
    yield word
    yield from {word[:i] + word[i + 1 :] for i in range(len(word))}
