"""Which text of a conversation is routed: complete turns alone, elliptic ones after the turn before."""

import pytest
from hypothesis import given, strategies as st

from fingerpost.serve.conversation import (
    ELLIPTIC_CHARACTERS,
    PREVIOUS_CHARACTERS,
    DecidingText,
    deciding_text,
    elliptic,
)
from fingerpost.types import Role, Turn

TURNS = st.lists(
    st.builds(
        Turn,
        st.sampled_from(Role),
        st.one_of(st.text(max_size=600), st.sampled_from(["and tomorrow?", "why?", "fix this bug", "x " * 400])),
        st.lists(st.sampled_from(["image", "audio", "file"]), max_size=3).map(tuple),
    ),
    max_size=8,
)


def user(text: str, *ignored: str) -> Turn:
    return Turn(Role.USER, text, ignored)


def assistant(text: str) -> Turn:
    return Turn(Role.ASSISTANT, text)


@pytest.mark.parametrize(
    "text",
    [
        "what about tomorrow?",
        "How about the other one",
        "and for my other account?",
        "same for Paris",
        "or the day after",
        "also next week",
        "how come?",
        "why?",
        "and then?",
        "but why",
        "ok and how do I do that",
        "for two people instead",
        "in German, please",
        "on friday",
        "is it free?",
        "how long does it take",
        "could you explain that",
        "the blue one",
        "tell me more",
        "Paris",
        "savings account",
        "?",
        "👍",
        "und morgen?",
        "¿y mañana?",
        "а завтра?",
        "那明天呢",
        "明日は？",
        "내일은 어때?",
    ],
)
def test_follow_ups_are_elliptic(text: str) -> None:
    """A turn that leaves out what it is about is known as one, in other languages when it is short."""
    assert elliptic(text)


@pytest.mark.parametrize(
    "text",
    [
        "translate this to French",
        "write a poem",
        "thanks",
        "thank you!",
        "hello",
        "yes",
        "no thanks",
        "stop",
        "fix this bug",
        "tell me a joke",
        "summarise this text",
        "play jazz",
        "who are you",
        "what can you do",
        "so what are my current GPS coordinates",
        "and what's my balance",
        "also write a poem",
        "also set an alarm for 7am",
        "but book a flight to Rome",
        "in what timezone is Atlanta located",
        "for the shopping list, order everything",
        "17*23",
        "print(x)",
        "https://example.com/a",
        "Schreib mir ein Gedicht",
        "escribe un poema corto",
        "写一首关于春天的诗",
        "เขียนกลอนแบบสุนทรภู่สองบท",
        "and " * 40,
    ],
)
def test_new_topics_are_complete(text: str) -> None:
    """A turn that says what it wants stands alone, however short it is or begins."""
    assert not elliptic(text)


def test_an_elliptic_turn_is_read_after_the_one_before() -> None:
    """The previous user turn comes first, on a line of its own, and what the assistant said is not read."""
    turns = [user("solve x"), user("weather in Rome today"), assistant("It is sunny."), user("and tomorrow?")]
    assert deciding_text(turns) == DecidingText("weather in Rome today\nand tomorrow?", joined_turns=True)


def test_a_complete_turn_is_read_alone() -> None:
    """After a change of topic nothing of the old one is read."""
    assert deciding_text([user("weather in Rome today"), user("write a poem")]) == DecidingText("write a poem")


def test_only_one_turn_more_is_read() -> None:
    """When the previous turn is elliptic as well, the one before it is still not read."""
    decided = deciding_text([user("weather in Rome"), user("and tomorrow?"), user("why?")])
    assert decided == DecidingText("and tomorrow?\nwhy?", joined_turns=True)


def test_the_first_turn_has_none_before_it() -> None:
    """An elliptic turn without a user turn before it is read alone."""
    assert deciding_text([assistant("Hello, what now?"), user("why?")]) == DecidingText("why?")


def test_of_a_long_previous_turn_the_end_is_read() -> None:
    """The end of a long turn joins, from a whole word on, so that the last turn keeps its weight."""
    decided = deciding_text([user("begin " + "word " * 500 + "end"), user("why?")])
    assert decided is not None
    assert decided.text.startswith("word ")
    assert decided.text.endswith(" end\nwhy?")
    assert len(decided.text) <= PREVIOUS_CHARACTERS + len("\nwhy?")
    unbroken = deciding_text([user("長" * 5000 + " 尾"), user("why?")])
    assert unbroken is not None
    assert len(unbroken.text) == PREVIOUS_CHARACTERS + len("\nwhy?")


def test_a_turn_without_text_leaves_the_word_to_the_one_before() -> None:
    """When the last user turn holds an image alone, the last one with text decides, and the kind is named."""
    turns = [user("solve x", "file"), user("fix this bug"), assistant("How?"), user("", "image", "image", "audio")]
    assert deciding_text(turns) == DecidingText("fix this bug", ignored_parts=("image", "audio"))


def test_ignored_parts_are_those_of_the_turns_read() -> None:
    """The kinds of both joined turns are named, each once, and no other role's."""
    turns = [
        user("a", "file"),
        user("fix this", "image"),
        Turn(Role.TOOL, "x", ("pdf",)),
        user("why?", "audio", "image"),
    ]
    assert deciding_text(turns) == DecidingText("fix this\nwhy?", True, ("image", "audio"))


@pytest.mark.parametrize("turns", [[], [assistant("hi")], [user("", "image")], [user(" \n"), assistant("hi")]])
def test_nothing_to_route(turns: list[Turn]) -> None:
    """Without a text of the user nothing is decided."""
    assert deciding_text(turns) is None


@given(TURNS)
def test_the_last_user_text_is_always_read_and_bounded(turns: list[Turn]) -> None:
    """The text ends with the last user text, and what precedes it is a bounded piece of the one before."""
    decided = deciding_text(turns)
    texts = [turn.text for turn in turns if turn.role is Role.USER and turn.text.strip()]
    assert (decided is None) == (not texts)
    if decided is None:
        return
    assert decided.text.endswith(texts[-1])
    before = decided.text.removesuffix(texts[-1])
    assert decided.joined_turns == bool(before)
    assert len(before) <= PREVIOUS_CHARACTERS + 1
    assert not before or (before.endswith("\n") and before[:-1] in texts[-2])
    assert not before or len(texts[-1].strip()) <= ELLIPTIC_CHARACTERS


@given(TURNS, st.sampled_from([role for role in Role if role is not Role.USER]), st.text(max_size=50))
def test_nobody_else_is_read(turns: list[Turn], role: Role, text: str) -> None:
    """What another role says, wherever it stands, changes nothing."""
    users = [turn for turn in turns if turn.role is Role.USER]
    mixed = [said for turn in users for said in (Turn(role, text, ("image",)), turn)] + [Turn(role, text)]
    assert deciding_text(mixed) == deciding_text(users)


@given(st.text(max_size=300))
def test_a_text_decides_alike_wherever_it_is_asked(text: str) -> None:
    """The rule is a function of the text alone; case and space around it do not matter."""
    assert elliptic(text) == elliptic(text) == elliptic(f"  {text}\n")
    assert len(text.strip()) <= ELLIPTIC_CHARACTERS or not elliptic(text)
