"""Conversation: which text of a dialogue is routed? The last user turn's, after the one before when it leaves much out.

The words are English; of other languages only short turns are known. The rules were measured by
benchmarks/quality/conversations.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fingerpost.types import Role, Turn

PREVIOUS_CHARACTERS = 400
"""How much of the previous turn joins at most: its end, so that the last turn keeps its weight in the vector."""

ELLIPTIC_CHARACTERS = 120
"""A longer turn is never elliptic."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SHORT_WORDS = 2
_VERBLESS_WORDS = 4  # after a conjunction: "and the day after tomorrow"
_FRAGMENT_WORDS = 5  # from a preposition on: "for my other savings account"
_SENTENCE_WORDS = 7  # of a sentence that refers to something else: "how long does it take to arrive"
_SPACE_SOUGHT_CHARACTERS = 40

_CONJUNCTIONS = _set("and but or so also same instead then")
_OPENERS = (
    ("what", "about"),
    ("how", "about"),
    ("what", "if"),
    ("how", "come"),
    ("why", "not"),
    ("tell", "me", "more"),
)
_PREPOSITIONS = _set("about after at before between by for from in into not on only to until with without")
_ANAPHORA = _set("it that one ones they them those these he she")
_QUESTIONS = _set("what whats which who whos whose when where why how hows")
_STATING = _set("i no please")  # first words of sentences that state or command, where a question would ask about "it"
_ASSISTANT = _set("you your")  # "what can you do" asks about the assistant and is complete
_VERBS = _set(  # and the subjects that bring one
    "i you is isnt are arent was were be been am do does doesnt did dont have has had can cant could will wont would "
    "should may might must need want mean go get say said"
)
_EMPTY = _set(
    "a again all an and any both but each either else exactly far first here his her last long many me more most much "
    "my next no now of often ok okay or other others our out please really same second so some sure than thats the "
    "their then there third this too us we well your"
)
_FUNCTION_WORDS = _CONJUNCTIONS | _PREPOSITIONS | _ANAPHORA | _QUESTIONS | _VERBS | _EMPTY

_COMPLETE = _set(
    "yes yep yeah sure no nope nah ok okay thanks thank thx cheers hi hey hello bye goodbye goodnight farewell perhaps "
    "maybe please stop cancel abort quit exit undo repeat continue help start pause resume mute open close call text "
    "speak play spell define translate write draw show tell give find read make set add delete remove turn launch "
    "book buy order send explain"
)
"""First words of short turns that say all they mean: answers, greetings and commands."""

_CODE = frozenset("=+*/\\<>{}[]()_^|@#`")
"""A short text with one of these is a formula, an address or code."""

_PUNCTUATION = " !\"'(),-.:;?¡¿…‘’“”，。？！、；：؟।"

_CROWDED = ((0x0E00, 0x109F, 5), (0x1780, 0x17FF, 5), (0x2E80, 0xA4CF, 2), (0xF900, 0xFAFF, 2), (0x20000, 0x3FFFF, 2))
"""Scripts that set no spaces between words: first and last character, and about how many of them make a word."""


@dataclass(frozen=True, slots=True)
class DecidingText:
    """The text to route and how it came about."""

    text: str
    joined_turns: bool = False  # the previous user turn's text stands before the last one's
    ignored_parts: tuple[str, ...] = ()  # kinds of parts that are no text, of the user turns from the first one read on


def deciding_text(turns: Sequence[Turn]) -> DecidingText | None:
    """The text to route, or None where no user turn holds one.

    The last user turn with a text decides. When it is short or elliptic, the text of the user turn with a text before
    it comes first, on lines of its own and at most PREVIOUS_CHARACTERS of it. Nobody else's words are read.
    """
    places = [place for place, turn in enumerate(turns) if turn.role is Role.USER and turn.text.strip()]
    if not places:
        return None
    last = turns[places[-1]].text
    joined = len(places) > 1 and elliptic(last)
    text = f"{_end(turns[places[-2]].text)}\n{last}" if joined else last
    return DecidingText(text, joined, _ignored(turns[places[-2 if joined else -1] :]))


def _ignored(turns: Sequence[Turn]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(kind for turn in turns if turn.role is Role.USER for kind in turn.ignored_parts))


def _end(text: str) -> str:
    """The end of a text, from a space on where one is near."""
    text = text.strip()
    if len(text) <= PREVIOUS_CHARACTERS:
        return text
    end = text[-PREVIOUS_CHARACTERS:]
    return end[end.find(" ", 0, _SPACE_SOUGHT_CHARACTERS) + 1 :]


def elliptic(text: str) -> bool:
    """Whether a turn is too short, or leaves out too much, to say by itself what it is about."""
    text = text.strip()
    if len(text) > ELLIPTIC_CHARACTERS:
        return False
    words = _words(text)
    rest = words[1:] if words and words[0] in _CONJUNCTIONS else words
    if not rest:
        return True
    if _opens(rest) or _is_fragment(rest) or _refers(rest):
        return True
    if _CODE & set(text) or rest[0] in _COMPLETE:
        return False
    return _count(rest) <= _SHORT_WORDS or (rest is not words and _is_verbless(rest))


def _words(text: str) -> list[str]:
    """Words in lower case, without apostrophes and punctuation."""
    plain = text.casefold().replace("'", "").replace("’", "")
    return [word for word in (piece.strip(_PUNCTUATION) for piece in plain.split()) if word]


def _opens(words: list[str]) -> bool:
    """Begins as follow-ups do: "what about ..."."""
    return len(words) <= _SENTENCE_WORDS and any(tuple(words[: len(opener)]) == opener for opener in _OPENERS)


def _is_fragment(words: list[str]) -> bool:
    """Begins with a preposition and has no verb: "for my other account"."""
    return words[0] in _PREPOSITIONS and len(words) <= _FRAGMENT_WORDS and not _verbs(words)


def _is_verbless(words: list[str]) -> bool:
    return _count(words) <= _VERBLESS_WORDS and not _verbs(words)


def _verbs(words: list[str]) -> bool:
    return any(word in _VERBS or word in _QUESTIONS for word in words)


def _refers(words: list[str]) -> bool:
    """Says nothing of its own, or one word of its own about something named before: "how much is it", "is it free"."""
    if len(words) > _SENTENCE_WORDS or words[0] not in _FUNCTION_WORDS:
        return False
    own = sum(word not in _FUNCTION_WORDS for word in words)
    if not _ANAPHORA.isdisjoint(words):
        return own == 0 or (own == 1 and words[0] not in _ANAPHORA | _STATING)
    return own == 0 and words[0] not in _COMPLETE and _ASSISTANT.isdisjoint(words)


def _count(words: list[str]) -> float:
    """How many words, characters of scripts without spaces counted in groups."""
    return sum(_size(word) for word in words)


def _size(word: str) -> float:
    parts = [1 / size for character in word for first, last, size in _CROWDED if first <= ord(character) <= last]
    return max(1.0, sum(parts))
